"""The pictures and films; this is the only file that imports matplotlib.

Samples are images as rows of bytes or of floats in [0, 1], (n, I), or points, (n, 2); ``shape`` is
that of one of them: (height, width), (height, width, 3) in color, or (2,).
"""

from __future__ import annotations

import io
import math
import re
import warnings
from contextlib import contextmanager
from typing import NamedTuple

import matplotlib
import matplotlib.image
import numpy as np
from matplotlib.animation import FuncAnimation, HTMLWriter, PillowWriter
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from tinygan.data import as_bytes, as_floats


@contextmanager
def same_for_everybody():
    """Within this context pictures are the same, whatever somebody's own settings of matplotlib are."""
    with matplotlib.rc_context(), warnings.catch_warnings(), np.errstate(all="ignore"):
        matplotlib.rcdefaults()
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # a box in a title is warning enough
        yield


def tiles(images, shape, columns=None):
    """Return images as one picture, (rows·height, columns·width, ...), filled row by row, the rest black."""
    columns = columns or math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    height, width, *color = shape
    padded = np.zeros((rows * columns, height, width, *color), images.dtype)
    padded[: len(images)] = images.reshape(-1, *shape)
    grid = padded.reshape(rows, columns, height, width, *color).swapaxes(1, 2)
    return grid.reshape(rows * height, columns * width, *color)


def figure(width, height):
    """Return a figure of that many inches, drawn without a screen."""
    fig = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(fig)
    return fig


def draw_images(ax, images, shape, columns=None):
    """Draw images as tiles into ``ax``; return the artist."""
    limit = 255 if images.dtype == np.uint8 else 1
    picture = tiles(images, shape, columns)
    ax.set_axis_off()
    return ax.imshow(picture, cmap="gray", vmin=0, vmax=limit, interpolation="nearest")


def draw_samples(ax, samples, shape, background=None, columns=None):
    """Draw samples into ``ax``; return the function that replaces them by others."""
    if len(shape) > 1:
        artist = draw_images(ax, samples, shape, columns)
        return lambda new: artist.set_data(tiles(new, shape, columns))
    if background is not None:
        ax.plot(*background.T, ".", color="0.8", markersize=2)
        low, high = background.min(), background.max()
        margin = 0.25 * (high - low)
        ax.set(xlim=(low - margin, high + margin), ylim=(low - margin, high + margin))
    (artist,) = ax.plot(*samples.T, ".", color="C3", markersize=2)
    ax.set_aspect("equal")
    return lambda new: artist.set_data(*new.T)


@same_for_everybody()
def save_samples(path, samples, shape, title, background=None, columns=None):
    """Draw samples, images in so many columns; ``background`` are real points to lay them over."""
    fig = figure(5, 5.3)
    ax = fig.subplots()
    draw_samples(ax, samples, shape, background, columns)
    ax.set_title(title, fontsize=9, parse_math=False)
    fig.savefig(path, dpi=120)


class Line(NamedTuple):
    """A line in a panel of the curves: a column of the history, what it is, and what it is at best (None: nothing)."""

    column: str
    meaning: str
    landmark: float | None = None
    factor: float = 1.0


@same_for_everybody()
def save_curves(path, history, title, panels):
    """Draw the history; ``panels`` is {label: [Line, ...]}. A panel without a finite number is left out.

    A landmark is a thin dashed line: where the losses are when the fakes are as the data, what real
    images reach.
    """
    columns = {
        name: np.array(values, float)
        for name, values in zip(history[0]._fields, zip(*history, strict=True), strict=True)
    }
    drawn = {label: lines for label, lines in panels.items() if np.isfinite(columns[lines[0].column]).any()}
    fig = figure(7, 1 + 1.8 * len(drawn))
    axes = fig.subplots(len(drawn), sharex=True, squeeze=False)[:, 0]
    for ax, (label, lines) in zip(axes, drawn.items(), strict=True):
        for color, (name, meaning, landmark, factor) in enumerate(lines):
            seen = np.isfinite(columns[name])
            ax.plot(columns["step"][seen], factor * columns[name][seen], f"C{color}", label=meaning)
            if landmark is not None and np.isfinite(landmark):
                ax.axhline(factor * landmark, color=f"C{color}", linewidth=0.8, linestyle="--")
        ax.set_ylabel(label)
        ax.grid(alpha=0.3)
        ax.legend(fontsize=8)
        values = np.concatenate([columns[line.column] for line in lines])
        values = values[np.isfinite(values)]
        if label in LOGARITHMIC and values.size and values.min() > 0:
            ax.set_yscale("log")
            ax.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))  # more would overlap
            ax.yaxis.set_major_formatter("{x:g}")  # 300, not 3 x 10^2
            ax.yaxis.set_minor_formatter("{x:g}")
            ax.tick_params(axis="y", which="both", labelsize=8)
    axes[-1].set(xlabel="step", xscale="log")
    axes[-1].xaxis.set_major_formatter("{x:,.0f}")
    fig.suptitle(title, fontsize=10, parse_math=False)
    fig.savefig(path, dpi=110)


