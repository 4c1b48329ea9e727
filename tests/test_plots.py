"""Pictures show what they were given, come out the same every time, and need no screen and no network."""

from __future__ import annotations

import re

import matplotlib
import numpy as np
import processes
import pytest
from matplotlib.image import PIL, imread  # Pillow, through matplotlib

from tinygan import plots
from tinygan.training import Row

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 784), dtype=np.uint8)
POINTS = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
FRAMES = {"images": [(10 * i, np.roll(IMAGES, i, axis=0)) for i in range(4)],
          "points": [(10 * i, POINTS * i) for i in range(4)]}  # fmt: skip
RESTING = 6  # times that the last picture of a film is repeated


def history(n, quality=float("nan")):
    return [Row(i, 0.1 * i, 1.0 * i, 9.0, 0.5, 2 / (i + 1), 0.6, 0.4, 1.0, 2.0, quality) for i in range(1, n + 1)]


@pytest.fixture
def figures(monkeypatch):
    """Every figure that is drawn, while it can still be asked what is in it."""
    kept, figure = [], plots.figure
    monkeypatch.setattr(plots, "figure", lambda *size: kept.append(figure(*size)) or kept[-1])
    return kept


# ---- tiles ---------------------------------------------------------------------------------------


def test_tiles_lie_row_by_row_and_the_rest_is_black():
    picture = plots.tiles(IMAGES[:5], columns=3)
    assert picture.shape == (2 * 28, 3 * 28) and picture.dtype == np.uint8
    for i in range(5):
        row, column = divmod(i, 3)
        tile = picture[28 * row : 28 * row + 28, 28 * column : 28 * column + 28]
        np.testing.assert_array_equal(tile, IMAGES[i].reshape(28, 28), err_msg=f"image {i}")
    assert (picture[28:, 2 * 28 :] == 0).all()


@pytest.mark.parametrize("n, side", [(1, 1), (2, 2), (4, 2), (64, 8)])
def test_tiles_are_about_as_wide_as_high(n, side):
    assert plots.tiles(np.zeros((n, 784))).shape[1] == side * 28


# ---- the same every time -------------------------------------------------------------------------

DRAWN = {
    "samples of images": lambda folder: plots.save_samples(folder / "a.png", IMAGES, "title"),
    "samples as floats": lambda folder: plots.save_samples(folder / "a.png", IMAGES / np.float32(255), "title"),
    "samples of points": lambda folder: plots.save_samples(folder / "a.png", POINTS, "title", POINTS),
    "curves": lambda folder: plots.save_curves(folder / "a.png", history(5), "title", "quality"),
    "neighbors": lambda folder: plots.save_neighbors(folder / "a.png", *[np.tile(IMAGES, (6, 1))] * 2, "title"),
    "a film": lambda folder: plots.save_film(folder / "a.gif", folder / "a.html", FRAMES["images"][:2], "title"),
}


@pytest.mark.parametrize("what", DRAWN)
def test_drawn_twice_a_picture_has_the_same_bytes(tmp_path, what):
    seen = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        DRAWN[what](tmp_path / name)
        seen.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert seen[0] == seen[1]
    for name, content in seen[0].items():
        assert content.lstrip().startswith({"png": b"\x89PNG", "gif": b"GIF89a", "html": b"<"}[name.split(".")[1]])


def test_bytes_and_floats_of_the_same_images_look_the_same(tmp_path):
    plots.save_samples(tmp_path / "bytes.png", IMAGES, "title")
    plots.save_samples(tmp_path / "floats.png", IMAGES / np.float64(255), "title")
    difference = imread(tmp_path / "bytes.png") - imread(tmp_path / "floats.png")
    assert np.abs(difference).max() <= 1.01 / 255


