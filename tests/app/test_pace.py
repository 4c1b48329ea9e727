"""``tinygan train --workers``: how many processes a run is given, and what becomes of it when one of them is lost."""

from __future__ import annotations

import os
import random
import signal
import time
from dataclasses import replace

import pytest
from commands import QUICKLY, answer, finished, interrupted, refusal, started, train, wait_for
from small_runs import TINY, TYPED, assert_same_folder, images, points, step_of

from tinygan import sharing
from tinygan.app import pace, runs
from tinygan.app.cli import main
from tinygan.sharing import WorkerError

pytestmark = pytest.mark.usefixtures("quickly")
needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks into Linux's /proc")
ROOMY = replace(TINY, steps=10**9, batch=64)  # long, and large enough for four


def workers_of(run):
    return runs.load(run)[1]["config"]["workers"]


# ---- a run of two ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reference_of_two(folder, tmp_path_factory):
    """A run of two processes that nobody disturbed."""
    run = tmp_path_factory.mktemp("two") / "run"
    code, _, err = finished(*train(folder, run, "--workers", 2), code=QUICKLY)
    assert (code, err) == (0, "")
    return run


def test_a_run_of_two_is_recorded_repeated_and_resumed_to_the_bit(folder, tmp_path, reference_of_two, capsys):
    assert workers_of(reference_of_two) == 2
    assert interrupted(3, train(folder, tmp_path / "run", "--workers", 2)) == 128 + signal.SIGINT
    capsys.readouterr()
    code, out, err = answer(capsys, "train", "--resume", tmp_path / "run")
    assert (code, err) == (0, "") and "at step 3" in out
    assert_same_folder(tmp_path / "run", reference_of_two)


def test_a_resumed_run_may_be_given_another_number(folder, tmp_path, capsys):
    run = tmp_path / "run"
    assert interrupted(3, train(folder, run, "--workers", 2)) == 128 + signal.SIGINT
    assert "--workers" in refusal(capsys, "train", "--resume", run, "--workers", 7)
    assert main(["train", "--resume", str(run), "--workers", "1"]) == 0
    assert (workers_of(run), step_of(run)) == (1, 6)


def test_one_worker_is_what_a_short_run_is_given(reference):
    assert workers_of(reference) == 1


def test_more_than_the_batch_feeds_are_refused(folder, tmp_path, capsys):
    for words in (["--workers", 7], ["--workers", 0], ["--workers", "many"], ["--pack", 2, "--workers", 4]):
        assert "--workers" in refusal(capsys, *train(folder, tmp_path / "run", *words))
    words = train(folder, tmp_path / "run", "--workers", 2, "--channels", 4, "--batch-norm")
    assert "batch_norm" in refusal(capsys, *words)
    assert not (tmp_path / "run").exists()


# ---- as many as are fastest ------------------------------------------------------------------------


@pytest.fixture
def four_cores(monkeypatch):
    monkeypatch.setattr(pace, "cores", lambda: 4)


@pytest.mark.parametrize(
    "rates, workers", [([100, 90, 80], 1), ([100, 105, 104], 1), ([100, 150, 120], 2), ([100, 120, 150], 4)]
)
def test_the_fastest_number_is_chosen_if_it_is_faster_by_a_tenth(rates, workers, four_cores, monkeypatch):
    raced = []
    monkeypatch.setattr(pace, "race", lambda choices, dataset: raced.extend(choices) or rates)
    config, why = pace.with_workers(ROOMY, points())
    assert [each.workers for each in raced] == [1, 2, 4]
    assert config == replace(ROOMY, workers=workers)
    assert f"{max(rates[1:])} steps/s" in why and "one takes 100" in why


def test_nothing_is_tried_where_there_is_no_choice_or_no_time(four_cores, monkeypatch):
    monkeypatch.setattr(pace, "race", lambda choices, dataset: pytest.fail("tried"))
    for config in (
        replace(ROOMY, steps=100),
        replace(ROOMY, steps=None, minutes=0.01),
        replace(ROOMY, batch=31),
        replace(ROOMY, channels=(4,), batch_norm=True),
    ):
        assert pace.with_workers(config, images()) == (replace(config, workers=1), "")
    assert pace.with_workers(replace(ROOMY, workers=3), points()) == (replace(ROOMY, workers=3), "")
    monkeypatch.setattr(pace, "cores", lambda: 1)
    assert pace.with_workers(ROOMY, points())[0].workers == 1


