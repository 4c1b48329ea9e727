"""The layers: forward and backward side by side, each derivative beside its formula.

``forward`` turns x into out. ``backward`` turns dout = d(loss)/d(out), which has the shape of out,
into dx = d(loss)/dx, which has the shape of x, and fills the gradients of its own parameters.
``tangent`` and ``tangent_backward`` do the same once more for gradient penalties: leave them until
lesson 13 and ``gradient_penalty.py``.

Shapes: N batch, I inputs, O outputs. An array that a layer returns is valid until the same method
of that layer runs again: copy what you want to keep.
"""

from __future__ import annotations

import numpy as np


class Layer:
    """The methods of a layer, and the memory that they share."""

    shapes: dict[str, tuple[int, ...]] = {}  # of its parameters, by name; a Network makes the arrays
    statistics: dict[str, tuple[int, ...]] = {}  # shapes of what it keeps of the batches seen, likewise
    training = True  # False: samples shall not feel each other (``Network.inference``)

    def initialize(self, rng):
        """Draw the first parameters; the Network asks for it where ``shapes`` names some."""
        raise NotImplementedError

    def forward(self, x):
        """Return out, (N, O), for x, (N, I), and keep what ``backward`` will need."""
        raise NotImplementedError

    def backward(self, dout, param_grads=True, input_grad=True):
        """Return dx, (N, I), for dout, (N, O), and fill the gradients of the parameters.

        ``param_grads=False`` leaves the gradients alone; ``input_grad=False`` may leave out dx.
        """
        raise NotImplementedError

    def tangent(self, v):
        """Return out_v = d/dε forward(x + εv) at ε = 0, (N, O): how out moves when x moves along v, (N, I)."""
        raise NotImplementedError

    def tangent_backward(self, dout_v, dout=None):
        """Return dx for a loss that depends on out_v and on out, and add to the gradients of the parameters.

        dout_v = d(loss)/d(out_v) and dout = d(loss)/d(out) are (N, O); None stands for zeros, also
        for the dx that is returned.
        """
        raise NotImplementedError

    def __init__(self):
        self._work = {}

    def work_array(self, name, shape, dtype):
        """Return an array of this shape to be filled. It is made once, of zeros: after warm-up nothing is allocated."""
        array = self._work.get(name)
        if array is None or len(array) < shape[0] or array.shape[1:] != shape[1:] or array.dtype != dtype:
            array = self._work[name] = np.zeros(shape, dtype)
        return array[: shape[0]]

    def kept(self, name):
        """Return what ``forward`` or ``tangent`` kept under this name; RuntimeError before its first call."""
        if not hasattr(self, name):
            raise RuntimeError(f"{self}: call {'tangent' if name == 'v' else 'forward'}() first")
        return getattr(self, name)

    def __repr__(self):
        return f"{type(self).__name__}()"


INITS = ("he", "xavier", "dcgan", "spread", "uniform")  # ways to draw the first weights, see ``Dense``


def draw_weights(layer, rng, n_in, n_out):
    """Draw W and b by ``layer.init``, where an output feels n_in inputs, and an input is felt by n_out outputs."""
    W, b, init = layer.W, layer.b, layer.init
    if init == "he":
        W[...] = rng.normal(0, np.sqrt(2 / n_in), W.shape)
    elif init == "dcgan":
        W[...] = rng.normal(0, 0.02, W.shape)
    else:
        r = np.sqrt(1 / n_in) if init == "uniform" else np.sqrt(6 / (n_in + n_out))
        W[...] = rng.uniform(-r, r, W.shape)
    if init in ("spread", "uniform"):
        b[...] = rng.uniform(-1, 1, b.shape) / np.sqrt(n_in)


