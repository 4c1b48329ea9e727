"""The optimizers: rules that turn a gradient into a step, each fixing a weakness of the one before.

They see two vectors, ``params`` and ``grads`` of shape (P,), and know nothing about layers. State
vectors start at zero on the first step. A step is a few passes over memory, so that few passes and
reused arrays make it fast. g is the gradient, θ the parameters.
"""

from __future__ import annotations

import math

import numpy as np


class Optimizer:
    """What all rules share: the count of the steps t = 1, 2, ..., and the state vectors that ``slots`` names."""

    slots: tuple[str, ...] = ()

    def __init__(self, lr):
        if not lr > 0:
            raise ValueError(f"lr must be positive, got {lr}")
        self.lr = lr
        self.t = 0
        self._work = None

    def update(self, params, grads, work):
        """Take the step; ``work``, (P,), is free to be overwritten."""
        raise NotImplementedError

    def step(self, params, grads):
        """Take step t: change ``params`` in place; ``grads`` is only read."""
        if self._work is None:
            self._work = np.empty_like(params)
        if self.t == 0:
            for name in self.slots:
                setattr(self, name, np.zeros_like(params))
        self.t += 1
        self.update(params, grads, self._work)

    def restore(self, t, slots):
        """Continue after step ``t`` with copies of these state vectors, {name: (P,)}."""
        self.t = t
        for name in self.slots if t else ():
            setattr(self, name, slots[name].copy())


class SGD(Optimizer):
    """θ ← θ - lr g."""

    def update(self, params, grads, work):
        params -= np.multiply(grads, self.lr, out=work)


class Momentum(Optimizer):
    """v ← μ v - lr g, θ ← θ + v (Polyak 1964; Sutskever et al. 2013, eq. 1 and 2)."""

    slots = ("v",)

    def __init__(self, lr, momentum=0.9):
        super().__init__(lr)
        self.momentum = momentum

    def update(self, params, grads, work):
        self.v *= self.momentum
        self.v -= np.multiply(grads, self.lr, out=work)
        params += self.v


class Nesterov(Momentum):
    """v ← μ v - lr ∇f(θ + μ v), θ ← θ + v (Sutskever et al. 2013, eq. 3 and 4).

    Written for ``params`` that hold the look-ahead point θ + μ v, where the gradient is taken
    anyway; that point moves by μ v_new - lr g (Bengio et al. 2012, eq. 7).
    """

    def update(self, params, grads, work):
        np.multiply(grads, self.lr, out=work)
        self.v *= self.momentum
        self.v -= work
        params -= work
        params += np.multiply(self.v, self.momentum, out=work)


class Adagrad(Optimizer):
    """s ← s + g², θ ← θ - lr g / (√s + ε) (Duchi et al. 2011)."""

    slots = ("s",)

    def __init__(self, lr, eps=1e-10):
        super().__init__(lr)
        self.eps = eps

    def accumulate(self, grads, work):
        """Add this step's g² to s."""
        self.s += np.multiply(grads, grads, out=work)

    def update(self, params, grads, work):
        self.accumulate(grads, work)
        np.sqrt(self.s, out=work)
        work += self.eps
        np.divide(grads, work, out=work)
        work *= self.lr
        params -= work


class RMSprop(Adagrad):
    """s ← ρ s + (1 - ρ) g², θ ← θ - lr g / (√s + ε) (Tieleman and Hinton 2012, lecture 6.5)."""

    def __init__(self, lr, rho=0.9, eps=1e-8):
        super().__init__(lr, eps)
        self.rho = rho

    def accumulate(self, grads, work):
        self.s *= self.rho
        np.multiply(grads, grads, out=work)
        work *= 1 - self.rho
        self.s += work


class Adam(Optimizer):
    """m ← β1 m + (1 - β1) g, v ← β2 v + (1 - β2) g², θ ← θ - lr m̂ / (√v̂ + ε) (Kingma and Ba 2015, alg. 1).

    m̂ = m/(1 - β1ᵗ) and v̂ = v/(1 - β2ᵗ). Trick: the vectors kept here are m/(1 - β1) and
    v/(1 - β2), and all constant factors are folded into two numbers a step: fewer passes over memory.
    With β1 = 0 m is g, and no m is kept.
    """

    def __init__(self, lr, beta1=0.9, beta2=0.999, eps=1e-8):
        super().__init__(lr)
        self.beta1, self.beta2, self.eps = beta1, beta2, eps
        self.slots = ("m", "v") if beta1 else ("v",)

    def update(self, params, grads, work):
        m_scale = (1 - self.beta1) / (1 - self.beta1**self.t)
        v_scale = math.sqrt((1 - self.beta2) / (1 - self.beta2**self.t))
        m = grads  # as it is with β1 = 0
        if self.beta1:
            self.m *= self.beta1
            self.m += grads
            m = self.m
        self.v *= self.beta2
        self.v += np.multiply(grads, grads, out=work)
        np.sqrt(self.v, out=work)
        work += self.eps / v_scale
        np.divide(m, work, out=work)
        work *= self.lr * m_scale / v_scale
        params -= work


class MovingAverage:
    """Exponential moving average (EMA) of the generator's weights, from which samples are drawn.

    ā ← ā + (1 - d) (θ - ā) (Yazıcı et al. 2019). The decay d starts small, min(decay, (1 + t)/(10 + t)),
    so that the random first weights are soon forgotten. ``params`` is a vector of its own, (P,).
    """

    def __init__(self, params, decay=0.999):
        if not 0 <= decay < 1:
            raise ValueError(f"the moving average's decay must be in [0, 1), got {decay}")
        self.params = params.copy()
        self.decay = decay
        self.t = 0
        self._work = np.empty_like(params)

    def update(self, params):
        """Take θ = ``params``, (P,), into the average."""
        self.t += 1
        decay = min(self.decay, (1 + self.t) / (10 + self.t))
        np.subtract(params, self.params, out=self._work)
        self._work *= 1 - decay
        self.params += self._work
