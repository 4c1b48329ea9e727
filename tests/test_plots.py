"""Pictures show what they were given, are the same every time, and need no screen and no network."""

from __future__ import annotations

import io
import re

import matplotlib
import numpy as np
import processes
import pytest
from matplotlib.colors import same_color
from matplotlib.image import PIL, imread  # Pillow, through matplotlib

from tinygan import plots
from tinygan.plots import Line
from tinygan.training import Row

GRAY, COLOR, POINT = (28, 28), (9, 12, 3), (2,)  # shapes of an example
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 784), dtype=np.uint8)
COLORS = np.random.default_rng(0).integers(0, 256, (6, 324), dtype=np.uint8)
POINTS = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
FRAMES = {
    "images": (GRAY, [(10 * i, np.roll(IMAGES, i, axis=0)) for i in range(4)]),
    "points": (POINT, [(10 * i, POINTS * i) for i in range(4)]),
}
RESTING = 6  # times that the last picture of a film is repeated
NAN = float("nan")


def history(n, quality=NAN, captured=NAN):
    """n rows: the penalty is 0.25, the losses 0.5 and 2 / (step + 1)."""
    return [
        Row(i, 0.1 * i, 1.0 * i, 9.0, 0.5, 0.25, 2 / (i + 1), 0.6, 0.4, 1.0, 2.0, quality, captured)
        for i in range(1, n + 1)
    ]


PANELS = {
    "Fréchet distance": [Line("quality", "of the samples", 1.5)],
    "loss": [Line("d_loss", "of D", 1.4), Line("g_loss", "of G")],
    "gradient norm": [Line("d_grad", "of D"), Line("g_grad", "of G")],
}


@pytest.fixture
def figures(monkeypatch):
    """Every figure that is drawn, while it can still be asked what is in it."""
    kept, figure = [], plots.figure
    monkeypatch.setattr(plots, "figure", lambda *size: kept.append(figure(*size)) or kept[-1])
    return kept


# ---- tiles ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("images, shape", [(IMAGES, GRAY), (COLORS, COLOR)], ids=["gray", "color"])
def test_tiles_lie_row_by_row_and_the_rest_is_black(images, shape):
    height, width, *color = shape
    picture = plots.tiles(images[:5], shape, columns=3)
    assert picture.shape == (2 * height, 3 * width, *color) and picture.dtype == np.uint8
    for i in range(5):
        row, column = divmod(i, 3)
        tile = picture[height * row : height * (row + 1), width * column : width * (column + 1)]
        np.testing.assert_array_equal(tile, images[i].reshape(shape), err_msg=f"image {i}")
    assert (picture[height:, 2 * width :] == 0).all()


@pytest.mark.parametrize("n, side", [(1, 1), (2, 2), (4, 2), (64, 8)])
def test_tiles_are_about_as_many_across_as_down(n, side):
    assert plots.tiles(np.zeros((n, 784)), GRAY).shape[1] == side * 28


# ---- the same every time -------------------------------------------------------------------------