class Dense(Layer):
    """out = x W + b, with W of shape (I, O) and b of shape (O,).

    ``init`` chooses the first weights: "he" is N(0, 2/I), made for rectifiers (He et al. 2015,
    eq. 10); "xavier" is U(-r, r) with r² = 6/(I + O), made for sigmoid and tanh (Glorot and Bengio
    2010, eq. 16); "dcgan" is N(0, 0.02²) (Radford et al. 2016, section 4). With these b starts at
    zero, and with 2 or 3 inputs the kinks of all units then pass through the origin; "spread" is
    Xavier's W with b from U(-1/√I, 1/√I), which moves them apart. "uniform" has both W and b from
    U(-1/√I, 1/√I), which is PyTorch's default.
    """

    def __init__(self, n_in, n_out, init="he"):
        super().__init__()
        if min(n_in, n_out) < 1:
            raise ValueError(f"Dense({n_in}, {n_out}): both sizes must be at least 1")
        if init not in INITS:
            raise ValueError(f"Dense: init must be one of {', '.join(INITS)}, not {init!r}")
        self.init = init
        self.shapes = {"W": (n_in, n_out), "b": (n_out,)}
        self.W = self.b = self.dW = self.db = None  # views into the vectors of the Network

    def initialize(self, rng):
        """Draw the first W and b."""
        n_in, n_out = self.shapes["W"]
        draw_weights(self, rng, n_in, n_out)

    def forward(self, x):
        self.check_input(x)
        self.x = x
        out = self.work_array("out", (len(x), self.W.shape[1]), self.W.dtype)
        np.matmul(x, self.W, out=out)  # out = x W + b
        out += self.b
        return out

    def backward(self, dout, param_grads=True, input_grad=True):
        # out[n, o] = Σ_i x[n, i] W[i, o] + b[o], so W[i, o] is felt by every n through x[n, i],
        # b[o] by every n through 1, and x[n, i] by every o through W[i, o].
        x = self.kept("x")
        if param_grads:
            np.matmul(x.T, dout, out=self.dW)
            np.sum(dout, axis=0, out=self.db)
        if input_grad:
            dx = self.work_array("dx", x.shape, self.W.dtype)
            # Trick: with one output dout Wᵀ is an outer product, and faster by broadcasting.
            product = np.multiply if dout.shape[1] == 1 else np.matmul
            return product(dout, self.W.T, out=dx)

    def tangent(self, v):
        # (x + εv) W + b moves by v W.
        self.v = v
        out_v = self.work_array("out_v", (len(v), self.W.shape[1]), self.W.dtype)
        return np.matmul(v, self.W, out=out_v)

    def tangent_backward(self, dout_v, dout=None):
        # out_v = v W is linear in W, so dout_v meets v as dout meets x above; out_v does not depend on x.
        product = self.work_array("product", self.W.shape, self.W.dtype)
        self.dW += np.matmul(self.kept("v").T, dout_v, out=product)
        if dout is not None:
            self.dW += self.x.T @ dout
            self.db += dout.sum(axis=0)
            return dout @ self.W.T

    def check_input(self, x):
        """Raise an error that says what is missing, where x cannot be multiplied by W."""
        if self.W is None:
            raise RuntimeError(f"{self} has no weights yet: put it into a Network, which makes them")
        if x.ndim != 2 or x.shape[1] != self.W.shape[0]:
            raise ValueError(f"{self} expects x of shape (N, {self.W.shape[0]}), got {x.shape}")

    def __repr__(self):
        n_in, n_out = self.shapes["W"]
        return f"Dense({n_in}, {n_out})"


class LeakyReLU(Layer):
    """out = x where x > 0, alpha·x elsewhere (Maas et al. 2013).

    At the kink, x = 0, every number from alpha to 1 is a valid slope; here it is alpha.
    """

    def __init__(self, alpha=0.2):
        super().__init__()
        if not 0 <= alpha <= 1:
            raise ValueError(f"LeakyReLU: alpha must be in [0, 1], got {alpha}")
        self.alpha = alpha

    def forward(self, x):
        self.x = x
        out = self.work_array("out", x.shape, x.dtype)
        np.multiply(x, self.alpha, out=out)  # out = max(alpha·x, x), since alpha <= 1
        return np.maximum(x, out, out=out)

    def slope(self):
        """Return d(out)/dx for every entry of the last x: 1 where x > 0, alpha elsewhere."""
        x = self.kept("x")
        slope = self.work_array("slope", x.shape, x.real.dtype)
        np.greater(x.real, 0, out=slope)  # 1 where x > 0, else 0,
        return np.maximum(slope, self.alpha, out=slope)  # and alpha in place of 0

    def backward(self, dout, param_grads=True, input_grad=True):
        # Each entry of x was multiplied by its slope, and so is each entry of dout.
        return np.multiply(dout, self.slope(), out=self.work_array("dx", dout.shape, dout.dtype))

    def tangent(self, v):
        return np.multiply(v, self.slope(), out=self.work_array("out_v", v.shape, v.dtype))

    def tangent_backward(self, dout_v, dout=None):
        # The slope that v was multiplied by is constant on each straight piece: no curvature.
        return None if dout is None else dout * self.slope()

    def __repr__(self):
        return f"LeakyReLU({self.alpha})"


