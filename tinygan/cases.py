"""Cases exist so that everything with a derivative can be checked in one way, a learner's own code too.

A case is named arrays, an output made from them, and the gradients that the thing itself computes.
What can be made a case:

    layer, network  forward(x) and backward(dout), which returns dx; parameters, if any, are the
                    attributes W, b with the gradients dW, db, or two dictionaries params and grads
    loss            a function that returns (loss, gradient), or as many gradients as it has first
                    arguments: loss(out, target), d_loss(real_logits, fake_logits)
    objective       discriminator(real_logits, fake_logits) and generator(fake_logits), two such losses
    penalty         penalty(discriminator, x_real, x_fake), as in ``gradient_penalty.py``
    GAN             as in ``gan.py``

A class is made first: without arguments, with the sizes (n_in, n_out), or with what it asks for by
name (rng, layers, generator, ...).

Shapes: N batch, I inputs, O outputs.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from numbers import Number
from typing import NamedTuple

import numpy as np

from tinygan.layers import Dense, Layer, LeakyReLU, Sigmoid, Tanh
from tinygan.learner import TargetError, call, finite, is_penalty, required, where
from tinygan.network import Network
from tinygan.objectives import NonSaturating
from tinygan.optimizers import SGD


@dataclass(frozen=True)
class Setting:
    """How a case is set up. The doctor changes one of these at a time, and looks what it does.

    n, n_in, n_out  batch, inputs, outputs: distinct primes, so that a wrong factor names itself
    seed            of all data
    upstream        the dout that comes from above: "random", "ones", or random but only for the outputs
                    that are "positive" or "negative", or for the "first" or the "last" sample, and zero
                    for the others
    at              "x", or put the measured input elsewhere: at the "out" or the "dout" of that x
    warm            how many times the thing runs on other data before it is looked at
    transpose       W is exchanged for its transpose between forward and backward
    curved          False: the discriminator of a penalty is made of straight pieces only
    """

    n: int = 5
    n_in: int = 7
    n_out: int = 3
    seed: int = 0
    upstream: str = "random"
    at: str = "x"
    warm: int = 1
    transpose: bool = False
    curved: bool = True


class Fact(NamedTuple):
    """Something that must hold besides the gradients: ``got`` equals ``expected``.

    kind  "in place", "random", "float32", "sum", "value", "targets", "every", "other player"
    """

    kind: str
    name: str
    got: object
    expected: object


class NotCheckable(TypeError):
    """The target is none of the things that have a derivative."""


class Case:
    """What all cases share.

    prefix     for the names in the report, where a target has several cases
    arrays     {name: array}, nudged in place when the gradient is measured
    steps      {name: step of the central difference} where it is not the usual one
    vanishing  names of the arrays on which the output is known not to depend
    unchecked  names of arrays that look like parameters, and are not where those are looked for
    """

    prefix = ""

    def __init__(self, setting):
        self.setting, self.rng = setting, np.random.default_rng(setting.seed)
        self.arrays, self.steps, self.vanishing, self.unchecked, self.found = {}, {}, set(), [], []

    def out(self):
        """A copy of what comes out for the present arrays."""
        raise NotImplementedError

    def gradients(self, dout):
        """{name: d(Σ dout·out)/d(array)}, copies, as the thing itself computes them."""
        raise NotImplementedError

    def upstream(self, out):
        """The dout for the check; the gradient of a loss begins with 1."""
        return np.ones(())

    def facts(self):
        """The facts, true or not, that were found on the way."""
        return self.found


# ---- layers and networks -------------------------------------------------------------------------


class LayerCase(Case):
    """forward(x) and backward(dout) of one object: a layer, a network, a learner's own.

    It takes x of n_in columns; by default as many as its first W has rows, or else the setting's.
    """

    def __init__(self, target, setting, dtype, x=None, n_in=None):
        super().__init__(setting)
        require(target, "forward", "x")
        require(target, "backward", "dout")
        if not isinstance(target, (Layer, Network)):
            own = getattr(target, "__dict__", {})
            arrays = {name for name, value in own.items() if isinstance(value, np.ndarray)}
            self.unchecked = sorted(arrays - {"W", "b", "dW", "db"})
        self.thing = prepared(target, dtype, self.rng)
        self.neighbour = prepared(target, dtype, self.rng)  # do the two share a cache?
        drawn = draw(self.rng, (setting.n * at_once(target), n_in or inputs(self.thing) or setting.n_in))
        self.x_other = draw(self.rng, drawn.shape).astype(dtype)
        for _ in range(setting.warm):
            out = self.forward(self.thing, self.x_other.copy())
            self.backward(self.thing, self.upstream(out, seed=2), self.x_other)
        x = np.array(drawn if x is None else x, dtype)
        if setting.at == "out":
            x = self.forward(self.thing, x)
        elif setting.at == "dout":
            x = self.upstream(x).astype(dtype)
        self.arrays = {"x": x, **{name: array for name, (array, _) in parameters(self.thing).items()}}

    def out(self):
        return self.forward(self.thing, self.arrays["x"].copy())

    def forward(self, thing, x):
        return np.array(finite(call(thing.forward, x), thing.forward, "out", x=x))

    def backward(self, thing, dout, x):
        return np.array(finite(call(thing.backward, dout), thing.backward, "dx", x=x))

    def upstream(self, out, seed=1):
        """Random and of both signs: ones would hide a backward that forgets to multiply by dout."""
        if self.setting.upstream == "ones":
            return np.ones(out.shape)
        dout = draw(np.random.default_rng([self.setting.seed, seed]), out.shape)
        sample = np.arange(len(out)).reshape(-1, *[1] * (out.ndim - 1)) if out.ndim else 0
        sides = {
            "random": True,
            "positive": out.real > 0,
            "negative": out.real <= 0,
            "first": sample == 0,
            "last": sample == np.max(sample),
        }
        return np.where(sides[self.setting.upstream], dout, 0)

    def gradients(self, dout):
        x, given = self.arrays["x"].copy(), dout.copy()
        self.forward(self.thing, x)
        if self.setting.warm:
            self.forward(self.neighbour, self.x_other.copy())
        self.transpose()
        gradients = {"x": self.backward(self.thing, given, self.arrays["x"])}
        self.transpose()
        for name, (_, gradient) in parameters(self.thing).items():
            if gradient is None:
                backward = self.thing.backward
                place = f"grads[{name!r}]" if isinstance(getattr(self.thing, "params", None), dict) else f"d{name}"
                raise TargetError(f"{where(backward)}: backward does not set the gradient of {name} (self.{place})")
            gradients[name] = np.array(finite(gradient, self.thing.backward, "d" + name))
        self.found += [Fact("in place", "x, afterwards", x, self.arrays["x"])]
        self.found += [Fact("in place", "dout, afterwards", given, dout)]
        return gradients

    def transpose(self):
        if self.setting.transpose:
            for array in self.arrays.values():
                if array is not self.arrays["x"] and array.ndim == 2 and array.shape[0] == array.shape[1]:
                    array[...] = array.T.copy()

    def facts(self):
        first, others = self.out(), [self.out() for _ in range(3)]
        other = next((out for out in others if not np.array_equal(out, first)), first)
        return [*self.found, Fact("random", "out, once more", other, first)]


def require(target, method, arguments):
    """TargetError if it has no such method."""
    kind = type(target)
    if not callable(getattr(target, method, None)):
        raise TargetError(f"{where(kind)}: {kind.__name__} has no method {method}(self, {arguments})")


def prepared(target, dtype, rng):
    """A copy in this dtype, with every parameter ±(0.3 ... 1.2), for zeros would hide mistakes."""
    thing = call(copy.deepcopy, target)
    if isinstance(thing, Network):
        thing = Network(thing.layers, rng, dtype)
    elif isinstance(thing, Layer):
        Network([thing], rng, dtype)  # deals out W, b, dW, db
    kind = type(thing)
    for name, (array, _) in parameters(thing).items():
        if not isinstance(array, np.ndarray) or array.size == 0:
            got = "empty" if isinstance(array, np.ndarray) else f"a {type(array).__name__}"
            raise TargetError(f"{where(kind)}: {kind.__name__}.{name} is {got}, and must be a NumPy array")
        values = draw(rng, array.shape, 0.3, 1.2)
        if array.dtype == dtype and array.flags.writeable:
            array[...] = values
        elif isinstance(getattr(thing, "params", None), dict):
            thing.params[name] = values.astype(dtype)
        else:
            try:
                setattr(thing, name, values.astype(dtype))
            except AttributeError as error:  # a property
                message = f"{kind.__name__}.{name} cannot be set: {error}"
                raise TargetError(f"{where(kind)}: {message}") from error
    return thing


def parameters(thing):
    """{name: (array, its gradient or None)} of a layer, a network, or a learner's own object."""
    if isinstance(thing, Network):
        return thing.views()
    if isinstance(getattr(thing, "params", None), dict):
        grads = getattr(thing, "grads", None)
        grads = grads if isinstance(grads, dict) else {}
        return {name: (array, grads.get(name, grads.get("d" + name))) for name, array in thing.params.items()}
    names = thing.shapes if isinstance(thing, Layer) else ("W", "b")
    return {k: (getattr(thing, k), getattr(thing, "d" + k, None)) for k in names if hasattr(thing, k)}