LOGARITHMIC = ("Fréchet distance", "gradient norm")


@same_for_everybody()
def save_film(gif_path, html_path, frames, shape, title, background=None):
    """Draw the training as a film, from frames [(step, samples), ...]: a GIF, and an HTML page with a player."""
    fig = figure(4, 4.3)
    ax = fig.subplots()
    replace = draw_samples(ax, frames[0][1], shape, background)

    def show(i):
        step, samples = frames[i]
        replace(samples)
        ax.set_title(f"{title}, step {step:,}", fontsize=8, parse_math=False)

    order = [*range(len(frames)), *[len(frames) - 1] * 6]  # rest on the last picture
    film = FuncAnimation(fig, show, order)
    film.save(gif_path, PillowWriter(fps=6), dpi=70)
    with matplotlib.rc_context({"animation.embed_limit": 100}):
        film.save(html_path, HTMLWriter(fps=6, embed_frames=True, default_mode="once"), dpi=110)
    html_path.write_text(self_contained(html_path.read_text(encoding="utf-8")), encoding="utf-8")


FACES = {  # of the player's buttons, which matplotlib fetches from the network as a font
    "minus": "-", "plus": "+", "fast-backward": "|&lt;", "step-backward": "&lt;|", "pause": "||",
    "step-forward": "|&gt;", "fast-forward": "&gt;|", "play fa-flip-horizontal": "&lt;", "play": "&gt;",
}  # fmt: skip


def self_contained(page):
    """Return a film's page that loads nothing, and is the same for the same film."""
    identity = re.search("_anim_img([0-9a-f]{32})", page)[1]  # random
    page = re.sub(r"<link[^>]*>\n?", "", page.replace(identity, "_film"))
    return re.sub(r'<i class="fa fa-([^"]*)"></i>', lambda icon: FACES[icon[1]], page)


def save_neighbors(path, samples, neighbors, shape, title):
    """Draw each sample above its nearest training image, (n, I) both: does the generator just remember?"""
    save_stacked(path, [samples, neighbors], shape, title)


@same_for_everybody()
def save_stacked(path, parts, shape, title):
    """Draw the images that belong together one above the other, from arrays (n, I) of all first ones, all second, ...

    Rows of 16, or of all if they are fewer; what does not fill a row is left out.
    """
    columns = min(16, len(parts[0]))
    n = len(parts[0]) // columns * columns
    blocks = [as_floats(x[:n]).reshape(-1, columns, x.shape[1]) for x in parts]
    fig = figure(8, 0.7 + 8 * len(parts) * (n // columns) / columns)
    ax = fig.subplots()
    draw_images(ax, np.stack(blocks, axis=1).reshape(-1, parts[0].shape[1]), shape, columns)
    ax.set_title(title, fontsize=9, parse_math=False)
    fig.savefig(path, dpi=110)


def png(image, shape):
    """Return an image of bytes, (I,), as the content of a PNG file, every byte as it is."""
    file, pixels = io.BytesIO(), image.reshape(*shape[:2], -1)
    matplotlib.image.imsave(file, np.broadcast_to(pixels, (*shape[:2], 3)), format="png")
    return file.getvalue()


def read_pictures(paths):
    """Return the pictures in these PNG files as bytes, (n, height, width), or (n, height, width, 3) if any has color.

    Transparency is left out. Raises ValueError if they are not of one size, or if one cannot be read.
    """
    pictures = []
    for path in paths:
        try:
            picture = matplotlib.image.imread(path)
        except (OSError, SyntaxError, ValueError) as error:
            raise ValueError(f"{path}: cannot be read as a picture ({error})") from None
        picture = picture[..., None] if picture.ndim == 2 else picture
        pictures.append(
            np.broadcast_to(picture[..., :3] if picture.shape[2] > 2 else picture[..., :1], (*picture.shape[:2], 3))
        )
        if pictures[-1].shape != pictures[0].shape:
            sizes = " and ".join(f"{p.shape[1]} x {p.shape[0]}" for p in (pictures[0], pictures[-1]))
            raise ValueError(f"{path}: the pictures are of different sizes, {sizes}")
    images = as_bytes(np.stack(pictures))
    is_gray = (images == images[..., :1]).all()
    return images[..., 0] if is_gray else images