class PReLU(Layer):
    """out = x where x > 0, a·x elsewhere, where each channel learns its own slope a (He et al. 2015, eq. 1).

    channels  1 stands for one slope for all; a has the shape (channels,) and starts at 0.25
    """

    def __init__(self, channels=1):
        super().__init__()
        self.channels = channels
        self.shapes = {"a": (channels,)}
        self.a = self.da = None  # views into the vectors of the Network

    def initialize(self, rng):
        """Start at the slope of the paper."""
        self.a[...] = 0.25

    def forward(self, x):
        self.x = x
        out = self.work_array("out", x.shape, x.dtype)
        np.minimum(x, 0, out=out)  # out = x + (a - 1)·min(x, 0)
        out *= self.spread(self.a - 1)
        out += x
        return out

    def spread(self, values):
        """Return one number for each channel as one for each input."""
        return np.tile(values, self.x.shape[1] // self.channels)

    def slope(self):
        """Return d(out)/dx for every entry of the last x: 1 where x > 0, a elsewhere."""
        x = self.kept("x")
        slope = self.work_array("slope", x.shape, self.a.dtype)
        np.less_equal(x.real, 0, out=slope)  # 1 + (a - 1)·[x <= 0], in place
        slope *= self.spread(self.a - 1)
        slope += 1
        return slope

    def slope_grads(self, products):
        """Return the sum over all entries of a channel, (channels,)."""
        return products.sum(axis=0).reshape(-1, self.channels).sum(axis=0)

    def backward(self, dout, param_grads=True, input_grad=True):
        # a was multiplied by min(x, 0), every entry of x by its slope.
        x = self.kept("x")
        dx = self.work_array("dx", x.shape, x.dtype)
        if param_grads:
            np.minimum(x, 0, out=dx)
            dx *= dout
            self.da[...] = self.slope_grads(dx)
        return np.multiply(dout, self.slope(), out=dx)

    def tangent(self, v):
        self.v = v
        return np.multiply(v, self.slope(), out=self.work_array("out_v", v.shape, self.x.dtype))

    def tangent_backward(self, dout_v, dout=None):
        # Straight pieces again: out_v = v·slope depends on a where x <= 0, and nowhere on x.
        self.da += self.slope_grads(dout_v * self.kept("v") * (self.x.real <= 0))
        if dout is not None:
            self.da += self.slope_grads(dout * np.minimum(self.x, 0))
            return dout * self.slope()

    def __repr__(self):
        return f"PReLU({self.channels})"


class Sigmoid(Layer):
    """out = σ(x) = 1/(1 + exp(-x)), written as (1 + tanh(x/2))/2, which cannot overflow.

    (``losses.sigmoid`` is the same function, exact also in its tails, where this one rounds to 0 and 1.)
    """

    def forward(self, x):
        out = self.work_array("out", x.shape, x.dtype)
        np.multiply(x, 0.5, out=out)  # out = 0.5·tanh(0.5·x) + 0.5, in place
        np.tanh(out, out=out)
        out *= 0.5
        out += 0.5
        self.out = out
        return out

    def backward(self, dout, param_grads=True, input_grad=True):
        # σ' = σ (1 - σ): the derivative is made of the output.
        out = self.kept("out")
        dx = self.work_array("dx", out.shape, out.dtype)
        np.subtract(1, out, out=dx)  # dx = dout·out·(1 - out), in place
        dx *= out
        dx *= dout
        return dx

    def tangent(self, v):
        out = self.kept("out")
        self.v = v
        return v * out * (1 - out)

    def tangent_backward(self, dout_v, dout=None):
        # out_v = v σ'(x) depends on x through σ'' = σ' (1 - 2σ).
        out = self.kept("out")
        through_slope = dout_v * self.kept("v") * (1 - 2 * out)
        return out * (1 - out) * (through_slope if dout is None else through_slope + dout)


class Tanh(Layer):
    """out = tanh(x)."""

    def forward(self, x):
        self.out = np.tanh(x)
        return self.out

    def backward(self, dout, param_grads=True, input_grad=True):
        # tanh' = 1 - tanh²: again the derivative is made of the output.
        return dout * (1 - self.kept("out") ** 2)

    def tangent(self, v):
        self.v = v
        return v * (1 - self.kept("out") ** 2)

    def tangent_backward(self, dout_v, dout=None):
        # tanh'' = -2 tanh · tanh'.
        out = self.kept("out")
        through_slope = dout_v * self.kept("v") * (-2 * out)
        return (1 - out**2) * (through_slope if dout is None else through_slope + dout)


class Scale(Layer):
    """out = factor·x + shift, with fixed numbers: 2x - 1 turns pixels from 0 ... 1 into pixels from -1 ... 1."""

    def __init__(self, factor=2.0, shift=-1.0):
        super().__init__()
        self.factor, self.shift = factor, shift

    def forward(self, x):
        out = self.work_array("out", x.shape, x.dtype)
        np.multiply(x, self.factor, out=out)
        out += self.shift
        return out

    def backward(self, dout, param_grads=True, input_grad=True):
        return self.factor * dout

    def tangent(self, v):
        return self.factor * v

    def tangent_backward(self, dout_v, dout=None):
        return None if dout is None else self.factor * dout

    def __repr__(self):
        return f"Scale({self.factor}, {self.shift})"


class Pack(Layer):
    """(N, I) -> (N/m, m·I): lets a discriminator judge m samples at once (PacGAN, Lin et al. 2018)."""

    def __init__(self, m=2):
        super().__init__()
        self.m = m

    def forward(self, x):
        if len(x) % self.m:
            raise ValueError(f"a batch of {len(x)} cannot be divided into packs of {self.m}")
        return x.reshape(len(x) // self.m, -1)

    def backward(self, dout, param_grads=True, input_grad=True):
        return dout.reshape(len(dout) * self.m, -1)

    def tangent(self, v):
        return self.forward(v)

    def tangent_backward(self, dout_v, dout=None):
        return None if dout is None else self.backward(dout)

    def __repr__(self):
        return f"Pack({self.m})"
