"""The GAN: one step of the discriminator, one step of the generator, taken in turn (lesson 07).

Shapes: N batch, I inputs of a sample. x_real and x_fake are (N, I), the discriminator's logits (N, 1).
"""

import numpy as np
from losses import bce_with_logits


class GAN:
    """Two networks, their optimizers, and what they pay.

    loss      loss(logits, target) -> (value, gradient), from losses.py: real samples have the target 1, fakes 0
    penalty   optional, from penalty.py: penalty(discriminator, x_real) adds its gradient to discriminator.grads, and
              returns its value
    """

    def __init__(self, generator, discriminator, g_optimizer, d_optimizer, loss=bce_with_logits, penalty=None):
        self.generator, self.discriminator = generator, discriminator
        self.g_optimizer, self.d_optimizer = g_optimizer, d_optimizer
        self.loss, self.penalty = loss, penalty

    def discriminator_step(self, x_real, x_fake):
        """Take one step down the discriminator's loss, and return that loss, a number.

        It pays self.loss of its logits for the real samples (target 1) plus self.loss of those for the fakes (target
        0), each a mean over its N, plus self.penalty(self.discriminator, x_real), if there is one, which wants to be
        called after ``backward`` and before the step. Each backward needs its own forward just before it, and
        overwrites ``grads``: one pass for real and fake samples together is simplest. To the discriminator the fakes
        are mere data: the generator is not touched. Lesson 07.
        """
        logits = self.discriminator.forward(np.concatenate([x_real, x_fake]))
        real_logits, fake_logits = np.split(logits, 2)
        real_loss, dreal = self.loss(real_logits, 1)
        fake_loss, dfake = self.loss(fake_logits, 0)
        self.discriminator.backward(np.concatenate([dreal, dfake]))
        penalty = self.penalty(self.discriminator, x_real) if self.penalty else 0.0
        self.d_optimizer.step(self.discriminator.params, self.discriminator.grads)
        return real_loss + fake_loss + penalty

    def generator_step(self, x_fake):
        """Take one step down the generator's loss, and return that loss, a number.

        ``x_fake`` is what the generator's last forward returned. The generator pays self.loss of the discriminator's
        logits for it with the target 1: it wants its samples to look real (the non-saturating game). The gradient
        comes back through the discriminator, which stays as it is, its params and its grads. Lesson 07.
        """
        loss, dfake = self.loss(self.discriminator.forward(x_fake), 1)
        dx_fake = self.discriminator.backward(dfake, param_grads=False)
        self.generator.backward(dx_fake)
        self.g_optimizer.step(self.generator.params, self.generator.grads)
        return loss