def test_the_race_is_run_by_all(monkeypatch):
    monkeypatch.setattr(pace, "TURN", 0.01)
    rates = pace.race([replace(ROOMY, workers=n) for n in (1, 2)], points(200))
    assert len(rates) == 2 and min(rates) > 0
    assert sharing.blas_threads()[0]() in (0, 1), "as before, see conftest.py"


def test_where_processes_cannot_be_started_one_does_and_a_line_says_so(folder, tmp_path, capsys, monkeypatch):
    def fail(*args):
        raise WorkerError("no process can be started")

    monkeypatch.setattr(pace, "race", fail)
    monkeypatch.setattr(pace, "SHORT", 0)
    monkeypatch.setattr(pace, "LEAST", 1)
    monkeypatch.setattr(pace, "cores", lambda: 4)
    code, out, err = answer(capsys, *train(folder, tmp_path / "run"))
    assert (code, err) == (0, "") and "one process: no process can be started" in out
    assert workers_of(tmp_path / "run") == 1
    monkeypatch.setattr(sharing.CONTEXT, "Semaphore", fail)
    assert "--workers 1" in refusal(capsys, *train(folder, tmp_path / "other", "--workers", 2))
    assert not (tmp_path / "other").exists()


def test_cores_are_those_that_this_process_may_use():
    assert 1 <= pace.cores() <= os.cpu_count()


# ---- processes that are lost -----------------------------------------------------------------------


def children(process):
    """The process ids of its workers."""
    with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
        pids = [int(pid) for pid in file.read().split()]
    return [pid for pid in pids if "spawn_main" in command(pid)]


def command(pid):
    try:
        with open(f"/proc/{pid}/cmdline") as file:
            return file.read()
    except OSError:
        return ""


LONG = [*TYPED, "--workers", 2, "--checkpoint-every", 50]


@needs_proc
def test_a_worker_that_is_killed_ends_the_run_in_one_line_and_it_can_go_on(folder, tmp_path):
    run = tmp_path / "run"
    with started("train", "--data", folder, *LONG, "--minutes", 5, "--out", run, code=QUICKLY) as process:
        wait_for(lambda: (run / "checkpoint.npz").exists() and step_of(run) > 0, process)
        (worker,) = children(process)
        os.kill(worker, signal.SIGKILL)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 1 and len(err.splitlines()) == 1, (out, err)
    assert err.startswith("tinygan train: worker 1 was killed") and "--resume" in err
    assert f"step {step_of(run):,} is safe" in err and step_of(run) % 50 == 0
    code, _, err = finished("train", "--resume", run, "--steps", step_of(run) + 10, code=QUICKLY)
    assert (code, err) == (0, "")


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_is_answered_by_the_leader(folder, tmp_path, number):
    run = tmp_path / "run"
    words = ["train", "--data", folder, *LONG, "--minutes", 5, "--out", run]
    with started(*words, code=QUICKLY, start_new_session=True) as process:
        wait_for(lambda: (run / "checkpoint.npz").exists() and step_of(run) > 0, process)
        workers = children(process)
        os.killpg(process.pid, number)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (128 + number, "") and "To continue" in out
    assert workers and not any(map(command, workers)), "a worker is left behind"


@needs_proc
@pytest.mark.long
def test_fifty_kills_of_any_of_three_processes_change_nothing(folder, tmp_path):
    """Every run is killed once; the worker or the leader, at any moment; and ends the same."""
    steps, dice, lost = 400, random.Random(0), []
    words = ["--data", folder, "--steps", steps, *TYPED, "--workers", 3]
    assert finished("train", *words, "--out", tmp_path / "reference", code=QUICKLY)[::2] == (0, "")
    for i in range(50):
        run, target = tmp_path / f"run{i}", dice.randrange(300)
        with started("train", *words, "--out", run, "--checkpoint-every", 5, code=QUICKLY) as process:
            wait_for(
                lambda run=run, target=target: (run / "checkpoint.npz").exists() and step_of(run) >= target, process
            )
            pids = [process.pid, *children(process)]
            assert len(pids) == 3
            time.sleep(dice.uniform(0, 0.02))
            victim = dice.randrange(3)
            os.kill(pids[victim], signal.SIGKILL)
            process.communicate(timeout=30)
            lost.append(victim)
        deadline = time.monotonic() + 20
        while any(map(command, pids[1:])):
            assert time.monotonic() < deadline, "a worker is left behind"
            time.sleep(0.05)
        assert step_of(run) < steps, "it ended before it was killed"
        assert finished("train", "--resume", run, code=QUICKLY)[::2] == (0, "")
        assert_same_folder(run, tmp_path / "reference")
    assert set(lost) == {0, 1, 2}
