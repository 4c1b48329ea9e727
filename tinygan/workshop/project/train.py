"""The training: digits, with all that you have written.

    python train.py                  about two minutes; pictures and weights go to the folder ``run`` beside this file
    python train.py --steps 2000     some seconds; most digits can be read
    python train.py --data digits    drawn digits in place of MNIST
    python train.py --without-r1     as long as penalty.py is not written; the digits are worse

Lesson 10 tells what makes it work.
"""

import argparse
from pathlib import Path

import numpy as np
from data import draw_batches, draw_latents, load_images
from gan import GAN
from layers import Dense, LeakyReLU, Sigmoid
from network import Network
from optimizers import Adam, MovingAverage
from penalty import R1

FOLDER = Path(__file__).resolve().parent
BATCH, LATENT_DIM, HIDDEN, PIXELS, LR = 64, 100, 128, 784, 2e-3


def train(gan, average, batches, latents, steps, look):
    """Take so many steps of the training: of the discriminator, then of the generator, on the same fakes.

    average   the MovingAverage of the generator's weights, which takes them in after each step
    batches   next(batches) is the next real batch, (N, I); latents: next(latents) the next z, (N, latent_dim)
    look      is called after each step as look(step, d_loss, g_loss), step = 1, 2, ..., steps

    A step takes one real batch and one z, in this order. gan.generator.forward(z) makes the fakes, on which first
    gan.discriminator_step and then gan.generator_step works. Lesson 10.
    """
    for step in range(1, steps + 1):
        x_real = next(batches)
        x_fake = gan.generator.forward(next(latents))
        d_loss = gan.discriminator_step(x_real, x_fake)
        g_loss = gan.generator_step(x_fake)
        average.update(gan.generator.params)
        look(step, d_loss, g_loss)


# ---- from here on all is given -------------------------------------------------------------------------------


def generator_layers():
    """Return the layers latent -> image: LATENT_DIM -> HIDDEN -> HIDDEN -> PIXELS, pixels between 0 and 1."""
    sizes = LATENT_DIM, HIDDEN, HIDDEN, PIXELS
    return [*stack(sizes), Sigmoid()]


def stack(sizes):
    """Return Dense layers of these sizes, a LeakyReLU between any two."""
    layers = [Dense(sizes[0], sizes[1])]
    for n_in, n_out in zip(sizes[1:], sizes[2:]):
        layers += [LeakyReLU(), Dense(n_in, n_out)]
    return layers


def make_gan(rng, dtype=np.float32, penalty=True):
    """Return the GAN of the recipe: Adam without momentum, and R1 in every fourth step."""
    generator = Network(generator_layers(), rng, dtype)
    discriminator = Network(stack((PIXELS, HIDDEN, HIDDEN, 1)), rng, dtype)
    return GAN(generator, discriminator, Adam(LR), Adam(LR), penalty=R1() if penalty else None)


def main():
    """Train, show where it is, and leave pictures and weights."""
    from pictures import Album  # only here: ``tinygan check`` imports this file, and needs no pictures

    parser = argparse.ArgumentParser(description="Train a GAN on digits.")
    parser.add_argument("--steps", type=int, default=24_000)
    parser.add_argument("--data", choices=("auto", "mnist", "digits"), default="auto")
    parser.add_argument("--without-r1", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=FOLDER / "run")
    options = parser.parse_args()
    name, images = load_images(options.data)
    rng = np.random.default_rng(options.seed)
    gan = make_gan(rng, penalty=not options.without_r1)
    average = MovingAverage(gan.generator.params)
    shown = Network(generator_layers(), np.random.default_rng(0))  # draws with the average's weights
    album = Album(options.out, name, gan, average, shown, options.steps, len(images) / BATCH)
    batches, latents = draw_batches(rng, images, BATCH), draw_latents(rng, BATCH, LATENT_DIM)
    train(gan, average, album.seen(batches), latents, options.steps, album.look)
    album.finish()


if __name__ == "__main__":
    main()
