"""What each blank is asked: a probe calls it with numbers of its own, in float64, and says what came of it.

A probe sees nothing of how something is done, only what it yields: outputs, gradients, parameters after a step, and
what must stay as it was. The same questions go to the finished project, whose answers are right.

    probe(mine, see)    ``mine.Dense`` is that of the project; ``see(name, value)`` takes an answer down

Sizes are different prime numbers, so that a factor tells where it comes from: N = 5, I = 7, O = 3.
"""

from __future__ import annotations

import contextlib
import warnings

import numpy as np

SAME, AFTER, BEFORE = (
    ", the same array",
    ", afterwards",
    ", before",
)  # endings of names: 1 if it is; unchanged; at first
LARGE = "of ±800"
OVERFLOWS = "overflows"  # 1 where NumPy warns of one


def numbers(seed, *shape):
    """Return numbers of both signs, none near 0."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0.3, 1.5, shape) * rng.choice([-1.0, 1.0], shape)


def in_place(layer, seed):
    """Give a layer parameters, and gradients of other numbers; return {"dW": what is to be filled, "db": ...}."""
    held = {}
    for name, own in zip(("dW", "db"), layer.shapes, strict=True):
        setattr(layer, own, numbers(seed, *layer.shapes[own]))
        held[name] = numbers(seed + 1, *layer.shapes[own])
        setattr(layer, "d" + own, held[name])
    return held


@contextlib.contextmanager
def overflows(see, name):
    """See whether there is an overflow in here, as far as it is not silenced by who knows that it does no harm."""
    with np.errstate(over="warn"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    see(name, float(any("overflow" in str(each.message) for each in caught)))


def part(layer, name):
    """Return W, b, dW or db of a layer, whatever it calls them: the names are in ``shapes``."""
    own = list(layer.shapes)["Wb".index(name[-1])]
    return getattr(layer, "d" + own if name[0] == "d" else own)


# ---- layers ----------------------------------------------------------------------------------------------


def dense_forward(mine, see):
    """Many samples, and one; x and W stay as they are."""
    layer, x = mine.Dense(7, 3), numbers(1, 5, 7)
    in_place(layer, 2)
    see("out", layer.forward(x))
    see("x" + AFTER, x)
    see("W" + AFTER, part(layer, "W"))
    see("b" + AFTER, part(layer, "b"))
    see("out, of another batch", layer.forward(numbers(3, 2, 7)))
    see("out, of a single sample", layer.forward(numbers(4, 1, 7)))


def dense_backward(mine, see):
    """The gradients are filled in place, overwritten by the next, and left alone where that is asked."""
    layer, x, dout = mine.Dense(7, 3), numbers(1, 5, 7), numbers(5, 5, 3)
    held = in_place(layer, 2)
    layer.forward(x)
    see("dx", layer.backward(dout))
    for name in held:
        see(name, part(layer, name))
    for name, array in held.items():
        see(name + SAME, float(part(layer, name) is array))
        see(name + ", a second time", held[name])
    see("dout" + AFTER, dout)
    see("x" + AFTER, x)
    see("W" + AFTER, part(layer, "W"))
    layer.backward(dout)
    for name in held:
        see(name + ", of the same backward again", part(layer, name))
    layer.forward(numbers(6, 2, 7))
    see("dx, frozen", layer.backward(numbers(7, 2, 3), param_grads=False))
    for name in held:
        see(name + ", frozen", part(layer, name))
    see("dx, of another batch", layer.backward(numbers(8, 2, 3)))
    for name in held:
        see(name + ", of another batch", part(layer, name))
    beside = mine.Dense(7, 3)
    in_place(beside, 9)
    beside.forward(numbers(9, 2, 7))
    layer.backward(numbers(8, 2, 3))
    see("dW, with another layer beside it", part(layer, "dW"))


def leaky_relu(mine, see):
    """Forward and backward, of two slopes."""
    for alpha in (0.2, 0.05):
        layer, x, dout, end = mine.LeakyReLU(alpha), numbers(1, 5, 7), numbers(2, 5, 7), f", alpha = {alpha}"
        x *= np.linspace(0.01, 2, x.size).reshape(x.shape)  # near the bend, too
        see("out" + end, layer.forward(x))
        see("x" + AFTER, x)
        see("dx" + end, layer.backward(dout))
        see("dout" + AFTER, dout)
        see("dx, of the same backward again" + end, layer.backward(dout))
        layer.forward(numbers(3, 2, 7))
        see("dx, of another batch" + end, layer.backward(numbers(4, 2, 7)))
    layer.forward(np.zeros((1, 3)))
    see("slope at 0", layer.backward(np.ones((1, 3))))
    default = mine.LeakyReLU()
    see("out, without an alpha", default.forward(numbers(1, 5, 7)))
    mine.LeakyReLU(0.7).forward(-numbers(1, 5, 7))
    see("dx, with another layer beside it", default.backward(numbers(2, 5, 7)))


def sigmoid(mine, see):
    """Forward and backward, and far out."""
    layer, x, dout = mine.Sigmoid(), 2 * numbers(1, 5, 7), numbers(2, 5, 7)
    see("out", layer.forward(x))
    see("x" + AFTER, x)
    see("dx", layer.backward(dout))
    see("dout" + AFTER, dout)
    see("dx, of the same backward again", layer.backward(dout))
    layer.forward(numbers(3, 2, 7))
    see("dx, of another batch", layer.backward(numbers(4, 2, 7)))
    beside = mine.Sigmoid()
    beside.forward(numbers(5, 2, 7))
    see("dx, with another layer beside it", layer.backward(numbers(4, 2, 7)))
    with overflows(see, f"{OVERFLOWS}, x {LARGE}"):
        see(f"out, x {LARGE}", layer.forward(np.array([[-800.0, 800.0, 0.0]])))
        see(f"dx, x {LARGE}", layer.backward(np.ones((1, 3))))


# ---- losses ----------------------------------------------------------------------------------------------


def bce(mine, see):
    """Targets of every kind, and logits that are far out."""
    loss_of(mine.bce_with_logits, see)
    for target in (1, 0):
        with overflows(see, f"{OVERFLOWS}, target {target}, logits {LARGE}"):
            loss, dlogits = mine.bce_with_logits(np.array([[-800.0], [800.0], [1.0]]), target)
        see(f"loss, target {target}, logits {LARGE}", loss)
        see(f"dlogits, target {target}, logits {LARGE}", dlogits)


def least_squares(mine, see):
    """Targets of every kind."""
    loss_of(mine.least_squares, see)


def loss_of(function, see):
    """Its value and its gradient, for targets of every kind."""
    logits, mixed = 2 * numbers(1, 5, 1), np.array([[1.0], [0.0], [0.9], [1.0], [0.1]])
    for name, target in (("1", 1), ("0", 0), ("of each sample", mixed)):
        loss, gradient = function(logits, target)
        see(f"loss, target {name}", loss)
        see(f"gradient, target {name}", gradient)
    see("logits" + AFTER, logits)
    see("target" + AFTER, mixed)
    loss, gradient = function(logits[:2], 1)
    see("loss, of two samples", loss)
    see("gradient, of two samples", gradient)


# ---- networks --------------------------------------------------------------------------------------------


def one_vector(mine, see):
    """What is written into the vector is in the layers, and the other way round."""
    layers = [mine.Dense(4, 3), mine.LeakyReLU(), mine.Dense(3, 2)]
    before = [part(layers[0], name) for name in ("W", "b", "dW", "db")]
    params, grads = mine.one_vector(layers, np.float64)
    see("params", params)
    see("grads", grads)
    now = [part(layers[0], name) for name in ("W", "b", "dW", "db")]
    for name, old, new in zip(("W", "b", "dW", "db"), before, now, strict=True):
        see(f"{name} is still the old array", float(old is new))
    see("itemsize of params", params.itemsize)
    params[...] = np.arange(1.0, params.size + 1)
    for i in (0, 2):
        see(f"W of layer {i}, when params is 1, 2, 3, ...", part(layers[i], "W"))
        see(f"b of layer {i}, when params is 1, 2, 3, ...", part(layers[i], "b"))
    see("grads, when params is 1, 2, 3, ...", grads)
    grads[...] = -np.arange(1.0, grads.size + 1)
    for i in (0, 2):
        see(f"dW of layer {i}, when grads is -1, -2, ...", part(layers[i], "dW"))
        see(f"db of layer {i}, when grads is -1, -2, ...", part(layers[i], "db"))
    part(layers[0], "W")[1, 2] = 100
    part(layers[2], "b")[1] = 200
    part(layers[2], "dW")[2, 0] = 300
    see("params, after W and b of layers were changed", params)
    see("grads, after dW of a layer was changed", grads)
    params, grads = mine.one_vector([mine.Dense(3, 1)], np.float32)
    see("itemsize of float32 params", params.itemsize)
    see("itemsize of float32 grads", grads.itemsize)


def stack(mine, sizes, seed, last=()):
    """Return a Network of the project with these sizes, a LeakyReLU between any two Dense, and known parameters."""
    layers = [mine.Dense(sizes[0], sizes[1])]
    for n_in, n_out in zip(sizes[1:], sizes[2:], strict=False):
        layers += [mine.LeakyReLU(), mine.Dense(n_in, n_out)]
    network = mine.Network([*layers, *last], np.random.default_rng(0), np.float64)
    network.params[...] = numbers(seed, network.params.size)
    return network


def network(mine, see):
    """Forward, backward, frozen."""
    deep = stack(mine, (3, 3, 3, 3), 6)  # square, so that any order runs
    see("out", deep.forward(numbers(7, 2, 3)))
    see("dx", deep.backward(numbers(8, 2, 3)))
    see("grads", deep.grads)
    net, x, dout = stack(mine, (7, 5, 3), 1), numbers(2, 5, 7), numbers(3, 5, 3)
    held = net.grads
    see("out, of another one", net.forward(x))
    see("x" + AFTER, x)
    see("dx, of another one", net.backward(dout))
    see("grads, of another one", net.grads)
    see("grads" + SAME, float(net.grads is held))
    see("dout" + AFTER, dout)
    net.backward(dout)
    see("grads, of the same backward again", net.grads)
    net.forward(numbers(4, 2, 7))
    see("dx, frozen", net.backward(numbers(5, 2, 3), param_grads=False))
    see("grads, frozen", net.grads)
    see("params" + AFTER, deep.params)


# ---- optimizers ------------------------------------------------------------------------------------------


def path(optimizer, see, name=""):
    """Four steps with known gradients, one of which is 0; beside them what must not change."""
    params, end = numbers(1, 5), f", {name}" * bool(name)
    for t in range(1, 5):
        see(f"params after step {t}{end}{BEFORE}", params)
        grads = numbers(10 + t, 5) * np.array([1, 0, 0.1, 3, -1])
        lent = grads.copy()
        optimizer.step(params, lent)
        see(f"params after step {t}{end}", params)
        see(f"grads{AFTER}{end}", lent - grads + 1)


def sgd(mine, see):
    """Two learning rates."""
    path(mine.SGD(0.1), see)
    path(mine.SGD(0.3), see, "lr = 0.3")


def adam(mine, see):
    """With momentum and without, and two of them side by side."""
    path(mine.Adam(0.1, beta1=0.5), see)
    path(mine.Adam(0.03, beta1=0.0), see, "beta1 = 0")
    path(mine.Adam(0.1, beta1=0.9, beta2=0.99), see, "beta1 = 0.9, beta2 = 0.99")


def moving_average(mine, see):
    """From the first update until the decay is the one that was asked for."""
    for decay in (0.999, 0.3):
        start = numbers(1, 5)
        average = mine.MovingAverage(start, decay)
        held = average.params
        for t in range(1, 7):
            params = numbers(10 + t, 5)
            lent = params.copy()
            see(f"average after {t} of decay {decay}{BEFORE}", average.params)
            average.update(lent)
            see(f"average after {t} of decay {decay}", average.params)
            see("params" + AFTER, lent - params + 1)
            lent[...] = 9.0  # as the next step of an optimizer would
        see("first params" + AFTER, start)
        see("average" + SAME, float(average.params is held))


# ---- the game --------------------------------------------------------------------------------------------


class Descent:
    """An optimizer that counts."""

    def __init__(self, lr):
        self.lr, self.steps = lr, 0

    def step(self, params, grads):
        """Go down, by a part of the gradient and a part of its sign, so that no factor is hidden."""
        self.steps += 1
        params -= self.lr * grads


def make_gan(mine, loss=None, penalty=None):
    """Return a small GAN of the project, with known parameters and gradients."""
    generator, discriminator = stack(mine, (2, 3, 4), 1), stack(mine, (4, 3, 1), 2)
    more = {"loss": loss} if loss else {}
    gan = mine.GAN(generator, discriminator, Descent(0.7), Descent(0.3), penalty=penalty, **more)
    for network_, seed in ((generator, 3), (discriminator, 4)):
        network_.grads[...] = numbers(seed, network_.grads.size)
    return gan


def penalty_of(seen):
    """Return a penalty that is easily told: it adds 0.01, 0.02, ... to the gradient, and costs 0.7."""

    def penalty(discriminator, x_real):
        seen.append(np.array(x_real))
        discriminator.grads += 0.01 * np.arange(1, discriminator.grads.size + 1)
        return 0.7

    return penalty


def discriminator_step(mine, see):
    """Its loss, its parameters, and that nothing else moves; with another loss, and with a penalty."""
    seen = []
    for name, more in (
        ("", {}),
        (", with least squares", {"loss": mine.least_squares}),
        (", with a penalty", {"penalty": penalty_of(seen)}),
    ):
        gan = make_gan(mine, **more)
        x_fake = np.array(gan.generator.forward(numbers(5, 5, 2)))
        x_real, lent = numbers(6, 5, 4), x_fake.copy()
        see("discriminator.params" + name + BEFORE, gan.discriminator.params)
        see("loss" + name, gan.discriminator_step(x_real, lent))
        see("discriminator.params" + name, gan.discriminator.params)
        see("generator.params" + name, gan.generator.params)
        see("generator.grads" + name, gan.generator.grads)
        see("steps of the optimizers" + name, [gan.d_optimizer.steps, gan.g_optimizer.steps])
        see("x_real" + AFTER, x_real)
        see("x_fake" + AFTER, lent - x_fake + 1)
    see("times it is asked, with a penalty", len(seen))
    if seen:
        see("what it is given, with a penalty", seen[0])
    see("loss, of a second step", gan.discriminator_step(x_real, lent))
    see("discriminator.params, after a second step", gan.discriminator.params)
    gan = make_gan(mine)
    gan.generator.forward(numbers(5, 2, 2))
    see("loss, of two samples", gan.discriminator_step(x_real[:2], lent[:2]))
    see("discriminator.params, of two samples", gan.discriminator.params)


def generator_step(mine, see):
    """Its loss, its parameters, and that the discriminator stays as it is."""
    for name, n, more in (("", 5, {}), (", with least squares", 3, {"loss": mine.least_squares}), (", of two", 2, {})):
        gan = make_gan(mine, **more)
        x_fake = gan.generator.forward(numbers(5, n, 2))
        lent = np.array(x_fake)
        see("generator.params" + name + BEFORE, gan.generator.params)
        see("loss" + name, gan.generator_step(x_fake))
        see("generator.params" + name, gan.generator.params)
        see("discriminator.params" + name, gan.discriminator.params)
        see("discriminator.grads" + name, gan.discriminator.grads)
        see("steps of the optimizers" + name, [gan.d_optimizer.steps, gan.g_optimizer.steps])
        see("x_fake" + AFTER, np.array(x_fake) - lent + 1)
    see("loss, of a second step", gan.generator_step(gan.generator.forward(numbers(7, 2, 2))))
    see("generator.params, after a second step", gan.generator.params)


def loop(mine, see):
    """Three steps of a small game, and what was told."""
    seen, told = [], []

    def stream(seed, width):
        for i in range(100):
            yield numbers(seed + i, 5, width)

    gan = make_gan(mine, penalty=penalty_of(seen))
    average = Average(gan.generator.params)
    batches, latents = stream(20, 4), stream(50, 2)
    mine.train(gan, average, batches, latents, 3, lambda step, d_loss, g_loss: told.append((step, d_loss, g_loss)))
    see("steps told to look", [row[0] for row in told])
    see("steps of the optimizers", [gan.d_optimizer.steps, gan.g_optimizer.steps])
    see("updates of the average", average.updates)
    see("d_loss told to look", [row[1] for row in told])
    see("g_loss told to look", [row[2] for row in told])
    see("discriminator.params", gan.discriminator.params)
    see("generator.params", gan.generator.params)
    see("average.params", average.params)


class Average:
    """A moving average that counts."""

    def __init__(self, params):
        self.params, self.updates = params.copy(), 0

    def update(self, params):
        """Go half of the way."""
        self.updates += 1
        self.params += 0.5 * (params - self.params) if params.shape == self.params.shape else 9.0


def r1(mine, see):
    """Its value, and what it adds to the gradients; of two strengths and two batches."""
    for name, n, weight in (("", 5, 0.7), (", of another strength", 5, 2.0), (", of two samples", 2, 0.7)):
        net, x = stack(mine, (4, 5, 3, 1), 1), numbers(2, n, 4)
        before = numbers(3, net.grads.size)
        net.grads[...] = before
        lent = x.copy()
        see("value" + name, mine.add_r1(net, lent, weight))
        for i in (0, 2, 4):
            for each in ("dW", "db"):
                see(f"{each} of layer {i}{name}", part(net.layers[i], each))
        see("grads" + name, net.grads)
        see("params" + AFTER, net.params)
        see("x" + AFTER, lent)
