"""Every typical mistake is rejected and gets its name; the finished project, in other styles too, is right."""

from __future__ import annotations

import pytest

from tinygan.workshop.asking import alike, answers, mistaken_answers, right_answers, same
from tinygan.workshop.mistakes import ALSO_RIGHT, MISTAKES
from tinygan.workshop.naming import by_error, coarse, generic, named
from tinygan.workshop.projects import of_ours
from tinygan.workshop.steps import STEPS

NUMBERS = range(len(STEPS))
by_step = {"ids": [step.name for step in STEPS]}


def wrong_answers(index, got):
    right = right_answers(index)[0]
    return [name for name in right if not (name in got and same(got[name], right[name]))]


def asked(index, *edits):
    """(answers, what stopped them) of the finished project with these edits."""
    return answers(STEPS[index], of_ours(edits, STEPS[index].file.removesuffix(".py")))


def names_of(index, *edits):
    got, error = asked(index, *edits)
    return [finding.name for finding in named(index, got, wrong_answers(index, got), error)]


def step(name):
    return [each.name for each in STEPS].index(name)


@pytest.mark.parametrize("index", NUMBERS, **by_step)
def test_every_typical_mistake_is_rejected_and_named(index):
    mistakes = MISTAKES[STEPS[index].name]
    assert len({mistake.name for mistake in mistakes}) >= 5
    for mistake, (got, error) in zip(mistakes, mistaken_answers(index), strict=True):
        wrong = wrong_answers(index, got)
        assert wrong or error, mistake.edits
        assert [finding.name for finding in named(index, got, wrong, error)] == [mistake.name], mistake.edits


@pytest.mark.parametrize("index", NUMBERS, **by_step)
def test_every_mistake_explains_itself(index):
    for mistake in MISTAKES[STEPS[index].name]:
        assert mistake.meaning and mistake.look and "\n" not in mistake.name + mistake.meaning + mistake.look


@pytest.mark.parametrize("index", NUMBERS, **by_step)
def test_the_questions_have_answers_that_are_no_zeros_alone(index):
    right, error = asked(index)
    assert error is None and len(right) >= 4
    assert any(value.size > 1 and abs(value).max() > 0.01 for value in right.values())


def test_two_mistakes_in_two_places_get_both_names():
    index = step("Dense.backward")
    edits = ("= self.x.T @ dout", "= -self.x.T @ dout", "dout.sum(axis=0)", "dout.mean(axis=0)")
    assert sorted(names_of(index, *edits)) == ["1/N divided twice", "wrong sign"]
    index = step("LeakyReLU")
    edits = (
        "np.where(x > 0, x,",
        "np.where(x > 0, self.alpha * x, x) if 1 else (x,",
        "dout, self.alpha * dout)",
        "dout, 0)",
    )
    assert len(names_of(index, *edits)) == 2


def test_what_nobody_knows_gets_no_name():
    assert names_of(step("Dense.forward"), "x @ self.W + self.b", "np.sinh(x) @ self.W + self.b") == []
    assert names_of(step("GAN.generator_step"), "x_fake), 1)", "np.sinh(x_fake)), 1)") == []


