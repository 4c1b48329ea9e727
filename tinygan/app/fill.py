"""``tinygan fill``: what is missing in images, by a trained generator (in a table: ``table``)."""

from __future__ import annotations

import math

import numpy as np

from tinygan.app import checkpoint, runs
from tinygan.app.album import drawing
from tinygan.app.errors import UsageError
from tinygan.app.output import say
from tinygan.app.source import fetch, load, refuse_other
from tinygan.app.table import fill_table
from tinygan.data import as_bytes, as_floats
from tinygan.filling import (
    Descent,
    fill,
    fill_by_regression,
    fill_with_mean,
    fill_with_nearest,
    mean_and_covariance,
    missing_at_random,
    missing_block,
)
from tinygan.gan import draw_latents

FRAMES = 25  # of the film
LARGEST_REGRESSION = 1100  # pixels; for more, the covariance takes minutes


def fill_command(args):
    """Fill in images, or a table."""
    if args.table:
        if args.run:
            raise UsageError(f"--table fills a table, without a run; leave out {args.run}")
        fill_table(args)
    elif args.run:
        fill_images(args)
    else:
        raise UsageError("name a run with images, as in tinygan fill runs/001, or --table FILE.csv")


def fill_images(args):
    """Hide a part of images and fill it in again; write pictures, a film and arrays."""
    trained, gan = runs.load_gan(args.run, say)
    refuse_run(args.run, trained)
    if args.images != "test":
        images = read_images(args.images, trained.shape)  # before anything is fetched
    source = args.data or trained.source
    train = fetch(source)
    refuse_other(train, args.run, source, trained.sha256)
    if args.images == "test":
        images = load(source, "test").x
    x, rng = as_floats(images[: args.count]), np.random.default_rng(args.seed)
    known = known_part(args.missing, x, trained.shape, rng)
    z = draw_latents(rng, args.starts * len(x), trained.config.latent_dim)
    descent = Descent(trained.generator, x, known, z, gan.discriminator, gan.objective, args.realism)
    out = args.out or args.run / "filled"
    with checkpoint.writing(out):
        out.mkdir(exist_ok=True)
    say(f"Looking for {len(x)} images, {args.starts} starts each, {Descent.STEPS} steps ...")
    with gan.generator.inference(), gan.discriminator.inference():
        frames = [*frames_of(descent)]
        filled = descent.filled()
    write_images(out, trained, x, known, filled, frames)
    say("Root of the mean squared error of a hidden pixel, beside that of others who fill in:")
    for name, other in {"the generator": filled, **controls(x, known, train.x)}.items():
        say(f"  {error_at_gaps(other, x, known):.4f}  {name}")


def refuse_run(run, trained):
    """Raise UsageError for a run that cannot fill in images."""
    if len(trained.shape) == 1:
        raise UsageError(f"{run} draws points: fill needs a run with images")
    config = trained.config
    if config.conditional or config.codes or config.continuous or config.pack > 1:
        raise UsageError(f"{run}: has labels, codes or packs; use a run without --conditional, --codes and --pack")


def read_array(path):
    """Return the array in a .npy file; UsageError if there is none."""
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{path}: cannot be read as an array ({reason}); name a .npy file") from None


def read_images(path, shape):
    """Return the images (N, I) in a .npy file, bytes or floats in [0, 1], each of this shape."""
    if not path.endswith(".npy"):
        raise UsageError(f"images: must be test, or a .npy file, got {path!r}")
    images = read_array(path)
    if images.shape == shape:
        images = images[None]
    if images.shape[1:] != shape or not len(images):
        wanted = ", ".join(map(str, ("N", *shape)))
        raise UsageError(f"{path}: has the shape {images.shape}; the run's images need ({wanted})")
    if images.dtype != np.uint8:
        if images.dtype.kind != "f" or not np.isfinite(images).all():
            what = "numbers that are not finite" if images.dtype.kind == "f" else images.dtype
            raise UsageError(
                f"{path}: holds {what}; give bytes or floats in [0, 1], and say with --missing what to hide"
            )
        if not 0 <= images.min() <= images.max() <= 1:
            span = f"{images.min():.3g} to {images.max():.3g}"
            raise UsageError(f"{path}: its pixels reach from {span}; give bytes, or floats in [0, 1]")
        images = images.astype(np.float32)
    return images.reshape(len(images), -1)


def known_part(missing, x, shape, rng):
    """Return ``known`` (N, I) for what --missing says; UsageError where nothing is missing, or all."""
    if isinstance(missing, float):
        known = missing_at_random(rng, *x.shape, missing)
    elif missing.endswith(".npy"):
        mask = read_array(missing)
        if mask.dtype.kind not in "buif" or mask.shape not in (shape, shape[:2], (len(x), *shape)):
            raise UsageError(f"--missing {missing}: is {mask.dtype} {mask.shape}; give {shape}, or one for each image")
        if not np.isfinite(mask).all():
            raise UsageError(f"--missing {missing}: holds numbers that are not finite; give 1 where a pixel is missing")
        mask = mask[..., None] if mask.shape == shape[:2] != shape else mask
        known = np.broadcast_to(mask == 0, (len(x), *shape)).reshape(x.shape).astype(np.float32)
    else:
        known = missing_block(len(x), shape, missing)
    for amount, where in (("nothing", known.all(axis=1)), ("everything", ~known.any(axis=1))):
        if where.any():
            raise UsageError(f"--missing: {amount} is missing in image {int(where.argmax())}; hide a part")
    return known


def frames_of(descent):
    """Go through the descent; yield (step, filled images) now and then."""
    yield 0, as_bytes(descent.filled())
    for step, _ in enumerate(descent.run(), 1):
        if step * FRAMES // descent.STEPS > (step - 1) * FRAMES // descent.STEPS:
            yield step, as_bytes(descent.filled())


def write_images(out, trained, x, known, filled, frames):
    """Write damaged, filled and true images side by side, the film, and the arrays."""
    plots = drawing()
    title = f"{trained.name}, step {trained.step:,}: damaged, filled in, true"
    with checkpoint.whole(out / "filled.png") as path:
        plots.save_stacked(path, [fill(x, known, np.float32(0.5)), filled, x], trained.shape, title)
    with checkpoint.whole(out / "film.gif") as gif, checkpoint.whole(out / "film.html") as page:
        plots.save_film(gif, page, frames, trained.shape, "filling in")
    for name, array in {"filled": filled, "known": known}.items():
        with checkpoint.whole(out / f"{name}.npy") as path:
            np.save(path, array.reshape(-1, *trained.shape))
    say(f"{len(x)} images: {out}/filled.png, film.gif, film.html, filled.npy and known.npy")


def controls(x, known, train):
    """Return {who: images filled in without a generator}."""
    found = {
        "the mean training image": fill_with_mean(x, known, train),
        "the training image that is nearest where it is known": fill_with_nearest(x, known, train),
    }
    if x.shape[1] <= LARGEST_REGRESSION:
        found["linear regression on what is known"] = np.clip(
            fill_by_regression(x, known, *mean_and_covariance(train)), 0, 1
        )
    return found


def error_at_gaps(filled, x, known):
    """Return the root of the mean squared difference where it is not known."""
    gaps = known == 0
    return math.sqrt(np.mean((filled[gaps] - x[gaps]) ** 2))
