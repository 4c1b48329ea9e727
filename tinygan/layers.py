"""Layers exist so that each formula stands beside its derivative.

A layer's ``forward`` turns x into out; its ``backward`` turns dout = d(loss)/d(out), which has the
shape of out, into dx = d(loss)/dx, which has the shape of x, and fills the gradients of its own
parameters on the way. ``tangent`` and ``tangent_backward`` are the same story told once more for
gradient penalties (read them after ``gradient_penalty.py`` has asked for them, lesson 13).

Shapes: N batch, I inputs, O outputs. Arrays that a layer returns are its own work arrays: they are
valid until the same method of that layer runs again. Copy what you want to keep.
"""

from __future__ import annotations

import numpy as np


class Layer:
    """What every layer shares: named parameters (here none), and work arrays that are reused."""

    shapes: dict[str, tuple[int, ...]] = {}  # parameter name -> shape

    def __init__(self):
        self._work = {}

    def work_array(self, name, shape, dtype):
        """An uninitialised array of this shape, allocated once: after warm-up nothing allocates."""
        array = self._work.get(name)
        if array is None or len(array) < shape[0] or array.shape[1:] != shape[1:] or array.dtype != dtype:
            array = self._work[name] = np.empty(shape, dtype)
        return array[: shape[0]]

    def cached(self, name):
        """What ``forward`` (or ``tangent``) left for the way back."""
        try:
            return self.__dict__[name]
        except KeyError:
            raise RuntimeError(
                f"{type(self).__name__}: the way back was called before the way forward; call forward first"
            ) from None

    def __repr__(self):
        return f"{type(self).__name__}()"


class Dense(Layer):
    """out = x W + b, with W of shape (I, O) and b of shape (O,).

    ``init`` sets the spread of the first weights: "he" is N(0, 2/I), made for rectifiers (He et al.
    2015, eq. 10); "xavier" is U(-r, r) with r² = 6/(I + O), made for sigmoid and tanh (Glorot and
    Bengio 2010, eq. 16). b starts at zero. Where I is 2 or 3, all bends of the units behind then go
    through the origin; "spread" is Xavier's W with b from U(-1/√I, 1/√I), which moves them apart.
    W, b, dW, db are views that the network deals out.
    """

    def __init__(self, n_in, n_out, init="he"):
        super().__init__()
        if min(n_in, n_out) < 1:
            raise ValueError(f"Dense({n_in}, {n_out}): both sizes must be at least 1")
        if init not in ("he", "xavier", "spread"):
            raise ValueError(f"Dense: init must be 'he', 'xavier' or 'spread', not {init!r}")
        self.init = init
        self.shapes = {"W": (n_in, n_out), "b": (n_out,)}

    def initialise(self, rng):
        n_in, n_out = self.shapes["W"]
        if self.init == "he":
            self.W[...] = rng.normal(0, np.sqrt(2 / n_in), (n_in, n_out))
        else:
            r = np.sqrt(6 / (n_in + n_out))
            self.W[...] = rng.uniform(-r, r, (n_in, n_out))
        self.b[...] = rng.uniform(-1, 1, n_out) / np.sqrt(n_in) if self.init == "spread" else 0

    def forward(self, x):
        n_in, n_out = self.shapes["W"]
        if x.ndim != 2 or x.shape[1] != n_in:
            raise ValueError(f"{self} expects x of shape (N, {n_in}), got {x.shape}")
        self.x = x
        out = self.work_array("out", (len(x), n_out), self.W.dtype)
        np.matmul(x, self.W, out=out)
        out += self.b
        return out

    def backward(self, dout, param_grads=True, input_grad=True):
        # out[n, o] = Σ_i x[n, i] W[i, o] + b[o], so W[i, o] is felt by every n through x[n, i],
        # b[o] by every n through 1, and x[n, i] by every o through W[i, o].
        x = self.cached("x")
        if param_grads:
            np.matmul(x.T, dout, out=self.dW)
            np.sum(dout, axis=0, out=self.db)
        if input_grad:
            dx = self.work_array("dx", x.shape, self.W.dtype)
            # Trick: with one output the product is an outer one, and faster by broadcasting.
            product = np.multiply if dout.shape[1] == 1 else np.matmul
            return product(dout, self.W.T, out=dx)

    def tangent(self, v):
        self.v = v
        out_v = self.work_array("out_v", (len(v), self.W.shape[1]), self.W.dtype)
        return np.matmul(v, self.W, out=out_v)

    def tangent_backward(self, u, a=None):
        # out_v = v W is linear in W, so u = d(loss)/d(out_v) meets v as dout met x above.
        product = self.work_array("product", self.W.shape, self.W.dtype)
        self.dW += np.matmul(self.cached("v").T, u, out=product)
        if a is not None:
            self.dW += self.x.T @ a
            self.db += a.sum(axis=0)
            return a @ self.W.T

    def __repr__(self):
        n_in, n_out = self.shapes["W"]
        return f"Dense({n_in}, {n_out})"


