"""The GAN exists as two steps: one for the discriminator, one for the generator, taken in turn.

Shapes: N batch, I inputs of a sample, L latent_dim. x_real (N, I), z (N, L), logits (N, 1).
With ``pack`` = m the discriminator judges m samples at once (PacGAN, Lin et al. 2018): it sees
(N/m, m·I) and gives (N/m, 1) logits, so that a lack of variety becomes visible to it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class DiscriminatorResult(NamedTuple):
    """loss (with the penalty, where there is one), and the logits of both halves of the batch."""

    loss: float
    real_logits: np.ndarray
    fake_logits: np.ndarray


class GAN:
    """Two networks, what each pays, and who changes their parameters.

    objective     what each player pays, from ``objectives.py``
    penalty       optional; penalty(discriminator, x_real, x_fake) adds its gradient to the
                  discriminator's grads and returns its value, from ``gradient_penalty.py``
    pack          samples that the discriminator sees at once
    """

    def __init__(self, generator, discriminator, objective, g_optimizer, d_optimizer, penalty=None, pack=1):
        self.generator, self.discriminator = generator, discriminator
        self.objective, self.penalty, self.pack = objective, penalty, pack
        self.g_optimizer, self.d_optimizer = g_optimizer, d_optimizer
        self._both = None

    def discriminator_gradients(self, x_real, z):
        """Fill discriminator.grads with d(loss)/d(params); the generator only supplies samples."""
        n, d = len(self._packed(x_real)), self.discriminator
        x_fake = self.generator.forward(z)
        if self._both is None or self._both.shape[0] != len(x_real) + len(x_fake):
            self._both = np.empty((len(x_real) + len(x_fake), x_fake.shape[1]), x_fake.dtype)
        both = np.concatenate([x_real, x_fake], out=self._both)

        logits = d.forward(self._packed(both)).copy()  # one pass for both: larger products run faster
        loss, dreal, dfake = self.objective.discriminator(logits[:n], logits[n:])
        d.backward(np.concatenate([dreal, dfake]), input_grad=False)

        if self.penalty is not None:
            halves = both[: len(x_real)], both[len(x_real) :]
            loss = loss + self.penalty(d, *map(self._packed, halves))
        return DiscriminatorResult(loss, logits[:n], logits[n:])

    def generator_gradients(self, z):
        """Fill generator.grads with d(loss)/d(params), through a discriminator that stays as it is."""
        x_fake = self.generator.forward(z)
        fake_logits = self.discriminator.forward(self._packed(x_fake))
        loss, dfake = self.objective.generator(fake_logits)
        dx_fake = self.discriminator.backward(dfake, param_grads=False)
        self.generator.backward(dx_fake.reshape(x_fake.shape), input_grad=False)
        return loss

    def discriminator_step(self, x_real, z):
        """One step down the discriminator's loss; returns a DiscriminatorResult."""
        result = self.discriminator_gradients(x_real, z)
        self.d_optimizer.step(self.discriminator.params, self.discriminator.grads)
        return result

    def generator_step(self, z):
        """One step down the generator's loss; returns that loss."""
        loss = self.generator_gradients(z)
        self.g_optimizer.step(self.generator.params, self.generator.grads)
        return loss

    def _packed(self, x):
        if len(x) % self.pack:
            raise ValueError(f"a batch of {len(x)} cannot be divided into packs of {self.pack}")
        return x.reshape(len(x) // self.pack, -1)