def inputs(thing):
    """How many inputs a sample has, as the first W says, or None."""
    return next((len(array) for array, _ in parameters(thing).values() if array.ndim == 2), None)


def at_once(thing):
    """How many samples a network, or a layer, takes for one output: the m of a Pack, else 1."""
    return getattr(getattr(thing, "layers", [thing])[0], "m", 1)


def draw(rng, shape, low=0.1, high=2.0):
    """Numbers with low < |x| < high, away from the kink of a rectifier, half of them negative."""
    signs = rng.permutation(np.resize([1.0, -1.0], int(np.prod(shape)))).reshape(shape)
    return signs * rng.uniform(low, high, shape)


# ---- losses and objectives -----------------------------------------------------------------------


class LossCase(Case):
    """A function that returns (loss, gradient, ...), with a gradient for each of its first arguments.

    These are logits of both signs, or probabilities where the first one is called so or where the
    loss is not finite otherwise; the arguments after them are targets in (0, 1), or
    whole numbers, a class for each row, where the second one is used as an index. ``large`` goes to
    the far ends of the scale, where clips and epsilons show. ``definition``, of the same arguments,
    is what the loss must be.
    """

    def __init__(self, function, setting, dtype, large, prefix="", columns=None, definition=None):
        super().__init__(setting)
        self.function, self.targets = function, []
        self.definition = None if large else definition
        self.prefix = prefix + ("large " if large else "")
        names, shape = required(function), (setting.n, columns or setting.n_out)
        chances = {name: self.rng.uniform(0.1, 0.9, shape) for name in names}
        logits = {name: draw(self.rng, shape) for name in names}
        try:
            n_gradients = len(self.run(chances.values())) - 1
        except TargetError as error:
            if len(names) != 2 or not isinstance(error.__cause__, IndexError):
                raise
            chances[names[1]] = self.rng.integers(shape[1], size=setting.n)  # it wants a class for each row
            n_gradients = len(self.run(chances.values())) - 1
        if n_gradients > len(names):
            given = f"{n_gradients} gradients for {len(names)} argument{'s' * (len(names) > 1)}"
            raise TargetError(f"{where(function)}: {function.__name__} returns {given}")
        self.targets = [chances[name] for name in names[n_gradients:]]
        names = names[:n_gradients]
        probable = names[0] in ("p", "prob", "probs", "probability", "probabilities")
        probable = probable or not np.isfinite(self.run([logits[name] for name in names])[0])
        for name in names:
            x = chances[name] if probable else logits[name]
            if large and probable:
                x = x * 1e-9
                self.steps[name] = 1e-5 * x  # the usual step would leave (0, 1)
            elif large:
                x = np.resize([30.0, -30.0, 800.0, -800.0], shape) * self.rng.uniform(0.9, 1.1, shape)
            self.arrays[name] = x.astype(dtype)
        if large and len(names) == 1 and [t.dtype.kind for t in self.targets] == ["i"]:
            self.targets = [x.argmin(axis=1)]  # a class that is confidently missed: its gradient is no zero

    def run(self, arrays):
        """(loss, gradient, ...) of these arrays and the targets, once it is known to be just that."""
        result = call(self.function, *[x.copy() for x in (*arrays, *self.targets)])
        if result is None:
            got = "None"
        elif isinstance(result, Number) or getattr(result, "shape", None) == ():
            got = "one number"
        elif not isinstance(result, (tuple, list)) or len(result) < 2:
            got = f"a {type(result).__name__}{' of one' * isinstance(result, (tuple, list))}"
        elif getattr(result[0], "shape", ()):
            got = f"a loss of shape {result[0].shape}"
        elif not isinstance(result[0], (Number, np.ndarray)):
            got = f"a loss that is {result[0]!r:.40}"
        else:
            return tuple(result)
        wanted = "and must return (loss, gradient), the loss as one number"
        raise TargetError(f"{where(self.function)}: {self.function.__name__} returns {got}, {wanted}")

    def out(self):
        loss = self.run(self.arrays.values())[0]
        try:
            return np.array(finite(loss, self.function, "a loss"))
        except TargetError:
            finite(self.entry_by_entry(loss), self.function, "a loss", **self.named_arguments)
            raise

    def entry_by_entry(self, loss):
        """The loss of every entry alone, (N, O), to see whose fault it is; or else this loss of all."""
        each = [np.ix_([i], [j]) for i, j in np.ndindex(self.arguments[0].shape)]
        try:
            alone = [call(self.function, *[x[one] for x in self.arguments])[0] for one in each]
            alone = np.array(alone, complex).reshape(self.arguments[0].shape)
        except (TargetError, TypeError, ValueError):
            return loss
        return loss if np.all(np.isfinite(alone)) else alone

    def gradients(self, dout):
        lent = [x.copy() for x in self.arguments]
        result = call(self.function, *lent)
        for name, after, before in zip(required(self.function), lent, self.arguments, strict=True):
            self.found.append(Fact("in place", f"{name}, afterwards", after, before))
        gradients = zip(self.arrays, result[1:], strict=True)
        given = self.named_arguments
        return {name: np.array(finite(g, self.function, f"d(loss)/d({name})", **given)) for name, g in gradients}

    def facts(self):
        loss = self.out()
        twice = call(self.function, *[np.concatenate([x, x]) for x in self.arguments])[0]
        self.found.append(Fact("random", "loss, once more", self.out(), loss))
        self.found.append(Fact("sum", "loss of the batch and its copy", twice, loss))
        if self.definition:
            defined = finite(call(self.definition, *self.arguments), self.definition, "the loss")
            self.found.append(Fact("value", "loss, by definition", loss, defined))
        return self.found

    @property
    def arguments(self):
        return [*self.arrays.values(), *self.targets]

    @property
    def named_arguments(self):
        return dict(zip(required(self.function), self.arguments, strict=True))