MANY = np.tile(IMAGES, (6, 1))
DRAWN = {
    "samples of images": lambda folder: plots.save_samples(folder / "a.png", IMAGES, GRAY, "title"),
    "samples in color": lambda folder: plots.save_samples(folder / "a.png", COLORS, COLOR, "title"),
    "samples of points": lambda folder: plots.save_samples(folder / "a.png", POINTS, POINT, "title", POINTS),
    "curves": lambda folder: plots.save_curves(folder / "a.png", history(5), "title", PANELS),
    "neighbors": lambda folder: plots.save_neighbors(folder / "a.png", MANY, MANY, GRAY, "title"),
    "a film": lambda folder: plots.save_film(folder / "a.gif", folder / "a.html", FRAMES["images"][1][:2], GRAY, "t"),
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


@pytest.mark.parametrize("images, shape", [(IMAGES, GRAY), (COLORS, COLOR)], ids=["gray", "color"])
def test_bytes_and_floats_of_the_same_images_look_the_same(tmp_path, images, shape):
    plots.save_samples(tmp_path / "bytes.png", images, shape, "title")
    plots.save_samples(tmp_path / "floats.png", images / np.float64(255), shape, "title")
    difference = imread(tmp_path / "bytes.png") - imread(tmp_path / "floats.png")
    assert np.abs(difference).max() <= 1.01 / 255


def test_colors_are_those_of_the_samples(tmp_path, figures):
    plots.save_samples(tmp_path / "a.png", COLORS, COLOR, "title")
    (picture,) = figures[0].axes[0].images
    np.testing.assert_array_equal(picture.get_array(), plots.tiles(COLORS, COLOR))


def test_a_title_is_shown_as_it_is(tmp_path, figures):
    """A folder's name may hold what matplotlib would take for mathematics."""
    title = r"my$\frac$data"
    plots.save_samples(tmp_path / "a.png", IMAGES, GRAY, title)
    plots.save_neighbors(tmp_path / "a.png", MANY, MANY, GRAY, title)
    plots.save_curves(tmp_path / "a.png", history(5), title, PANELS)
    plots.save_film(tmp_path / "a.gif", tmp_path / "a.html", FRAMES["images"][1][1:2], GRAY, title)
    samples, neighbors, curves, film = figures
    assert [fig.axes[0].get_title() for fig in (samples, neighbors, film)] == [title, title, f"{title}, step 10"]
    assert [text.get_text() for text in curves.texts] == [title]  # get_suptitle came with matplotlib 3.8


def test_points_lie_over_those_of_the_background(tmp_path, figures):
    background = POINTS - 1
    plots.save_samples(tmp_path / "a.png", POINTS, POINT, "title", background)
    plots.save_film(tmp_path / "a.gif", tmp_path / "a.html", [(0, POINTS)], POINT, "title", background)
    for fig in figures:
        drawn = [np.transpose(line.get_data()) for line in fig.axes[0].lines]
        np.testing.assert_array_equal(drawn, [background, POINTS])


def test_other_samples_make_another_picture(tmp_path):
    for name, samples in (("a", POINTS), ("b", POINTS + 0.5)):
        plots.save_samples(tmp_path / f"{name}.png", samples, POINT, "title", POINTS)
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()


def test_drawing_needs_no_screen_and_leaves_no_figure_behind(tmp_path):
    code = (
        "import sys, numpy as np; from pathlib import Path; from tinygan import plots\n"
        "plots.save_samples(Path(sys.argv[1]), np.zeros((4, 784)), (28, 28), 'title')\n"
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
    plots.save_samples(tmp_path / "a.png", IMAGES, GRAY, title)
    assert not [str(warning.message) for warning in recwarn]


# ---- curves --------------------------------------------------------------------------------------


def panels(figure):
    """{label: its axes}."""
    return {ax.get_ylabel(): ax for ax in figure.axes}


def test_a_panel_without_a_finite_number_is_left_out(tmp_path, figures):
    for rows in (history(5), history(5, quality=3.0), [*history(5), *history(1, quality=-3.0)]):
        plots.save_curves(tmp_path / "a.png", rows, "title", PANELS)
    without, measured, once = map(panels, figures)
    assert without.keys() == {"loss", "gradient norm"}
    assert measured.keys() == once.keys() == PANELS.keys()


def test_every_line_of_the_curves_has_its_name_in_a_legend_and_shows_what_it_says(tmp_path, figures):
    lines = {**PANELS, "distance": [Line("d_loss", "minus D's loss", factor=-1)]}
    plots.save_curves(tmp_path / "a.png", history(5, quality=300.0), "title", lines)
    seen = {}
    for ax in figures[0].axes:
        drawn = [line for line in ax.lines if line.get_linestyle() == "-"]
        assert [text.get_text() for text in ax.get_legend().texts] == [line.get_label() for line in drawn]
        for line in drawn:
            np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3, 4, 5])
            seen[ax.get_ylabel(), line.get_label()] = line.get_ydata().tolist()
    assert seen == {
        ("Fréchet distance", "of the samples"): [300.0] * 5,
        ("loss", "of D"): [0.5] * 5,
        ("loss", "of G"): [2 / (i + 1) for i in range(1, 6)],
        ("gradient norm", "of D"): [1.0] * 5,
        ("gradient norm", "of G"): [2.0] * 5,
        ("distance", "minus D's loss"): [-0.5] * 5,
    }
    ticks = [text.get_text() for ax in figures[0].axes for text in ax.get_yticklabels(which="both")]
    assert any(ticks) and not [text for text in ticks if "$" in text], f"powers of ten are hard to read: {ticks}"


def test_a_landmark_is_a_dashed_line_across_in_the_color_of_its_curve(tmp_path, figures):
    lines = {
        "loss": [Line("d_loss", "of D", 1.4), Line("g_loss", "of G", 0.7)],
        "distance": [Line("d_loss", "minus D's loss", 0.25, factor=-1)],
        "none": [Line("d_real", "D(real)"), Line("d_fake", "D(fake)", NAN)],
    }
    plots.save_curves(tmp_path / "a.png", history(5), "title", lines)
    seen = {}
    for label, ax in panels(figures[0]).items():
        curves = [line for line in ax.lines if line.get_linestyle() == "-"]
        dashed = [line for line in ax.lines if line not in curves]
        seen[label] = [
            (line.get_ydata()[0], same_color(curves[i].get_color(), line.get_color())) for i, line in enumerate(dashed)
        ]
        assert all(list(line.get_xdata()) == [0, 1] for line in dashed), "from one edge to the other"
    assert seen == {"loss": [(1.4, True), (0.7, True)], "distance": [(-0.25, True)], "none": []}


