"""Reference solutions of lessons/exercises, which the checker must accept: those of lessons/solutions, and these."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from update_lessons import LESSONS, ROOT, quotes


def on_pages():
    """{(exercise, place): function}, the code of lessons/solutions as if written into the exercise's file."""
    found = {}
    for page in sorted(LESSONS.glob("solutions/*.md")):
        for quote in quotes(page.read_text(encoding="utf-8")):
            if quote.kind == "solution":
                file, place = quote.source.split("::")
                scope = {"__name__": "solutions"}
                exec((ROOT / file).read_text(encoding="utf-8") + "\n" + quote.text, scope)
                found[Path(file).stem, place] = scope[place.split(".")[-1]]
    return found


PAGES = on_pages()


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


PAGES |= {
    ("in_place_tanh", "InPlaceTanh.forward"): InPlaceTanh.forward,
    ("hidden_factor", "squared_error"): squared_error,
}
WRONG = {  # exercise that is wrong as it comes: {what is to be mended: the doctor's diagnosis}
    "broken_dense": {
        "Averages.backward": "1/N divided twice",
        "Transposes.backward": "transposed weight",
        "Remembers.backward": "gradients accumulated",
    },
    "in_place_tanh": {"InPlaceTanh.forward": "changed in place"},
    "hidden_factor": {"squared_error": "missing 1/N"},
}
SOLVED = {  # exercise: (what is to be filled in, how)
    **{exercise: (place, code) for (exercise, place), code in PAGES.items() if exercise not in WRONG},
    "leaky_relu_backward": ("LeakyReLU.backward", LeakyReLU.backward),
    "silu": ("SiLU.backward", SiLU.backward),
    "bce_with_logits": ("bce_with_logits", bce_with_logits),
    "cauchy": ("cauchy", cauchy),
    "softmax": ("Softmax.backward", Softmax.backward),
    "residual": ("Residual.backward", Residual.backward),
    "minimax_generator": ("minimax_generator", minimax_generator),
    "both_at_once": ("both_at_once", both_at_once),
    "smoothed_discriminator": ("smoothed_discriminator", smoothed_discriminator),
}
MENDED = {  # exercise: {what is to be mended: (the doctor's diagnosis, how)}
    exercise: {place: (diagnosis, PAGES[exercise, place]) for place, diagnosis in places.items()}
    for exercise, places in WRONG.items()
}