def objective_cases(objective, setting, dtype):
    """Each player's loss, and, where the objective has a, b and c, whom these three numbers attract."""
    require(objective, "discriminator", "real_logits, fake_logits")
    require(objective, "generator", "fake_logits")
    result = [
        LossCase(getattr(objective, player), setting, dtype, large, f"{player} ", columns=1)
        for player in ("discriminator", "generator")
        for large in (False, True)
    ]
    for case in result:
        if case.targets:
            names = " and ".join(required(case.function))
            raise TargetError(f"{where(case.function)}: must return (loss, gradient, ...), a gradient for {names}")
    if all(hasattr(objective, name) for name in "abc"):
        game = call(copy.copy, objective)
        game.a, game.b, game.c = -1.5, 0.5, 2.0
        zero, one = np.zeros((1, 1)), np.ones((1, 1))
        at_0, at_1 = call(game.discriminator, zero, zero), call(game.discriminator, one, one)
        b, a = (vanishes(*ends, game.discriminator) for ends in list(zip(at_0, at_1, strict=True))[1:])
        c = vanishes(call(game.generator, zero)[1], call(game.generator, one)[1], game.generator)
        result[0].found.append(Fact("targets", "target of real_logits, b", b, game.b))
        result[0].found.append(Fact("targets", "target of fake_logits, a", a, game.a))
        result[2].found.append(Fact("targets", "target of fake_logits, c", c, game.c))
    return result


