"""The autoencoder and its variational form (VAE): two networks that work for each other, where a GAN's two play.

An encoder turns a sample into a code, a decoder turns the code back. The decoder of a VAE is a
generator: its codes are made to look like z ~ N(0, 1), so that others of the kind can be drawn.

Shapes: N batch, I inputs of a sample, L latent_dim. x, out (N, I); z (N, L); a VAE's code is
[mean, log variance], (N, 2L).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinygan.gan import generate
from tinygan.layers import Layer
from tinygan.losses import bce_with_logits
from tinygan.network import Network, mlp
from tinygan.optimizers import Adam


class GaussianCode(Layer):
    """[mean, log variance] (N, 2L) -> z = mean + σ·noise (N, L), with σ² the variance and noise ~ N(0, 1).

    The reparameterization of Kingma and Welling 2014, section 2.4: the random numbers do not depend on
    the parameters, so that z has a derivative. ``rng`` draws them. Within ``Network.inference`` z is
    the mean.
    """

    def __init__(self, rng):
        super().__init__()
        self.rng = rng

    def forward(self, x):
        mean, log_variance = np.split(x, 2, axis=1)
        noise = self.rng.standard_normal(mean.shape) if self.training else np.zeros(mean.shape)
        self.spread = np.exp(log_variance / 2) * noise.astype(x.dtype)  # σ·noise
        return mean + self.spread

    def backward(self, dout, param_grads=True, input_grad=True):
        # z feels the mean through 1, and the log variance v through d/dv exp(v/2)·noise = ½ σ·noise.
        return np.concatenate([dout, dout * self.kept("spread") / 2], axis=1)


def kl_divergence(code):
    """Return mean_n KL(N(mean, variance) ‖ N(0, 1)) in nats, a sum over the latents, and d(loss)/d(code).

    Kingma and Welling 2014, appendix B: ½ Σ (mean² + variance - 1 - log variance), for code (N, 2L).
    """
    mean, log_variance = np.split(code, 2, axis=1)
    excess = np.expm1(log_variance)  # variance - 1, also where that is nearly 0
    loss = 0.5 * np.sum(mean * mean + excess - log_variance) / len(code)
    return loss, np.concatenate([mean, 0.5 * excess], axis=1) / len(code)


class Cost(NamedTuple):
    """What a sample costs in nats, mean over the batch: to be told given its code, and to have such a code."""

    reconstruction: float
    divergence: float


class Autoencoder:
    """An encoder x -> z and a decoder z -> out, which both pay for the difference between out and x.

    loss(out, x) returns a mean over all entries and its gradient; it counts I-fold, as a sum over
    the entries of a sample. By default out are the logits of pixels.
    """

    def __init__(self, encoder, decoder, e_optimizer, d_optimizer, loss=bce_with_logits):
        self.encoder, self.decoder, self.loss = encoder, decoder, loss
        self.e_optimizer, self.d_optimizer = e_optimizer, d_optimizer

    def gradients(self, x):
        """Fill the gradients of both networks; return the Cost."""
        reconstruction, dz = self.reconstruction_gradients(x, self.encoder.forward(x))
        self.encoder.backward(dz, input_grad=False)
        return Cost(reconstruction, 0.0)

    def reconstruction_gradients(self, x, z):
        """Fill the decoder's gradients; return what a sample costs, and dz (N, L)."""
        loss, dout = self.loss(self.decoder.forward(z), x)
        I = x.shape[1]
        return I * loss, self.decoder.backward(I * dout)

    def step(self, x):
        """Take one step of both networks down their common cost; return that Cost."""
        cost = self.gradients(x)
        self.e_optimizer.step(self.encoder.params, self.encoder.grads)
        self.d_optimizer.step(self.decoder.params, self.decoder.grads)
        return cost

    def fit(self, batches, steps):
        """Take so many steps with the batches of a ``data.Minibatches``, yielding after each its Cost."""
        for _ in range(steps):
            yield self.step(batches.next())

    def encode(self, x):
        """Return the codes z (n, L) of samples (n, I), the likeliest where they are random."""
        return generate(self.encoder, x)

    def decode(self, z):
        """Return the decoder's out (n, I) for codes (n, L)."""
        return generate(self.decoder, z)


class VAE(Autoencoder):
    """An autoencoder whose codes are Gaussians, and which pays for what they differ from N(0, 1).

    The two costs together are an upper bound of -log p(x) (Kingma and Welling 2014, eq. 3). ``rng``
    draws the codes. ``beta`` other than 1 weighs the second cost (Higgins et al. 2017); 0 leaves it out.
    """

    def __init__(self, encoder, decoder, e_optimizer, d_optimizer, rng, loss=bce_with_logits, beta=1.0):
        super().__init__(encoder, decoder, e_optimizer, d_optimizer, loss)
        self.draw, self.beta = GaussianCode(rng), beta

    def gradients(self, x):
        """Fill the gradients of both networks; return the Cost."""
        code = self.encoder.forward(x)
        reconstruction, dz = self.reconstruction_gradients(x, self.draw.forward(code))
        divergence, dcode = kl_divergence(code)
        self.encoder.backward(self.draw.backward(dz) + self.beta * dcode, input_grad=False)
        return Cost(reconstruction, divergence)

    def encode(self, x):
        """Return the mean codes (n, L) of samples (n, I)."""
        mean, _ = np.split(generate(self.encoder, x), 2, axis=1)
        return mean


def build_autoencoder(sizes, rng, variational=True, lr=1e-3, dtype=np.float32, **choices):
    """Return an untrained VAE, or Autoencoder, of these sizes (I, hidden..., L); the decoder has them in reverse.

    The networks are those of ``recipes``' Dense GANs, without the generator's last Sigmoid. ``choices``
    are those of the class.
    """
    *outer, latent_dim = sizes
    code = 2 * latent_dim if variational else latent_dim
    encoder = Network(mlp((*outer, code), last="xavier"), rng, dtype)
    decoder = Network(mlp(sizes[::-1], last="xavier"), rng, dtype)
    if variational:
        return VAE(encoder, decoder, Adam(lr), Adam(lr), rng, **choices)
    return Autoencoder(encoder, decoder, Adam(lr), Adam(lr), **choices)
