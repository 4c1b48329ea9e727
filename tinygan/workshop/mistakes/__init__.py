"""The typical mistakes of each blank, as edits of the right code: what yields the same as one of them has that name.

A row says what the mistake is called, what it means and where to look, and what is replaced in the finished project, by
what. ``ALSO_RIGHT`` are other ways that yield slightly different numbers.
"""

from __future__ import annotations

from tinygan.workshop.mistakes import game, layers, losses, network, optimizers

MISTAKES = {
    "Dense.forward": layers.DENSE_FORWARD,
    "Dense.backward": layers.DENSE_BACKWARD,
    "LeakyReLU": layers.LEAKY_RELU,
    "Sigmoid": layers.SIGMOID,
    "bce_with_logits": losses.BCE_MISTAKES,
    "least_squares": losses.LEAST_SQUARES,
    "one_vector": network.ONE_VECTOR,
    "Network": network.NETWORK,
    "SGD.step": optimizers.SGD,
    "Adam.step": optimizers.ADAM,
    "GAN.discriminator_step": game.D_STEP,
    "GAN.generator_step": game.G_STEP,
    "MovingAverage.update": optimizers.AVERAGE,
    "train": game.LOOP,
    "add_r1": game.R1,
}
ALSO_RIGHT = {"Adam.step": optimizers.ADAM_ALSO}