def vanishes(at_0, at_1, function):
    """Where a straight line with these values at 0 and 1 crosses zero."""
    at_0, at_1 = (np.mean(finite(value, function, "a gradient")) for value in (at_0, at_1))
    with np.errstate(all="ignore"):
        return at_0 / (at_0 - at_1)


# ---- penalties and steps -------------------------------------------------------------------------


class PenaltyCase(Case):
    """A gradient penalty, in a discriminator of I inputs: what it adds to grads is its value's derivative."""

    def __init__(self, penalty, setting, dtype):
        super().__init__(setting)
        bends = (Tanh, LeakyReLU, Sigmoid) if setting.curved else (LeakyReLU,) * 3
        sizes = (setting.n_in, 5, 4, 3, 1)
        layers = [Dense(sizes[0], sizes[1])]
        for bend, n_in, n_out in zip(bends, sizes[1:-1], sizes[2:], strict=True):
            layers += [bend(), Dense(n_in, n_out)]
        self.network = prepared(Network(layers, self.rng), dtype, self.rng)
        self.penalty = penalty
        self.x_real, self.x_fake = (draw(self.rng, (setting.n, setting.n_in)).astype(dtype) for _ in range(2))
        self.arrays = {name: array for name, (array, _) in self.network.views().items()}
        biases = [name for name in self.arrays if name.endswith("b")]
        self.vanishing = set(biases[-1:] if setting.curved else biases)  # they do not move the slope

    def run(self, penalty):
        """The value; a copy of the penalty is called, so that its counters and random numbers stay."""
        value = call(penalty, self.network, self.x_real, self.x_fake)
        return np.array(finite(value, type(penalty).__call__, "the penalty's value"))

    def out(self):
        return self.run(copy.deepcopy(self.penalty))

    def gradients(self, dout):
        grads = self.network.grads
        before = grads[:] = draw(self.rng, grads.shape)  # a penalty adds to what the loss has left there
        self.run(copy.deepcopy(self.penalty))
        grads -= before
        finite(grads, type(self.penalty).__call__, "grads")
        return {name: gradient.copy() for name, (_, gradient) in self.network.views().items()}

    def facts(self):
        if not hasattr(self.penalty, "every"):
            return []
        lazy, eager = copy.deepcopy(self.penalty), copy.deepcopy(self.penalty)
        lazy.every, eager.every = 3, 1
        mean = np.mean([self.run(lazy) for _ in range(3)])
        return [Fact("every", "mean of 3 calls with every=3", mean, self.run(eager))]


