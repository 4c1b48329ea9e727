"""Reference solutions of lessons/exercises, which the checker must accept: those of lessons/solutions, and these."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from update_lessons import LESSONS, ROOT, quotes

from tinygan.gradient_penalty import add_gradient_penalty


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


class LeastSquares:
    def __init__(self, a=-1.0, b=1.0, c=0.0):
        self.a, self.b, self.c = a, b, c

    def discriminator(self, real_logits, fake_logits):
        real, fake = real_logits - self.b, fake_logits - self.a
        return (np.mean(real**2) + np.mean(fake**2)) / 2, real / real.size, fake / fake.size

    def generator(self, fake_logits):
        fake = fake_logits - self.c
        return np.mean(fake**2) / 2, fake / fake.size


def bounded_pull(out, target):
    size = np.abs(out - target)
    loss = np.mean(np.where(size < 1, 0.5 * size**2, size - 0.5))
    return loss, np.clip(out - target, -1, 1) / out.size


class OneSided:
    def __call__(self, discriminator, x_real, x_fake):
        def penalty(g):
            norm = np.linalg.norm(g, axis=1, keepdims=True)
            excess = np.maximum(norm - self.bound, 0)
            v = 2 * self.strength * excess * g / np.where(norm > 0, norm, 1) / len(g)
            return self.strength * np.mean(excess**2), v

        return add_gradient_penalty(discriminator, x_real, penalty)


class R1ByDifference:
    def __call__(self, discriminator, x_real, x_fake):
        before, h = discriminator.grads.copy(), 1e-4
        g = self.slopes(discriminator, x_real)
        for sign in (1, -1):
            moved = x_real + sign * h * self.gamma * g / len(g)
            discriminator.backward(np.ones_like(discriminator.forward(moved)), input_grad=False)
            before += sign * discriminator.grads / (2 * h)
        discriminator.grads[:] = before
        return 0.5 * self.gamma * np.sum(g * g) / len(g)


class Variety:
    def backward(self, dout):
        centred = self.x - self.x.mean(axis=0)  # whose columns sum to 0, so that m's own way adds nothing
        return dout[:, :-1] + 2 * centred / centred.size * dout[:, -1].sum()


class BothSides:
    def __call__(self, discriminator, x_real, x_fake):
        def penalty(g):
            n = len(x_real)
            return self.value_by_definition(g[:n], g[n:]), self.gamma * g / n

        return add_gradient_penalty(discriminator, np.concatenate([x_real, x_fake]), penalty)


class Radius:
    def backward(self, dout):
        return dout[:, :-1] + 2 * self.x * dout[:, -1:]


class HalfTanh:
    def backward(self, dout):
        return dout * 2 * self.out * (1 - self.out)


def parzen_pull(x):
    centres, sigma = np.array([-1.0, 0.5, 2.0]), 0.5
    e = -((x[..., None] - centres) ** 2) / (2 * sigma**2)
    top = e.max(axis=-1, keepdims=True)
    share = np.exp(e - top)
    loss = -np.mean(top[..., 0] + np.log(share.mean(axis=-1)))
    share /= share.sum(axis=-1, keepdims=True)
    return loss, np.sum(share * (x[..., None] - centres), axis=-1) / sigma**2 / x.size


class DenseLeakyReLU:
    def backward(self, dout):
        between = dout * np.where(self.out > 0, 1, 0.2)
        self.dW = self.x.T @ between
        self.db = between.sum(axis=0)
        return between @ self.W.T


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
    "least_squares_game": ("LeastSquares", LeastSquares),
    "bounded_pull": ("bounded_pull", bounded_pull),
    "one_sided_penalty": ("OneSided.__call__", OneSided.__call__),
    "penalty_by_difference": ("R1ByDifference.__call__", R1ByDifference.__call__),
    "variety": ("Variety.backward", Variety.backward),
    "both_sides": ("BothSides.__call__", BothSides.__call__),
    "radius": ("Radius.backward", Radius.backward),
    "half_tanh": ("HalfTanh.backward", HalfTanh.backward),
    "parzen_pull": ("parzen_pull", parzen_pull),
    "fused": ("DenseLeakyReLU.backward", DenseLeakyReLU.backward),
}
MENDED = {  # exercise: {what is to be mended: (the doctor's diagnosis, how)}
    exercise: {place: (diagnosis, PAGES[exercise, place]) for place, diagnosis in places.items()}
    for exercise, places in WRONG.items()
}