def test_a_title_is_shown_as_it_is(tmp_path, figures):
    """A folder's name may hold what matplotlib would take for mathematics."""
    title = r"my$\frac$data"
    plots.save_samples(tmp_path / "a.png", IMAGES, title)
    plots.save_neighbors(tmp_path / "a.png", *[np.tile(IMAGES, (6, 1))] * 2, title)
    plots.save_curves(tmp_path / "a.png", history(5), title, "quality")
    plots.save_film(tmp_path / "a.gif", tmp_path / "a.html", FRAMES["images"][1:2], title)
    samples, neighbors, curves, film = figures
    assert [fig.axes[0].get_title() for fig in (samples, neighbors, film)] == [title, title, f"{title}, step 10"]
    assert [text.get_text() for text in curves.texts] == [title]  # get_suptitle came with matplotlib 3.8


def test_points_lie_over_those_of_the_background(tmp_path, figures):
    background = POINTS - 1
    plots.save_samples(tmp_path / "a.png", POINTS, "title", background)
    plots.save_film(tmp_path / "a.gif", tmp_path / "a.html", [(0, POINTS)], "title", background)
    for fig in figures:
        drawn = [np.transpose(line.get_data()) for line in fig.axes[0].lines]
        np.testing.assert_array_equal(drawn, [background, POINTS])


def test_other_samples_make_another_picture(tmp_path):
    for name, samples in (("a", POINTS), ("b", POINTS + 0.5)):
        plots.save_samples(tmp_path / f"{name}.png", samples, "title", POINTS)
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()


def test_drawing_needs_no_screen_and_leaves_no_figure_behind(tmp_path):
    code = (
        "import sys, numpy as np; from pathlib import Path; from tinygan import plots\n"
        "plots.save_samples(Path(sys.argv[1]), np.zeros((4, 784)), 'title')\n"
        "assert 'matplotlib.pyplot' not in sys.modules, 'pyplot keeps figures, and looks for a screen'"
    )
    done = processes.run("-c", code, tmp_path / "a.png")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.png").exists()


OWN_SETTINGS = {
    "text.usetex": "True", "image.cmap": "hot", "axes.facecolor": "red", "savefig.bbox": "tight", "font.size": "25",
    "lines.linewidth": "9", "axes.grid": "True", "savefig.dpi": "300", "axes.titlelocation": "left",
}  # fmt: skip


def test_pictures_are_the_same_whatever_the_users_settings_are(tmp_path):
    """Also where these cannot be met: no LaTeX is needed."""
    seen = []
    for settings in ({}, OWN_SETTINGS):
        with matplotlib.rc_context(settings):
            for what in ("samples of images", "samples of points", "curves", "neighbors"):
                DRAWN[what](tmp_path)
                seen.append((tmp_path / "a.png").read_bytes())
            assert {name: str(matplotlib.rcParams[name]) for name in settings}.keys() == settings.keys()
            assert matplotlib.rcParams["axes.grid"] == bool(settings), "the user's settings were changed"
    assert seen[:4] == seen[4:]


@pytest.mark.parametrize("title", ["日本", "\ufffd", "a\tb", "$\\frac$", "x" * 300])
def test_no_title_is_worth_a_warning(tmp_path, recwarn, title):
    plots.save_samples(tmp_path / "a.png", IMAGES, title)
    assert not [str(warning.message) for warning in recwarn]


# ---- curves --------------------------------------------------------------------------------------


def heights(tmp_path, rows):
    plots.save_curves(tmp_path / "a.png", rows, "title", "quality")
    return imread(tmp_path / "a.png").shape[0]


def test_curves_show_quality_only_where_it_was_measured(tmp_path):
    without = heights(tmp_path, history(5))
    assert heights(tmp_path, history(5, quality=3.0)) > without
    assert heights(tmp_path, [*history(5), *history(1, quality=-3.0)]) > without


def test_every_line_of_the_curves_has_its_name_in_a_legend_and_shows_what_it_says(tmp_path, figures):
    plots.save_curves(tmp_path / "a.png", history(5, quality=300.0), "title", "quality")
    seen = {}
    for ax in figures[0].axes:
        assert [text.get_text() for text in ax.get_legend().texts] == [line.get_label() for line in ax.lines]
        for line in ax.lines:
            np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3, 4, 5])
            seen[ax.get_ylabel(), line.get_label()] = line.get_ydata().tolist()
    assert seen == {
        ("loss", "of D"): [0.5] * 5,
        ("loss", "of G"): [2 / (i + 1) for i in range(1, 6)],
        ("mean score", "D(real)"): [0.6] * 5,
        ("mean score", "D(fake)"): [0.4] * 5,
        ("gradient norm", "of D"): [1.0] * 5,
        ("gradient norm", "of G"): [2.0] * 5,
        ("quality", "of the samples"): [300.0] * 5,
    }
    ticks = [label.get_text() for label in figures[0].axes[-1].get_yticklabels(which="both")]
    assert any(ticks) and not [text for text in ticks if "$" in text], f"powers of ten are hard to read: {ticks}"