class StepCase(Case):
    """One step of one player. With SGD and lr = 1 its parameters must fall by the gradient of its loss.

    The loss is written down here anew, by the definition of the game, without a look at the GAN's.
    """

    def __init__(self, gan, player, setting, dtype):
        super().__init__(setting)
        self.player, self.prefix = player, f"{player}'s step "
        require(gan, "discriminator_step", "x_real, x_fake")
        require(gan, "generator_step", "x_fake")
        kinds = {"generator": Network, "discriminator": Network, "objective": object, "penalty": object}
        for name, kind in kinds.items():
            if not (hasattr(gan, name) and isinstance(getattr(gan, name), kind)):
                message = f"{type(gan).__name__}.{name} is missing, or not what it is in tinygan/gan.py"
                raise TargetError(f"{where(type(gan))}: {message}")
        networks = [prepared(network, dtype, self.rng) for network in (gan.generator, gan.discriminator)]
        self.penalty = gan.penalty
        steps = SGD(1.0), SGD(1.0)
        self.gan = call(type(gan), *networks, gan.objective, *steps, copy.deepcopy(gan.penalty))
        self.own = getattr(self.gan, player)
        self.other = self.gan.discriminator if player == "generator" else self.gan.generator
        pack = at_once(self.gan.discriminator)
        n, n_in = setting.n * pack, inputs(self.gan.discriminator) // pack
        latent_dim = inputs(self.gan.generator)
        self.x_real, self.x_other = (draw(self.rng, (n, n_in)).astype(dtype) for _ in range(2))
        self.z, self.z_other = (draw(self.rng, (n, latent_dim)).astype(dtype) for _ in range(2))
        self.arrays = {name: array for name, (array, _) in self.own.views().items()}

    def judge(self, x):
        return self.gan.discriminator.forward(x).copy()

    def out(self):
        return np.array(finite(call(self.loss), self.loss, "the loss"))

    def loss(self):
        x_fake = self.gan.generator.forward(self.z)
        if self.player == "generator":
            return self.gan.objective.generator(self.judge(x_fake))[0]
        loss = self.gan.objective.discriminator(self.judge(self.x_real), self.judge(x_fake))[0]
        if self.penalty is not None:
            loss = loss + copy.deepcopy(self.penalty)(self.gan.discriminator, self.x_real, x_fake.copy())
        return loss

    def step(self, x_real, z):
        """The loss that the step returns."""
        step = getattr(self.gan, f"{self.player}_step")
        x_fake = self.gan.generator.forward(z)
        result = call(step, x_fake) if self.player == "generator" else call(step, x_real, x_fake)
        return finite(getattr(result, "loss", result), step, "the loss")

    def gradients(self, dout):
        expected = self.out()
        start = self.own.params.copy()
        for _ in range(self.setting.warm):
            self.step(self.x_other, self.z_other)
            self.own.params[:] = start
        vectors = {"params": self.other.params, "grads": self.other.grads}
        before = {name: vector.copy() for name, vector in vectors.items()}
        loss = self.step(self.x_real, self.z)
        moved = {name: array.copy() for name, array in self.arrays.items()}
        self.own.params[:] = start
        for name, vector in vectors.items():
            after = vector.copy()
            self.found.append(Fact("other player", f"the other's {name}, afterwards", after, before[name]))
            vector[:] = before[name]
        self.found.append(Fact("value", "loss, by definition", loss, expected))
        return {name: array - moved[name] for name, array in self.arrays.items()}