class LeakyReLU(Layer):
    """out = x where x > 0, alpha·x elsewhere (Maas et al. 2013). At the kink, x = 0, either slope serves."""

    def __init__(self, alpha=0.2):
        super().__init__()
        if not 0 <= alpha <= 1:
            raise ValueError(f"LeakyReLU: alpha must be in [0, 1], got {alpha}")
        self.alpha = alpha

    def forward(self, x):
        # Trick: with alpha <= 1 the right branch is always the larger one, so there is none to take.
        self.x = x
        out = self.work_array("out", x.shape, x.dtype)
        np.multiply(x, self.alpha, out=out)
        return np.maximum(x, out, out=out)

    def slope(self):
        """d(out)/dx for every entry of the last x: 1 where x > 0, alpha where x < 0."""
        x = self.cached("x")
        # Trick: (1 + alpha)/2 ± (1 - alpha)/2, with the sign of x: no branch, and no mask to convert.
        slope = self.work_array("slope", x.shape, x.real.dtype)
        np.copysign((1 - self.alpha) / 2, x.real, out=slope)
        slope += (1 + self.alpha) / 2
        return slope

    def backward(self, dout, param_grads=True, input_grad=True):
        # Each entry of x was multiplied by its slope, and so is each entry of dout.
        return np.multiply(dout, self.slope(), out=self.work_array("dx", dout.shape, dout.dtype))

    def tangent(self, v):
        return np.multiply(v, self.slope(), out=self.work_array("out_v", v.shape, v.dtype))

    def tangent_backward(self, u, a=None):
        return None if a is None else a * self.slope()  # straight pieces have no curvature

    def __repr__(self):
        return f"LeakyReLU({self.alpha})"


class Sigmoid(Layer):
    """out = σ(x) = 1/(1 + exp(-x)), written as (1 + tanh(x/2))/2, which cannot overflow."""

    def forward(self, x):
        out = self.work_array("out", x.shape, x.dtype)
        np.multiply(x, 0.5, out=out)
        np.tanh(out, out=out)
        out *= 0.5
        out += 0.5
        self.out = out
        return out

    def backward(self, dout, param_grads=True, input_grad=True):
        # σ' = σ (1 - σ): the derivative is made of the output.
        out = self.cached("out")
        dx = self.work_array("dx", out.shape, out.dtype)
        np.subtract(1, out, out=dx)
        dx *= out
        dx *= dout
        return dx

    def tangent(self, v):
        out = self.cached("out")
        self.v = v
        return v * out * (1 - out)

    def tangent_backward(self, u, a=None):
        # σ'' = σ' (1 - 2σ): the slope that v was multiplied by depends on x as well.
        out = self.cached("out")
        through_slope = u * self.cached("v") * (1 - 2 * out)
        return out * (1 - out) * (through_slope if a is None else through_slope + a)


class Tanh(Layer):
    """out = tanh(x)."""

    def forward(self, x):
        self.out = np.tanh(x, out=self.work_array("out", x.shape, x.dtype))
        return self.out

    def backward(self, dout, param_grads=True, input_grad=True):
        # tanh' = 1 - tanh²: again the derivative is made of the output.
        out = self.cached("out")
        dx = self.work_array("dx", out.shape, out.dtype)
        np.multiply(out, out, out=dx)
        np.subtract(1, dx, out=dx)
        dx *= dout
        return dx

    def tangent(self, v):
        out = self.cached("out")
        self.v = v
        return v * (1 - out**2)

    def tangent_backward(self, u, a=None):
        # tanh'' = -2 tanh · tanh'.
        out = self.cached("out")
        through_slope = u * self.cached("v") * (-2 * out)
        return (1 - out**2) * (through_slope if a is None else through_slope + a)
