"""The optimizers, and the moving average (lessons 06 and 10): they see vectors, and know nothing about layers.

θ is ``params`` and g is ``grads``, both (P,). A step changes ``params`` in place, because the layers look into this
very vector; it only reads ``grads``. t counts the steps, from 1.
"""

import numpy as np


class SGD:
    """θ ← θ - lr g."""

    def __init__(self, lr):
        self.lr = lr

    def step(self, params, grads):
        """Change params in place by one step of gradient descent: θ ← θ - lr g. Lesson 06."""
        params -= self.lr * grads


class Adam:
    """Kingma and Ba 2015, algorithm 1. With beta1 = 0 it has no momentum, as in this GAN's recipe."""

    def __init__(self, lr, beta1=0.0, beta2=0.999, eps=1e-8):
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps
        self.t = 0
        self.m = self.v = 0.0  # they become vectors, (P,), in the first step

    def step(self, params, grads):
        """Change params in place by step t = 1, 2, ... (count in self.t; keep the averages in self.m and self.v).

        m ← β1 m + (1 - β1) g        m̂ = m/(1 - β1ᵗ)
        v ← β2 v + (1 - β2) g²       v̂ = v/(1 - β2ᵗ)       θ ← θ - lr m̂/(√v̂ + ε)

        Lesson 06.
        """
        self.t += 1
        self.m = self.beta1 * self.m + (1 - self.beta1) * grads
        self.v = self.beta2 * self.v + (1 - self.beta2) * grads**2
        m_hat = self.m / (1 - self.beta1**self.t)
        v_hat = self.v / (1 - self.beta2**self.t)
        params -= self.lr * m_hat / (np.sqrt(v_hat) + self.eps)


class MovingAverage:
    """The exponential moving average (EMA) of the generator's weights, from which samples are drawn."""

    def __init__(self, params, decay=0.999):
        self.params, self.decay, self.t = params.copy(), decay, 0

    def update(self, params):
        """Take θ = params, (P,), into the average ā = self.params, (P,), in place: ā ← d ā + (1 - d) θ.

        d = min(decay, (1 + t)/(10 + t)) in call t = 1, 2, ... (count in self.t): small at first, so that the random
        first weights are soon forgotten. Only read params. Lesson 10.
        """
        self.t += 1
        decay = min(self.decay, (1 + self.t) / (10 + self.t))
        self.params += (1 - decay) * (params - self.params)