# ---- everything ----------------------------------------------------------------------------------


def cases(target, setting, dtype, x=None, definition=None):
    """The cases of a target: one for a layer, two for a loss (at ordinary and at large numbers), ..."""
    n_in = None
    if isinstance(target, type):
        n_in = setting.n_in if required(target) else None  # it was told so
        target = make(target, setting)
    if hasattr(target, "discriminator_step") or hasattr(target, "generator_step"):
        return [StepCase(target, player, setting, dtype) for player in ("discriminator", "generator")]
    if callable(getattr(target, "discriminator", None)) or callable(getattr(target, "generator", None)):
        return objective_cases(target, setting, dtype)
    if hasattr(target, "forward") or hasattr(target, "backward"):
        return [LayerCase(target, setting, dtype, x, n_in)]
    if is_penalty(target):
        return [PenaltyCase(target, setting, dtype)]
    if callable(target):
        loss = target if hasattr(target, "__name__") else target.__call__
        return [LossCase(loss, setting, dtype, large, definition=definition) for large in (False, True)]
    kind = type(target).__name__
    raise NotCheckable(f"{kind} is no layer, network, loss, objective, penalty or GAN (see tinygan/cases.py)")


def make(kind, setting):
    """An object of this class, made with nothing, with what it asks for by name, or with (n_in, n_out)."""
    rng, n_in, n_out = np.random.default_rng(setting.seed), setting.n_in, setting.n_out
    known = {
        "n_in": n_in,
        "n_out": n_out,
        "rng": rng,
        "layers": [Dense(n_in, 5), LeakyReLU(), Dense(5, 4), Sigmoid(), Dense(4, n_out), Tanh()],
        "generator": Network([Dense(n_out, 4), LeakyReLU(), Dense(4, n_in), Tanh()], rng),
        "discriminator": Network([Dense(n_in, 4), LeakyReLU(), Dense(4, 1)], rng),
        "objective": NonSaturating(),
        "g_optimizer": SGD(1.0),
        "d_optimizer": SGD(1.0),
    }
    names = required(kind)
    if all(name in known for name in names):
        return call(kind, *(known[name] for name in names))
    if len(names) == 2:
        return call(kind, n_in, n_out)
    raise TargetError(
        f"{where(kind)}: {kind.__name__} needs the arguments {', '.join(names)}; "
        "it can be checked if it can be made without arguments or with two sizes, (n_in, n_out)"
    )
