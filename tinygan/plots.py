"""Pictures exist because numbers do not show a digit; this is the only file that knows matplotlib.

Samples are (n, 784) images, bytes or floats in [0, 1], or (n, 2) points.
"""

from __future__ import annotations

import math
import re
import warnings
from contextlib import contextmanager

import matplotlib
import numpy as np
from matplotlib.animation import FuncAnimation, HTMLWriter, PillowWriter
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator


@contextmanager
def same_for_everybody():
    """Within this context pictures come out the same, whatever somebody's own settings of matplotlib are."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # a box in a title is warning enough
        yield


def tiles(images, columns=None):
    """(n, 784) images as one picture (rows·28, columns·28), filled row by row, the rest black."""
    columns = columns or math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    padded = np.zeros((rows * columns, 784), images.dtype)
    padded[: len(images)] = images
    return padded.reshape(rows, columns, 28, 28).swapaxes(1, 2).reshape(rows * 28, columns * 28)


def figure(width, height):
    """A figure of that many inches, drawn without a screen."""
    fig = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(fig)
    return fig


def draw_samples(ax, samples, background=None):
    """Draw samples into ``ax``; returns the artist and the function that replaces its samples."""
    if samples.shape[1] == 784:
        limit = 255 if samples.dtype == np.uint8 else 1
        artist = ax.imshow(tiles(samples), cmap="gray", vmin=0, vmax=limit, interpolation="nearest")
        ax.set_axis_off()
        return artist, lambda new: artist.set_data(tiles(new))
    if background is not None:
        ax.plot(*background.T, ".", color="0.8", markersize=2)
        low, high = background.min(), background.max()
        margin = 0.25 * (high - low)
        ax.set(xlim=(low - margin, high + margin), ylim=(low - margin, high + margin))
    (artist,) = ax.plot(*samples.T, ".", color="C3", markersize=2)
    ax.set_aspect("equal")
    return artist, lambda new: artist.set_data(*new.T)


@same_for_everybody()
def save_samples(path, samples, title, background=None):
    """A picture of samples; ``background`` are real points to lay them over."""
    fig = figure(5, 5.3)
    ax = fig.subplots()
    draw_samples(ax, samples, background)
    ax.set_title(title, fontsize=9, parse_math=False)
    fig.savefig(path, dpi=120)


@same_for_everybody()
def save_curves(path, history, title, quality_name):
    """Losses, scores, gradient norms and, where it was measured, quality over the steps."""
    rows = np.array(history, np.float64).reshape(len(history), -1)
    column = {name: rows[:, i] for i, name in enumerate(history[0]._fields)}
    panels = [
        ("loss", {"d_loss": "of D", "g_loss": "of G"}),
        ("mean score", {"d_real": "D(real)", "d_fake": "D(fake)"}),
        ("gradient norm", {"d_grad": "of D", "g_grad": "of G"}),
        (quality_name, {"quality": "of the samples"}),
    ]
    panels = [(label, lines) for label, lines in panels if np.isfinite(column[min(lines)]).any()]
    fig = figure(7, 1 + 1.8 * len(panels))
    axes = fig.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
    for ax, (label, lines) in zip(axes, panels, strict=True):
        for name, meaning in lines.items():
            seen = np.isfinite(column[name])
            ax.plot(column["step"][seen], column[name][seen], label=meaning)
        ax.set_ylabel(label)
        ax.grid(alpha=0.3)
        ax.legend(fontsize=8)
    if label == quality_name and column["quality"][seen].min() > 0:
        axes[-1].set_yscale("log")
        axes[-1].yaxis.set_minor_locator(LogLocator(subs=(2, 3, 5, 7)))  # more would overlap
        axes[-1].yaxis.set_major_formatter("{x:g}")  # 300, not 3 x 10^2
        axes[-1].yaxis.set_minor_formatter("{x:g}")
    axes[-1].set_xlabel("step")
    fig.suptitle(title, fontsize=10, parse_math=False)
    fig.savefig(path, dpi=110)


@same_for_everybody()
def save_film(gif_path, html_path, frames, title, background=None):
    """The training as a film, from frames [(step, samples), ...]: a GIF, and an HTML page with a player."""
    fig = figure(4, 4.3)
    ax = fig.subplots()
    _, replace = draw_samples(ax, frames[0][1], background)

    def show(i):
        step, samples = frames[i]
        replace(samples)
        ax.set_title(f"{title}, step {step:,}", fontsize=8, parse_math=False)

    order = [*range(len(frames)), *[len(frames) - 1] * 6]  # rest on the last picture
    film = FuncAnimation(fig, show, order)
    film.save(gif_path, PillowWriter(fps=6), dpi=70)
    with matplotlib.rc_context({"animation.embed_limit": 100}):
        film.save(html_path, HTMLWriter(fps=6, embed_frames=True, default_mode="once"), dpi=70)
    html_path.write_text(self_contained(html_path.read_text(encoding="utf-8")), encoding="utf-8")


FACES = {  # of the player's buttons, which matplotlib fetches from the network as a font
    "minus": "-", "plus": "+", "fast-backward": "|&lt;", "step-backward": "&lt;|", "pause": "||",
    "step-forward": "|&gt;", "fast-forward": "&gt;|", "play fa-flip-horizontal": "&lt;", "play": "&gt;",
}  # fmt: skip


def self_contained(page):
    """A film's page that loads nothing, and is the same for the same film."""
    identity = re.search("_anim_img([0-9a-f]{32})", page)[1]  # random
    page = re.sub(r"<link[^>]*>\n?", "", page.replace(identity, "_film"))
    return re.sub(r'<i class="fa fa-([^"]*)"></i>', lambda icon: FACES[icon[1]], page)


@same_for_everybody()
def save_neighbors(path, samples, neighbors, title):
    """Each sample above its nearest training image, (n, 784) both: does the generator just remember?

    Rows of 16, or of all if they are fewer; what does not fill a row is left out.
    """
    columns = min(16, len(samples))
    n = len(samples) // columns * columns
    as_floats = [x[:n] / 255 if x.dtype == np.uint8 else x[:n] for x in (samples, neighbors)]
    above, below = (x.reshape(-1, columns, 784) for x in as_floats)
    fig = figure(8, 0.7 + 8 * 2 * (n // columns) / columns)
    ax = fig.subplots()
    ax.imshow(tiles(np.stack([above, below], axis=1).reshape(-1, 784), columns), cmap="gray")
    ax.set_axis_off()
    ax.set_title(title, fontsize=9, parse_math=False)
    fig.savefig(path, dpi=110)