def test_the_curves_of_steps_and_of_positive_measures_are_logarithmic(tmp_path, figures):
    plots.save_curves(tmp_path / "a.png", history(5, quality=3.0), "title", PANELS)
    plots.save_curves(tmp_path / "a.png", [*history(5, quality=3.0), *history(1, quality=0.0)], "title", PANELS)
    positive, with_zero = map(panels, figures)
    for axes in (positive, with_zero):
        assert {ax.get_xscale() for ax in axes.values()} == {"log"}
        assert axes["loss"].get_yscale() == "linear" and axes["gradient norm"].get_yscale() == "log"
    assert [axes["Fréchet distance"].get_yscale() for axes in (positive, with_zero)] == ["log", "linear"]


@pytest.mark.parametrize("value", [NAN, float("inf"), -1.0, 0.0, 1e300, 1e-300])
def test_curves_of_strange_numbers_are_drawn_without_a_warning(tmp_path, recwarn, value):
    """As a forged checkpoint may have them."""
    for columns in (("d_grad", "g_grad", "quality"), ("g_grad",), ("g_loss", "quality", "seconds")):
        rows = [row._replace(**dict.fromkeys(columns, value)) for row in history(3, quality=2.0)]
        plots.save_curves(tmp_path / "a.png", rows, "title", PANELS)
    assert not [str(warning.message) for warning in recwarn if not issubclass(warning.category, DeprecationWarning)]


def test_curves_of_a_single_row_can_be_drawn(tmp_path, recwarn):
    plots.save_curves(tmp_path / "a.png", history(1), "title", PANELS)
    assert imread(tmp_path / "a.png").shape[0] > 100 and not list(recwarn)


# ---- films ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=FRAMES)
def film(request, tmp_path_factory):
    """(path of the GIF, text of the page, frames) of a film."""
    folder, (shape, frames) = tmp_path_factory.mktemp("film"), FRAMES[request.param]
    background = POINTS if request.param == "points" else None
    plots.save_film(folder / "film.gif", folder / "film.html", frames, shape, "title", background)
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


# ---- neighbors -----------------------------------------------------------------------------------


def test_samples_as_floats_are_as_bright_as_neighbors_as_bytes(tmp_path):
    for name, samples in (("floats", MANY[:16] / 255), ("bytes", MANY[:16])):
        plots.save_neighbors(tmp_path / f"{name}.png", samples, MANY[:16], GRAY, "title")
    assert (tmp_path / "floats.png").read_bytes() == (tmp_path / "bytes.png").read_bytes()


@pytest.mark.parametrize("images, shape", [(IMAGES, GRAY), (COLORS, COLOR)], ids=["gray", "color"])
@pytest.mark.parametrize("n, columns, rows", [(1, 1, 1), (6, 6, 1), (16, 16, 1), (35, 16, 2)])
def test_each_sample_lies_above_its_neighbor(tmp_path, figures, n, columns, rows, images, shape):
    samples = np.tile(images, (6, 1))[:n]
    neighbors = 255 - samples
    height, width, *color = shape
    plots.save_neighbors(tmp_path / "a.png", samples, neighbors, shape, "title")
    (picture,) = figures[0].axes[0].images
    shown = np.asarray(picture.get_array()).reshape(2 * rows, height, columns, width, *color).swapaxes(1, 2)
    for i in range(rows * columns):
        row, column = divmod(i, columns)
        for below, image in ((0, samples[i]), (1, neighbors[i])):
            np.testing.assert_allclose(shown[2 * row + below, column], image.reshape(shape) / 255, rtol=1e-6)


@pytest.mark.parametrize("images, shape", [(IMAGES, GRAY), (COLORS, COLOR)], ids=["gray", "color"])
def test_a_png_holds_every_byte_as_it_is(images, shape):
    image = np.resize(np.arange(256, dtype=np.uint8), images.shape[1])
    picture = np.round(255 * imread(io.BytesIO(plots.png(image, shape)))[..., :3]).astype(np.uint8)
    expected = image.reshape(*shape[:2], -1)
    assert (picture == expected).all() and picture.shape == (*shape[:2], 3)


def test_what_belongs_together_is_drawn_one_above_the_other(tmp_path, figures):
    parts = [np.full((3, 784), value, np.uint8) for value in (0, 100, 200)]
    plots.save_stacked(tmp_path / "x.png", parts, GRAY, "three")
    drawn = figures[-1].axes[0].images[0].get_array()
    means = drawn.reshape(3, 28, 3, 28).mean(axis=(1, 3)) * 255
    np.testing.assert_allclose(means, [[0] * 3, [100] * 3, [200] * 3], atol=1e-3)
