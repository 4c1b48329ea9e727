"""An outside witness: ten steps of a small GAN have the losses that PyTorch computed for them.

Everything else in this suite is checked with rulers of our own. These numbers were printed by
``tests/benchmarks/witness.py`` with PyTorch 2.13, in float64: its backpropagation, its Adam, its
second derivative for R1.
"""

from __future__ import annotations

import numpy as np
import pytest

from tinygan.gan import GAN
from tinygan.gradient_penalty import R1
from tinygan.layers import Sigmoid
from tinygan.network import Network, mlp
from tinygan.objectives import NonSaturating
from tinygan.optimizers import Adam

STEPS, N, LATENT, HIDDEN, PIXELS, LR, BETA1, GAMMA = 10, 8, 4, 8, 6, 2e-2, 0.5, 1.0


def first_arrays():
    """[W, b, ...] of the generator, of the discriminator, and the (x_real, z) of every step."""
    rng = np.random.default_rng(0)
    players = []
    for sizes in ((LATENT, HIDDEN, HIDDEN, PIXELS), (PIXELS, HIDDEN, HIDDEN, 1)):
        pairs = zip(sizes[:-1], sizes[1:], strict=True)
        players.append([a for i, o in pairs for a in (rng.normal(0, (2 / i) ** 0.5, (i, o)), 0.1 * rng.normal(size=o))])
    return *players, [(rng.random((N, PIXELS)), rng.normal(size=(N, LATENT))) for _ in range(STEPS)]


PYTORCH = [  # D's loss with R1, G's loss
    (1.572465460352094, 0.629847387871957),
    (1.444035530618225, 0.653284427951062),
    (1.425309742024246, 0.692572707562670),
    (1.425528282002934, 0.717386097004620),
    (1.418590088741231, 0.727745784881553),
    (1.411394589423545, 0.718979049128580),
    (1.393590394156208, 0.698305647697470),
    (1.400808607292210, 0.667811981043511),
    (1.388887742727168, 0.657980544782995),
    (1.382260490294976, 0.653388539817864),
]


def our_losses(beta1=BETA1, gamma=GAMMA):
    g_arrays, d_arrays, batches = first_arrays()
    rng = np.random.default_rng(0)
    generator = Network([*mlp((LATENT, HIDDEN, HIDDEN, PIXELS)), Sigmoid()], rng, np.float64)
    discriminator = Network(mlp((PIXELS, HIDDEN, HIDDEN, 1)), rng, np.float64)
    for network, arrays in ((generator, g_arrays), (discriminator, d_arrays)):
        network.params[:] = np.concatenate([array.ravel() for array in arrays])
    gan = GAN(generator, discriminator, NonSaturating(), Adam(LR, beta1), Adam(LR, beta1), R1(gamma))
    losses = []
    for x_real, z in batches:
        x_fake = generator.forward(z)
        losses.append((gan.discriminator_step(x_real, x_fake).loss, gan.generator_step(x_fake)))
    return np.array(losses)


def test_ten_steps_have_the_losses_that_pytorch_computed():
    np.testing.assert_allclose(our_losses(), PYTORCH, rtol=0, atol=1e-12)


@pytest.mark.parametrize("change", [{"beta1": BETA1 + 1e-6}, {"gamma": GAMMA + 1e-6}], ids=str)
def test_the_witness_notices_a_change_in_the_sixth_digit(change):
    assert np.abs(our_losses(**change) - PYTORCH).max() > 1e-10