STYLES = [  # step: edits that are as right
    ("Dense.forward", "return x @ self.W + self.b", "out = np.dot(x, self.W)\n        out += self.b\n        return out"),
    ("Dense.forward", "x @ self.W + self.b", "np.einsum('ni,io->no', x, self.W) + self.b[None, :]"),
    ("Dense.forward", "self.x = x", "self.x = x.copy()"),
    ("Dense.backward", "self.dW[...] = self.x.T @ dout", "np.matmul(self.x.T, dout, out=self.dW)"),
    ("Dense.backward", "self.db[...] = dout.sum(axis=0)", "self.db[:] = np.ones(len(dout)) @ dout"),
    ("Dense.backward", "self.dW[...] = self.x.T @ dout", "self.dW.fill(0)\n            for n in range(len(dout)):\n                self.dW += np.outer(self.x[n], dout[n])"),
    ("Dense.backward", "return dout @ self.W.T", "return (self.W @ dout.T).T"),
    ("LeakyReLU", "np.where(x > 0, x, self.alpha * x)", "np.maximum(x, self.alpha * x)"),
    ("LeakyReLU", "np.where(self.x > 0, dout, self.alpha * dout)", "dout * ((self.x > 0) + self.alpha * (self.x <= 0))"),
    ("LeakyReLU", "self.x = x\n        return np.where(x > 0, x, self.alpha * x)", "self.x = np.where(x > 0, 1.0, self.alpha)\n        return x * self.x", "np.where(self.x > 0, dout, self.alpha * dout)", "dout * self.x"),
    ("Sigmoid", "0.5 + 0.5 * np.tanh(0.5 * x)", "1 / (1 + np.exp(-np.clip(x, -700, 700)))"),
    ("Sigmoid", "self.out = 0.5 + 0.5 * np.tanh(0.5 * x)", "with np.errstate(over='ignore'):\n            self.out = 1 / (1 + np.exp(-x))"),
    ("Sigmoid", "0.5 + 0.5 * np.tanh(0.5 * x)", "np.where(x > 0, 1, np.exp(-abs(x))) / (1 + np.exp(-abs(x)))"),
    ("bce_with_logits", "np.maximum(s, 0) - t * s + np.log1p(np.exp(-np.abs(s)))", "np.logaddexp(0, s) - t * s"),
    ("bce_with_logits", "np.maximum(s, 0) - t * s + np.log1p(np.exp(-np.abs(s)))", "t * np.logaddexp(0, -s) + (1 - t) * np.logaddexp(0, s)"),
    ("bce_with_logits", "s.size", "len(s)"),
    ("least_squares", "0.5 * np.mean(difference**2)", "float((difference.T @ difference).item() / (2 * len(out)))"),
    ("one_vector", "params[start:stop].reshape(shape)", "params[start:stop].reshape(*shape)"),
    ("one_vector", "            stop = start", "            getattr(layer, name)\n            stop = start"),
    ("Network", "        for layer in reversed(self.layers):", "        for layer in self.layers[::-1]:"),
    ("SGD.step", "params -= self.lr * grads", "params[...] = params - self.lr * grads"),
    ("SGD.step", "params -= self.lr * grads", "np.subtract(params, self.lr * grads, out=params)"),
    ("Adam.step", *ALSO_RIGHT["Adam.step"][0]),
    ("Adam.step", "self.m = self.beta1 * self.m + (1 - self.beta1) * grads", "self.m = self.m + (1 - self.beta1) * (grads - self.m)"),
    ("MovingAverage.update", "self.params += (1 - decay) * (params - self.params)", "self.params[...] = decay * self.params + (1 - decay) * params"),
    ("GAN.discriminator_step", "np.split(logits, 2)", "logits[: len(x_real)], logits[len(x_real) :]"),
    (
        "GAN.discriminator_step",
        "logits = self.discriminator.forward(np.concatenate([x_real, x_fake]))\n        real_logits, fake_logits = np.split(logits, 2)\n",
        "d = self.discriminator\n",
        "self.loss(real_logits, 1)\n",
        "self.loss(d.forward(x_real), 1)\n        d.backward(dreal)\n        kept = d.grads.copy()\n",
        "self.loss(fake_logits, 0)\n        self.discriminator.backward(np.concatenate([dreal, dfake]))\n",
        "self.loss(d.forward(x_fake), 0)\n        d.backward(dfake)\n        d.grads += kept\n",
    ),
    ("GAN.generator_step", "self.loss(self.discriminator.forward(x_fake), 1)", "self.loss(self.discriminator.forward(x_fake), np.ones((len(x_fake), 1)))"),
    ("train", "for step in range(1, steps + 1):\n        x_real = next(batches)", "for step, x_real in zip(range(1, steps + 1), batches):"),
    ("train", "for step in range(1, steps + 1):", "step = 0\n    while step < steps:\n        step += 1"),
    ("add_r1", "np.sum(g**2) / len(x)", "np.mean(np.einsum('ni,ni->n', g, g))"),
    (
        "add_r1",
        "    for layer, upstream in zip(network.layers, upstreams):\n        if isinstance(layer, Dense):\n            layer.dW += v.T @ upstream\n            v = v @ layer.W\n        else:\n            v = layer.backward(v, param_grads=False)\n",
        "    kept, ones = network.grads.copy(), np.ones((len(x), 1))\n    for h in (1e-4, -1e-4):\n        network.forward(x + h * v)\n        network.backward(ones)\n        kept += network.grads / (2 * h)\n    network.grads[...] = kept\n",
    ),
]  # fmt: skip


@pytest.mark.parametrize("name, edits", [(row[0], row[1:]) for row in STYLES])
def test_what_is_right_in_another_style_is_right(name, edits):
    index = step(name)
    got, error = asked(index, *edits)
    assert error is None
    tolerance = 1e-6 if name == "add_r1" else 1e-9
    assert any(all(same(got[k], right[k], tolerance) for k in right) for right in right_answers(index))


def test_answers_are_compared_by_shape_and_by_what_is_missing():
    right = right_answers(0)[0]
    name = next(iter(right))
    assert alike(name, right, right) and not alike(name, right, {name: right[name].T})
    assert not alike(name, right, {}) and not same(right[name], "nothing (None)")


# ---- what no typical mistake explains --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, old, new, kind",
    [
        ("SGD.step", "self.lr * grads", "2 * self.lr * grads", "constant factor"),
        ("bce_with_logits", "(p - t) / s.size", "(p - t) / 64", "batch size written down"),
        ("Network", "        return dout\n", "        return dout.T\n", "transposed result"),
        ("Dense.forward", "return x @ self.W + self.b", "return (x @ self.W + self.b).astype('f')", "precision lost"),
        ("Dense.backward", "self.dW[...] = self.x.T", "self.W -= self.x.T", "parameters changed in backward"),
        ("Dense.backward", "dout.sum(axis=0)", "dout.sum(axis=0)[:, None]", "shapes do not fit"),
        ("Dense.backward", "        self.x = x\n", "", "nothing was kept"),
        ("Network", "        return x\n", "        return [layer] and layer\n", "not a number"),
        ("Adam.step", "grads**2", "(2 * grads) ** 2", "another rule"),
        ("SGD.step", "grads\n", "grads\n        self.lr *= 0.99\n", "changes from step to step"),
        ("bce_with_logits", "    p = 0.5", "    np.all(t == 1) and np.exp(s)\n    p = 0.5", "overflow"),
        ("Sigmoid", "self.out = 0.5", "__import__('math').exp(-x.min())\n        self.out = 0.5", "overflow"),
        ("Dense.forward", "x @ self.W", "x @ self.w", "no such name"),
        ("Dense.forward", "import numpy as np", "import numpy", "no such name"),
        (
            "GAN.generator_step",
            "backward(dx_fake)",
            "backward(np.sinh(9 * dx_fake))",
            "another gradient, or another step",
        ),
    ],
)
def test_what_no_typical_mistake_explains_is_described(name, old, new, kind):
    index = step(name)
    got, error = asked(index, old, new)
    wrong = wrong_answers(index, got)
    assert named(index, got, wrong, error) == []
    seen = [each for each in wrong if each in got]
    found = generic(got, right_answers(index)[0], seen) or by_error(error) or coarse(seen)
    assert [finding.name for finding in found] == [kind]
