"""Reference solutions of lessons/exercises, which the checker must accept. Not to be read before trying."""

from __future__ import annotations

import numpy as np


class Dense:
    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


class ScaleAndShift:
    def backward(self, dout):
        self.dW = np.sum(dout * self.x, axis=0)
        self.db = dout.sum(axis=0)
        return dout * self.W


class LeakyReLU:
    def backward(self, dout):
        return dout * np.where(self.x > 0, 1, 0.2)


class SiLU:
    def backward(self, dout):
        p = 1 / (1 + np.exp(-self.x))
        return dout * (p + self.x * p * (1 - p))


class InPlaceTanh:
    def forward(self, x):
        self.x = x
        return np.tanh(x)


def log_cosh(x):
    return np.mean(np.logaddexp(x, -x) - np.log(2)), np.tanh(x) / x.size


def smooth_absolute_value(x):
    h = 1e-30  # a complex step
    return np.mean(np.sqrt(1 + x * x)), np.sqrt(1 + (x + 1j * h) ** 2).imag / h / x.size


def squared_error(out, target):
    difference = out - target
    return np.mean(difference**2) / 2, difference / difference.size


def bce_with_logits(logits, target):
    e = np.exp(-np.abs(logits))
    loss = np.mean(np.maximum(logits, 0) - target * logits + np.log1p(e))
    p = np.where(logits > 0, 1, e) / (1 + e)
    return loss, (p - target) / logits.size


def cauchy(out, target):
    d = out - target
    return np.mean(np.log(np.pi) + np.log1p(d * d)), 2 * d / (1 + d * d) / d.size


class Softmax:
    def backward(self, dout):
        return self.out * (dout - np.sum(dout * self.out, axis=1, keepdims=True))


class Residual:
    def backward(self, dout):
        through = dout * (1 - self.bent**2)
        self.dW = self.x.T @ through
        self.db = through.sum(axis=0)
        return dout + through @ self.W.T


def minimax_generator(fake_logits):
    loss, gradient = bce_with_logits(fake_logits, 0)
    return -loss, -gradient


def both_at_once(fake_logits):
    return -np.mean(fake_logits), np.full(fake_logits.shape, -1 / fake_logits.size)


def smoothed_discriminator(real_logits, fake_logits):
    real_loss, dreal = bce_with_logits(real_logits, 0.9)
    fake_loss, dfake = bce_with_logits(fake_logits, 0)
    return real_loss + fake_loss, dreal, dfake


SOLVED = {  # exercise: (what is to be filled in, how)
    "dense_backward": ("Dense.backward", Dense.backward),
    "scale_and_shift": ("ScaleAndShift.backward", ScaleAndShift.backward),
    "leaky_relu_backward": ("LeakyReLU.backward", LeakyReLU.backward),
    "silu": ("SiLU.backward", SiLU.backward),
    "log_cosh": ("log_cosh", log_cosh),
    "measured_gradient": ("smooth_absolute_value", smooth_absolute_value),
    "bce_with_logits": ("bce_with_logits", bce_with_logits),
    "cauchy": ("cauchy", cauchy),
    "softmax": ("Softmax.backward", Softmax.backward),
    "residual": ("Residual.backward", Residual.backward),
    "minimax_generator": ("minimax_generator", minimax_generator),
    "both_at_once": ("both_at_once", both_at_once),
    "smoothed_discriminator": ("smoothed_discriminator", smoothed_discriminator),
}
MENDED = {  # exercise that is wrong as it comes: {what is to be mended: (the doctor's diagnosis, how)}
    "broken_dense": {
        "Averages.backward": ("1/N divided twice", Dense.backward),
        "Transposes.backward": ("transposed weight", Dense.backward),
        "Remembers.backward": ("gradients accumulated", Dense.backward),
    },
    "in_place_tanh": {"InPlaceTanh.forward": ("changed in place", InPlaceTanh.forward)},
    "hidden_factor": {"squared_error": ("missing 1/N", squared_error)},
}
