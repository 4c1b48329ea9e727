"""``tinygan quiz``: one page that shows real and made images one after another, and counts what is taken for real."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path
from string import Template

import numpy as np

from tinygan.app import checkpoint
from tinygan.app.album import drawing
from tinygan.app.errors import UsageError
from tinygan.app.output import say
from tinygan.app.source import fetch, load, refuse_other
from tinygan.data import as_bytes

TEMPLATE = Path(__file__).with_suffix(".html")


def make(args, trained, samples):
    """Write the page of a ``runs.Trained``: a coin decides of each image whether it is one of the samples, (n, I)."""
    out = args.out or args.run / "quiz.html"
    if out.suffix != ".html":
        raise UsageError(f"--out {out}: the name must end in .html")
    if len(trained.shape) == 1:
        raise UsageError(f"{args.run} draws points: a quiz needs images")
    source, n = args.data or trained.source, len(samples)
    refuse_other(fetch(source), args.run, source, trained.sha256)
    real = load(source, "test").x
    if n > len(real):
        raise UsageError(f"--count {n}: there are only {len(real):,} test images; ask for fewer")
    rng = np.random.default_rng([args.seed, 3])  # apart from that of the latents
    is_made = rng.random(n) < 0.5
    images = np.where(is_made[:, None], as_bytes(samples), real[rng.choice(len(real), n, replace=False)])
    with checkpoint.whole(out) as path:
        path.write_text(page(images, is_made, trained, args.run), encoding="utf-8")
    say(f"{n} images, real or made, in {out}: open it in a browser")


def page(images, is_made, trained, run):
    """Return the page for images (n, I) of bytes, of which ``is_made`` (n,) says whose they are."""
    png = drawing().png
    content = [
        {"png": base64.b64encode(png(image, trained.shape)).decode(), "made": bool(made)}
        for image, made in zip(images, is_made, strict=True)
    ]
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        name=html.escape(trained.name),
        real=f"the test images of {html.escape(trained.name)}",
        made=f"{html.escape(str(run))} at step {trained.step:,}",
        images=json.dumps(content),
    )
