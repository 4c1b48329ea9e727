"""Two forms that only a GAN has: a penalty that adds its gradient to a discriminator's, and the players' steps."""

from __future__ import annotations

import copy

import numpy as np

from tinygan.doctor.feeding import signed
from tinygan.doctor.sandbox import Stopped, call, where
from tinygan.doctor.subject import Both, Fact, Subject
from tinygan.layers import Dense, LeakyReLU, Sigmoid, Tanh
from tinygan.network import Network, mlp
from tinygan.objectives import NonSaturating
from tinygan.optimizers import SGD


def discriminator(sizes, rng, curved=True):
    """Return a small network in float64 that judges samples of I numbers; not ``curved``: of straight pieces only."""
    bends = (Tanh, LeakyReLU, Sigmoid) if curved else (LeakyReLU, LeakyReLU, LeakyReLU)
    layers = [Dense(sizes["I"], 5, "spread")]
    for bend, n_in, n_out in zip(bends, (5, 4, 3), (4, 3, 1), strict=True):
        layers += [bend(), Dense(n_in, n_out, "spread")]
    return Network(layers, rng, np.float64)


class Penalty(Both):
    """penalty(discriminator, x_real, x_fake): what it adds to the gradients is the derivative of its value."""

    def feed(self):
        args = {"discriminator": discriminator(self.sizes, np.random.default_rng(2), self.setting.curved)}
        scale = 1 if self.setting.spread == "near" else 4
        return args | {
            name: scale * signed(self.rng, (self.sizes["N"], self.sizes["I"])) for name in ("x_real", "x_fake")
        }

    def forward(self, args):
        thing, self.thing = self.thing, copy.deepcopy(self.thing)  # its counters and random numbers stay
        try:
            return self.run(args)
        finally:
            self.thing = thing

    def find_slots(self):
        network = self.args["discriminator"]
        for array, _ in network.views().values():
            array[...] = signed(self.rng, array.shape, 0.3, 1.2)
        self.vector(self.forward(self.args)[0])
        slots = {("discriminator", name): array for name, (array, _) in network.views().items()}
        biases = [path for path in slots if path[1].endswith("b")]
        self.vanishing = set(biases[-1:] if self.setting.curved else biases)  # they do not move the slope
        return slots

    def gradients(self, dout, **how):
        network = self.args["discriminator"]
        before = network.grads[:] = signed(self.rng, network.grads.shape)  # a penalty adds to what the loss has left
        self.vector(self.forward(self.args)[0])
        network.grads -= before
        self.types = {}
        found = {("discriminator", name): gradient.copy() for name, (_, gradient) in network.views().items()}
        noise = 1e-8 * max(np.abs(g).max() for g in found.values())
        return {p: np.where(np.abs(g) < noise, 0, g) if p in self.vanishing else g for p, g in found.items()}

    def own_promises(self):
        """Is a lazy penalty as strong, on average, as one that is computed on every step?"""
        if not hasattr(self.thing, "every"):
            return []
        thing, values = self.thing, {}
        for every in (1, 3):
            self.thing = copy.deepcopy(thing)
            self.thing.every = every
            values[every] = np.mean([self.vector(self.run(self.args)[0])[0] for _ in range(3)])
        self.thing = thing
        return [] if np.isclose(values[1], values[3], rtol=1e-9) else [Fact("every", "")]


