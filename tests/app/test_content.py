"""Whatever a checkpoint with a right checksum holds, it is the state of a run of this version or is refused.

Refused as not fitting, in one line, before memory is taken. What the commands make of it is proven
in ``test_forged.py``.
"""

from __future__ import annotations

import copy
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_runs import TINY, assert_same_state, images, points, trained

from tinygan.app import runs
from tinygan.app.errors import CheckpointError
from tinygan.recipes import Config
from tinygan.training import Row, Training

STATE = trained(TINY, steps=2).state()


def restored(arrays, values):
    with runs.understanding(Path("run")):
        config = runs.config_of(arrays, values)
        training = Training(config, points())
        training.restore(arrays, values)
    return training


def test_the_state_of_a_run_fits():
    assert_same_state(restored(*STATE).state(), STATE)


def refusal(arrays, values):
    with pytest.raises(CheckpointError) as caught:
        restored(arrays, values)
    message = str(caught.value)
    assert message.startswith(f"{Path('run', 'checkpoint.npz')}: does not fit")
    assert len(message.splitlines()) == 1
    return message


def test_an_array_that_does_not_fit_is_refused():
    for name, array in STATE[0].items():
        arrays, values = dict(STATE[0]), STATE[1]
        del arrays[name]
        assert f"no '{name}' in it" in refusal(arrays, values)
        unfit = {"deeper": array[..., None], "of another type": array.astype(np.float16)}
        if name != "history":  # which may have any number of rows
            unfit |= {"longer": np.concatenate([array, array[:1]]), "of length 1": array[:1]}
        for what, arrays[name] in unfit.items():
            message = refusal(arrays, values)
            assert name in message or name.startswith("frame"), f"{name} {what}: {message}"


@pytest.mark.parametrize(
    "column, value", [("step", 0), ("step", 3), ("step", np.nan), ("d_loss", np.nan), ("d_loss", np.inf)]
)
def test_a_history_that_no_run_has_is_refused(column, value):
    history = STATE[0]["history"].copy()
    history[-1, Row._fields.index(column)] = value
    refusal({**STATE[0], "history": history}, STATE[1])


def test_a_value_that_is_missing_is_refused():
    assert TINY.penalty == "r1", "else no calls of it are counted"
    for name in STATE[1]:
        arrays, values = STATE[0], dict(STATE[1])
        del values[name]
        assert f"no '{name}' in it" in refusal(arrays, values)


def test_a_value_of_another_kind_is_refused():
    for name in STATE[1]:
        for junk in ("junk", None, [], {}):
            if junk != STATE[1][name]:  # no classes are an empty list
                refusal(STATE[0], {**STATE[1], name: junk})


def with_choice(**choices):
    values = copy.deepcopy(STATE[1])
    values["config"] |= choices
    return values


def test_a_choice_that_is_missing_or_of_another_kind_is_refused():
    for name in Config().to_dict():
        values = copy.deepcopy(STATE[1])
        del values["config"][name]
        assert name in refusal(STATE[0], values)
        refusal(STATE[0], with_choice(**{name: {"x": 1}}))
        refusal(STATE[0], with_choice(**{name: "junk"}))


def test_a_shape_that_no_example_has_is_refused():
    state = trained(TINY, images(shape=(9, 10)), steps=2).state()
    for shape in ([90], [2], [9, 9], [3, 30], [9, 10, 1], [3, 10, 3], [9.0, 10.0], [10**9, 10**9], "910", [[9], 10]):
        refusal(state[0], {**state[1], "shape": shape})
    assert runs.shape_of(*state) == (9, 10)


def test_a_choice_from_a_later_version_is_refused():
    assert "dropout" in refusal(STATE[0], with_choice(dropout=0.5))


@pytest.mark.parametrize(
    "choice",
    [{"hidden": (10**5, 10**5)}, {"latent_dim": 10**7}, {"batch": 10**9, "pack": 10**9}, {"hidden": ()}],
)
def test_networks_of_another_size_are_refused_before_memory_is_taken(choice):
    tracemalloc.start()
    try:
        assert "parameters, expected" in refusal(STATE[0], with_choice(**choice))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


JUNK = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.just([]), st.just({}))


@settings(max_examples=200)
@given(st.data())
def test_any_content_either_is_restored_or_refused(data):
    """A right checksum, with anything in place of some arrays and values."""
    arrays, values = dict(STATE[0]), copy.deepcopy(STATE[1])
    for name in data.draw(st.lists(st.sampled_from([*values, *arrays]), min_size=1, max_size=2)):
        if name in values:
            values[name] = data.draw(JUNK)
        else:
            kind = data.draw(st.sampled_from(["u1", "f4", "f8", "i8", "S3", "?", "c8"]))
            arrays[name] = np.zeros(data.draw(st.lists(st.integers(0, 3), max_size=3)), kind)
    try:
        restored(arrays, values)
    except CheckpointError as error:
        assert len(str(error).splitlines()) == 1