def test_curves_of_a_single_row_can_be_drawn(tmp_path):
    assert heights(tmp_path, history(1)) > 100


# ---- films ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=FRAMES)
def film(request, tmp_path_factory):
    """(path of the GIF, text of the page, frames) of a film."""
    folder, frames = tmp_path_factory.mktemp("film"), FRAMES[request.param]
    background = POINTS if request.param == "points" else None
    plots.save_film(folder / "film.gif", folder / "film.html", frames, "title", background)
    return folder / "film.gif", (folder / "film.html").read_text(encoding="utf-8"), frames


def test_a_film_has_every_frame_and_rests_on_the_last(film):
    gif, page, frames = film
    shown, times = [], []
    with PIL.Image.open(gif) as picture:
        for i in range(picture.n_frames):
            picture.seek(i)
            shown.append(np.array(picture.convert("L")))
            times.append(picture.info["duration"])
    assert len(set(map(bytes, shown))) == len(frames), "a frame is missing, or two look the same"
    ticks = round(sum(times) * 6 / 1000)  # of a sixth of a second; equal pictures in a row are stored as one
    assert ticks == len(frames) + RESTING, times

    embedded = re.findall(r'frames\[(\d+)\] = "data:image/png;base64', page)
    assert [int(i) for i in embedded] == list(range(len(frames) + RESTING))


def test_the_film_page_plays_by_itself(film):
    """Nothing that it needs comes from the network; a name it uses, it defines; every button has a face."""
    page = film[1]
    assert "function Animation" in page and "new Animation(" in page
    assert not re.search("<link|@import|https?:|<(img|script)[^>]*src=", page), "something is loaded"
    faces = re.findall(r"<button[^>]*>\s*([^<]*?)\s*</button>", page)
    assert len(set(faces)) == page.count("<button") == 9 and all(faces), faces
    needed = set(re.findall(r"""getElementById\(["'](\w+)["']\)""", page)) | set(
        re.findall(r"""(?:img_id|slider_id|loop_select_id) = ["'](\w+)["']""", page)
    )
    defined = set(re.findall(r"""(?:id|name)=["'](\w+)["']""", page))
    assert needed and needed <= defined, f"{needed - defined} are used but nowhere defined"


def test_samples_as_floats_are_as_bright_as_neighbors_as_bytes(tmp_path):
    images = np.tile(IMAGES, (6, 1))[:16]
    for name, samples in (("floats", images / 255), ("bytes", images)):
        plots.save_neighbors(tmp_path / f"{name}.png", samples, images, "title")
    assert (tmp_path / "floats.png").read_bytes() == (tmp_path / "bytes.png").read_bytes()


@pytest.mark.parametrize("n, columns, rows", [(1, 1, 1), (6, 6, 1), (16, 16, 1), (35, 16, 2)])
def test_each_sample_lies_above_its_neighbor(tmp_path, figures, n, columns, rows):
    samples = np.tile(IMAGES, (6, 1))[:n]
    neighbors = 255 - samples
    plots.save_neighbors(tmp_path / "a.png", samples, neighbors, "title")
    (picture,) = figures[0].axes[0].images
    shown = np.asarray(picture.get_array()).reshape(2 * rows, 28, columns, 28).swapaxes(1, 2)
    for i in range(rows * columns):
        row, column = divmod(i, columns)
        for below, image in ((0, samples[i]), (1, neighbors[i])):
            np.testing.assert_array_equal(shown[2 * row + below, column], image.reshape(28, 28) / 255)