class Step(Subject):
    """One step of one player. With SGD and lr = 1 its parameters must fall by the gradient of its loss.

    The loss is written down here anew, by the definition of the game, without a look at the GAN's.
    """

    def make(self):
        rng, given = np.random.default_rng(3), self.target.thing
        sizes, objective, penalty = self.sizes, NonSaturating(), None
        g = Network([Dense(sizes["O"], 4), LeakyReLU(), Dense(4, sizes["I"]), Tanh()], rng)
        d = Network(mlp((sizes["I"], 4, 1)), rng)
        if not isinstance(given, type):
            g, d, objective, penalty = (
                given.generator,
                given.discriminator,
                given.objective,
                copy.deepcopy(given.penalty),
            )
        g, d = (Network(copy.deepcopy(network.layers), rng, np.float64) for network in (g, d))
        for network in (g, d):
            network.params[:] = signed(rng, network.params.shape, 0.3, 1.2)
        return call(self.target.owner, g, d, objective, SGD(1.0), SGD(1.0), penalty)

    def feed(self):
        layers = {name: getattr(self.thing, name).layers for name in ("generator", "discriminator")}
        pack = getattr(layers["discriminator"][0], "m", 1)
        inputs = {name: next(layer for layer in part if layer.shapes).shapes["W"][0] for name, part in layers.items()}
        n = self.sizes["N"] * pack
        return {
            "x_real": signed(self.rng, (n, inputs["discriminator"] // pack)),
            "z": signed(self.rng, (n, inputs["generator"])),
        }

    def find_slots(self):
        self.player = self.form.kind
        self.vector(self.forward(self.args)[0])
        own = getattr(self.thing, self.player)
        return {(self.player, name): array for name, (array, _) in own.views().items()}

    def forward(self, args):
        return call(self.loss, args), args

    def loss(self, args):
        """The loss of the player, by definition."""
        gan, (x_real, z) = self.thing, args.values()
        x_fake = gan.generator.forward(z).copy()
        judged = [gan.discriminator.forward(x).copy() for x in (x_real, x_fake)]
        if self.player == "generator":
            return gan.objective.generator(judged[1])[0]
        loss = gan.objective.discriminator(*judged)[0]
        return loss if gan.penalty is None else loss + copy.deepcopy(gan.penalty)(gan.discriminator, x_real, x_fake)

    def step(self, args):
        """Take the step, and return the loss that it returns."""
        step = getattr(self.thing, f"{self.player}_step")
        x_fake = self.thing.generator.forward(args["z"])
        result = call(step, x_fake) if self.player == "generator" else call(step, args["x_real"], x_fake)
        loss = getattr(result, "loss", result)
        if not np.ndim(loss) == 0 or loss is None:
            raise Stopped(f"{where(step)}: {self.player}_step returns no loss")
        return loss

    def gradients(self, dout, **how):
        gan, expected = self.thing, float(self.out()[0])
        own = getattr(gan, self.player)
        other = gan.generator if self.player == "discriminator" else gan.discriminator
        start, kept = own.params.copy(), (other.params.copy(), other.grads.copy())
        self.step(self.other_args)
        own.params[:] = start
        other.params[:], other.grads[:] = kept
        loss = self.step(self.args)
        moved = {path: array.copy() for path, array in self.slots.items()}
        own.params[:] = start
        touched = [
            name
            for name, old in zip(("params", "grads"), kept, strict=True)
            if not np.array_equal(getattr(other, name), old)
        ]
        self.broken = [Fact("other player", f"the other's {name}") for name in touched]
        self.broken += [Fact("value", f"{self.player}'s loss")] * (not np.isclose(loss, expected, rtol=1e-9))
        other.params[:], other.grads[:] = kept
        self.types = {}
        return {path: array - moved[path] for path, array in self.slots.items()}

    def halves(self):
        """What would come of the step with (the gradients of one half only; each half's through the other's cache)."""
        gan, d = self.thing, self.thing.discriminator
        x_real, x_fake = self.args["x_real"], gan.generator.forward(self.args["z"]).copy()
        logits = [d.forward(x).copy() for x in (x_real, x_fake)]
        _, *dlogits = gan.objective.discriminator(*logits)

        def back(x, dlogit):
            d.forward(x)
            d.backward(dlogit)
            return {("discriminator", name): g.copy() for name, (_, g) in d.views().items()}

        real, fake = back(x_real, dlogits[0]), back(x_fake, dlogits[1])
        mixed = back(x_fake, dlogits[0]), back(x_real, dlogits[1])
        pairs = (mixed[0], fake), (real, mixed[1])
        return [real, fake], [{path: p[path] + q[path] for path in p} for p, q in pairs]
