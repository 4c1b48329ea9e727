"""The GAN: one step of the discriminator, one step of the generator, taken in turn.

    x_fake = gan.generator.forward(z)
    gan.discriminator_step(x_real, x_fake)
    gan.generator_step(x_fake)

Shapes: N batch, I inputs of a sample, L latent_dim. x_real and x_fake (N, I), z (N, L), logits (N, 1).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinygan.conditions import draw_labels, with_labels


class DiscriminatorResult(NamedTuple):
    """loss (with the penalty), the penalty alone (0 where there is none), and the logits of both halves."""

    loss: float
    penalty: float
    real_logits: np.ndarray
    fake_logits: np.ndarray


class GAN:
    """Two networks, what each of them pays, and who changes their parameters.

    objective     what each player pays, from ``objectives.py``
    penalty       optional; penalty(discriminator, x_real, x_fake) adds its gradient to the
                  discriminator's grads and returns its value, from ``gradient_penalty.py``
    """

    def __init__(self, generator, discriminator, objective, g_optimizer, d_optimizer, penalty=None):
        self.generator, self.discriminator = generator, discriminator
        self.objective, self.penalty = objective, penalty
        self.g_optimizer, self.d_optimizer = g_optimizer, d_optimizer

    def discriminator_gradients(self, x_real, x_fake):
        """Fill discriminator.grads with d(loss)/d(params); to D, the fakes are mere data."""
        if x_real.shape != x_fake.shape:
            raise ValueError(f"x_real and x_fake must have one shape, not {x_real.shape} and {x_fake.shape}")
        # One pass for both: a larger product runs faster.
        logits = self.discriminator.forward(np.concatenate([x_real, x_fake])).copy()
        real_logits, fake_logits = np.split(logits, 2)
        loss, dreal, dfake = self.objective.discriminator(real_logits, fake_logits)
        self.discriminator.backward(np.concatenate([dreal, dfake]), input_grad=False)
        penalty = self.penalty(self.discriminator, x_real, x_fake) if self.penalty else 0.0
        return DiscriminatorResult(loss + penalty, penalty, real_logits, fake_logits)

    def generator_gradients(self, x_fake):
        """Fill generator.grads with d(loss)/d(params), through a discriminator that stays as it is.

        ``x_fake`` is what the generator's last forward returned.
        """
        loss, dfake = self.objective.generator(self.discriminator.forward(x_fake))
        dx_fake = self.discriminator.backward(dfake, param_grads=False)
        self.generator.backward(dx_fake, input_grad=False)
        return loss

    def discriminator_step(self, x_real, x_fake):
        """Take one step down the discriminator's loss; return a DiscriminatorResult."""
        result = self.discriminator_gradients(x_real, x_fake)
        self.d_optimizer.step(self.discriminator.params, self.discriminator.grads)
        return result

    def generator_step(self, x_fake):
        """Take one step down the generator's loss; return that loss."""
        loss = self.generator_gradients(x_fake)
        self.g_optimizer.step(self.generator.params, self.generator.grads)
        return loss


def draw_latents(rng, n, latent_dim, class_counts=()):
    """Return latents z ~ N(0, 1), (n, L) float32; with ``class_counts`` (K,) a label is appended, drawn by them."""
    z = rng.standard_normal((n, latent_dim), dtype=np.float32)
    return with_labels(z, draw_labels(rng, n, class_counts), len(class_counts)) if class_counts else z


def generate(generator, z, chunk=500):
    """Return samples (n, I) for latents (n, L) in a new array, made in chunks to keep work arrays small."""
    # What is not finite is seen in the samples.
    with generator.inference(), np.errstate(all="ignore"):
        return np.concatenate([generator.forward(z[i : i + chunk]).copy() for i in range(0, len(z), chunk)])
