"""The doctor names every planted mistake correctly, and nothing else.

No name for what is right, none for a mistake that nobody has thought of, and, for a mistake that
is on the list, the same name whatever the random data.
"""

from __future__ import annotations

import numpy as np
import planted_mistakes
import pytest
from helpers import SEEDS
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_mistakes import PLANTED, verdict

from tinygan import diagnosis
from tinygan.check import own_things
from tinygan.diagnosis import diagnose, pattern
from tinygan.gradcheck import check_gradients

RIGHT = [*(thing for thing, _ in own_things().values()), *planted_mistakes.RIGHT]
KNOWN = [h.name for h in diagnosis.ABOUT_THE_REPORT + diagnosis.ABOUT_A_GRADIENT]


# ---- what is wrong is named ----------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("target", "names", "options"), PLANTED, ids=[case[0].__name__ for case in PLANTED])
def test_a_planted_mistake_gets_its_name_and_no_other(target, names, options, seed):
    report, found = verdict(target, seed=seed, **options)
    assert sorted(found) == sorted(names), f"{target.__doc__}\n{report}"


def test_every_diagnosis_has_a_planted_mistake():
    planted = {name for _, names, _ in PLANTED for name in names}
    assert planted == set(KNOWN)


def test_no_two_diagnoses_have_one_name_and_all_explain_themselves():
    assert len(set(KNOWN)) == len(KNOWN)
    for h in diagnosis.ABOUT_THE_REPORT + diagnosis.ABOUT_A_GRADIENT:
        assert h.meaning and h.look and "\n" not in h.meaning + h.look, h


def test_a_finding_says_where_what_it_means_and_where_to_look():
    report = check_gradients(planted_mistakes.BatchSizeInTheLayer)
    (finding,) = diagnose(report)
    assert finding.places == ("W", "b")
    assert str(finding).startswith("  1/N divided twice, in W, b (×0.2 = 1/N): ") and "\n    look at: " in str(finding)


def test_two_mistakes_in_two_places_get_both_names():
    class Both(planted_mistakes.Dense):
        def backward(self, dout):
            dx = super().backward(dout)
            self.dW = -self.dW
            self.db = dout.mean(axis=0)
            return dx

    found = {finding.name: finding.places for finding in diagnose(check_gradients(Both))}
    assert found == {"wrong sign": ("W",), "1/N divided twice": ("b",)}


# ---- what is right is not ------------------------------------------------------------------------


@pytest.mark.parametrize("target", RIGHT, ids=lambda t: getattr(t, "__name__", type(t).__name__))
@given(seed=SEEDS, n=st.integers(4, 9), n_in=st.integers(2, 8), n_out=st.integers(3, 6))
@settings(max_examples=25)
def test_what_is_right_gets_no_name(target, seed, n, n_in, n_out):
    report = check_gradients(target, seed=seed, n=n, n_in=n_in, n_out=n_out)
    assert report.passed, report
    assert diagnose(report) == []


@pytest.mark.parametrize("target", RIGHT, ids=lambda t: getattr(t, "__name__", type(t).__name__))
@given(seed=SEEDS)
@settings(max_examples=3)
def test_what_is_right_gets_no_name_even_if_all_are_tried(target, seed):
    report = check_gradients(target, seed=seed)
    assert [h.name for h in diagnosis.ABOUT_THE_REPORT if diagnosis.fits(h, report)] == []


# ---- and neither is what nobody knows ------------------------------------------------------------


class Noise(planted_mistakes.Dense):
    """Every gradient off by noise of its own size."""

    def backward(self, dout):
        rng = np.random.default_rng(self.seed)
        dx = super().backward(dout)
        self.dW = self.dW * rng.normal(1, 1, self.dW.shape)
        self.db = self.db * rng.normal(1, 1, self.db.shape)
        return dx * rng.normal(1, 1, dx.shape)


@given(seed=SEEDS)
def test_noise_gets_no_name_but_a_description(seed):
    target = Noise(7, 3)
    target.seed = seed
    report = check_gradients(target)
    assert not report.passed and diagnose(report) == []
    lines = pattern(report)
    assert len(lines) == 3 and all("entries are wrong" in line for line in lines)


class NoisyActivation(planted_mistakes.LeakyReLU):
    def backward(self, dout):
        return super().backward(dout) * np.random.default_rng(self.seed).normal(1, 1, dout.shape)


@given(seed=SEEDS)
def test_noise_in_an_activation_gets_no_name(seed):
    target = NoisyActivation()
    target.seed = seed
    report = check_gradients(target)
    assert not report.passed and diagnose(report) == []


SHAPES = [(), (0,), (1,), (3,), (7,), (1, 3), (5, 1), (3, 7), (5, 3), (5, 5), (5, 7), (7, 7), (1, 7, 3), (5, 7, 3)]
LAYERS = [planted_mistakes.Dense, planted_mistakes.ScaleAndShift, planted_mistakes.Tanh, planted_mistakes.LeakyReLU]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_whatever_shape_a_gradient_has_the_doctor_does_not_stumble(shape):
    odd = np.random.default_rng(0).normal(size=shape)

    def backward_of(layer, where):
        def backward(self, dout):
            dx = layer.backward(self, dout)
            setattr(self, where, odd)
            return odd if where == "dx" else dx

        return backward

    def forward(self, x):
        self.x = 2 * np.resize(x, shape)  # whose slope is not 1
        return self.x

    def loss(logits, target):
        return planted_mistakes.bce_with_logits(logits, target)[0], odd

    odd_ones = [
        type(layer.__name__, (layer,), {"backward": backward_of(layer, where)})
        for layer in LAYERS
        for where in ("dx", "dW", "db")
        if where == "dx" or layer in LAYERS[:2]
    ]
    odd_out = type("OddOut", (planted_mistakes.Tanh,), {"forward": forward, "backward": lambda self, dout: dout})
    for target in (*odd_ones, odd_out, loss):
        report = check_gradients(target)
        assert not report.passed and all(str(finding) for finding in diagnose(report))
        assert len(pattern(report)) <= len(report.rows)


def test_a_code_that_stops_at_every_size_gets_no_name():
    class Stops(planted_mistakes.Dense):
        def backward(self, dout):
            raise ZeroDivisionError

    report = check_gradients(Stops)
    assert not report.passed and diagnose(report) == [] and pattern(report) == []


# ---- the table -----------------------------------------------------------------------------------


def test_the_table_says_what_was_rejected_how_and_whether_the_name_is_right(monkeypatch):
    three = [
        (planted_mistakes.NegativeBias, ("wrong sign",), {}),
        (planted_mistakes.NegativeBias, ("kink",), {}),
        (planted_mistakes.Dense, ("kink",), {}),
    ]
    monkeypatch.setattr(planted_mistakes, "PLANTED", three)
    right, misnamed, accepted = planted_mistakes.table()
    assert right.split() == ["NegativeBias", "b", "2.0e+00", "wrong", "sign"]
    assert "WRONG, should be ('kink',)" in misnamed
    assert "ACCEPTED" in accepted and "no name" in accepted and "WRONG" in accepted
