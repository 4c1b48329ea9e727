"""A run folder belongs to one process at a time, and the newest whole checkpoint in it is found."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from pathlib import Path

import processes
import pytest
from small_runs import TINY, forbid_folders, points

from tinygan.app import checkpoint, files, runs
from tinygan.app.errors import CheckpointError, UsageError
from tinygan.training import Training


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ---- one process at a time -----------------------------------------------------------------------


def test_a_second_process_is_refused_and_a_killed_one_leaves_no_lock(here):
    code = "import sys; from pathlib import Path; from tinygan.app import runs\nwith runs.locked(Path('.')): input()"
    code = code.replace("input()", "print('locked', flush=True); input()")
    holder = processes.start("-c", code, stdin=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(UsageError, match="another process"), runs.locked(Path(".")):
            pass
    finally:
        holder.kill()
        holder.communicate()
    with runs.locked(Path(".")):
        assert os.listdir() == [".lock"]
    with runs.locked(Path(".")):
        pass


def test_a_file_system_without_locks_is_no_reason_not_to_train(here, monkeypatch):
    def unsupported(file):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(runs, "lock", unsupported)
    with runs.locked(Path(".")):
        pass


def test_a_folder_that_cannot_be_written_is_refused(here, monkeypatch):
    Path("run").mkdir()

    def read_only(*args, **kwargs):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("builtins.open", read_only)
    with (
        pytest.raises(UsageError, match="^run: .*Read-only file system"),
        runs.locked(Path("run")),
    ):
        pass


# ---- new folders ---------------------------------------------------------------------------------


def test_runs_are_numbered_and_begin_at_the_same_time_without_colliding(here):
    made, all_in = [], threading.Barrier(5)

    def begin():
        all_in.wait()
        with runs.new() as run:
            made.append(str(run))
            all_in.wait()

    threads = [threading.Thread(target=begin) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [str(Path("runs", f"00{i}")) for i in range(1, 6)]


def test_a_place_for_runs_that_is_not_there_is_no_endless_search(here):
    try:
        Path("runs").symlink_to(here / "unmounted")
    except (OSError, NotImplementedError):
        pytest.skip("this system makes no links")
    with pytest.raises(UsageError, match="^--out runs: "), runs.new():
        pytest.fail("began")


def test_a_named_folder_may_be_new_or_empty_or_never_really_begun(here):
    Path("empty").mkdir()
    Path("begun").mkdir()
    for name in (".lock", f"checkpoint{files.WRITING}0123456789abcdef.npz"):
        Path("begun", name).touch()
    for name in ("new", "deep/new", "empty", "begun"):
        with runs.new(Path(name)) as run:
            assert run == Path(name) and [path.name for path in run.iterdir()] == [".lock"]


def test_what_a_killed_training_left_is_removed_and_nothing_else(here):
    """Also not what another process, which needs no lock, is writing there."""
    Path("samples").mkdir()
    kept = {"film.gif", "sample.png", "sample.writing-0.png", "thesis.writing-0.txt", "samples/thesis.txt"}
    left = {"checkpoint.writing-0.npz", "film.writing-0.html", "samples/step_0000005.writing-0.png"}
    for name in kept | left:
        Path(name).touch()
    with runs.locked(Path(".")):
        found = {path.as_posix() for path in Path(".").rglob("*") if path.is_file()}
    assert found == kept | {".lock"}


@pytest.mark.parametrize("kind", ["run", "file", "below a file", "read-only"])
def test_a_folder_that_holds_anything_is_left_as_it_is(here, kind, monkeypatch):
    if kind == "run":
        Path("out").mkdir()
        Path("out", "thesis.txt").write_text("precious")
    if kind in ("file", "below a file"):
        Path("out").write_text("precious")
    if kind == "read-only":
        forbid_folders(monkeypatch)
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    with pytest.raises(UsageError, match="^--out "):
        with runs.new(Path("out", "run") if kind == "below a file" else Path("out")):
            pytest.fail("began")
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before


def test_a_folder_that_another_process_has_just_filled_is_left_as_it_is(here, monkeypatch):
    """Between the first look and the lock."""

    @contextlib.contextmanager
    def late(run):
        (run / "checkpoint.npz").write_text("precious")
        yield

    monkeypatch.setattr(runs, "locked", late)
    with pytest.raises(UsageError, match="exists already"), runs.new(Path("run")):
        pytest.fail("began")
    assert Path("run", "checkpoint.npz").read_text() == "precious"


# ---- interruption --------------------------------------------------------------------------------


SIGHUP = pytest.param(
    getattr(signal, "SIGHUP", None),
    marks=pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP"),
)


@pytest.fixture
def deadly_hangup():
    """SIGHUP kills, as usual; under nohup it is ignored, and the tests leave it so."""
    if hasattr(signal, "SIGHUP"):
        before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
        yield
        signal.signal(signal.SIGHUP, before)
    else:
        yield


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, SIGHUP])
def test_the_first_signal_asks_and_the_second_insists(number, deadly_hangup):
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with runs.Interruption() as interruption:
        assert not interruption.asked
        signal.raise_signal(number)
        assert interruption.asked == number
        if number == signal.SIGINT:
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)
        assert signal.getsignal(signal.SIGTERM) == handlers[1]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, SIGHUP])
def test_a_signal_that_is_to_be_ignored_stays_ignored(number):
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with runs.Interruption() as interruption:
            signal.raise_signal(number)
            assert not interruption.asked and signal.getsignal(number) == signal.SIG_IGN
    finally:
        signal.signal(number, before)


# ---- saved and found -----------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path):
    """A run with a checkpoint at step 3 and the one before it at step 2."""
    training = Training(TINY, points())
    saver = runs.Saver(tmp_path, training, {"name": "ring"}, (1, "steps"))
    for _ in training.run():
        saver.save_if_due()
        if training.step == 3:
            return tmp_path


def damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_the_newest_checkpoint_is_found(run):
    arrays, values, remark = runs.load(run)
    assert values["step"] == 3 and values["name"] == "ring" and remark == ""


@pytest.mark.parametrize("harm, why", [(damage, "damaged"), (Path.unlink, "no such")])
def test_the_one_before_is_used_with_a_remark_when_the_newest_is_lost(run, harm, why):
    harm(run / "checkpoint.npz")
    arrays, values, remark = runs.load(run)
    assert values["step"] == 2
    assert why in remark and "the one before it" in remark and "\n" not in remark


def test_a_checkpoint_that_is_being_replaced_is_waited_for(run, monkeypatch):
    """Between the two renames of a saving there is none for a moment, and that is no reason for a remark."""
    newest = run / "checkpoint.npz"
    away = newest.rename(run / "away.npz")
    monkeypatch.setattr(runs.time, "sleep", lambda seconds: away.rename(newest))
    _, values, remark = runs.load(run)
    assert values["step"] == 3 and remark == ""


def test_a_damaged_checkpoint_set_aside_never_replaces_the_good_one(run):
    damage(run / "checkpoint.npz")
    damaged = (run / "checkpoint.npz").read_bytes()
    runs.set_aside(run)
    checkpoint.save(run / "checkpoint.npz", {}, {"step": 9})
    assert checkpoint.load(run / "checkpoint.previous.npz")[1]["step"] == 2
    assert (run / "checkpoint.damaged.npz").read_bytes() == damaged
    runs.set_aside(run)
    runs.set_aside(run)  # where there is nothing, nothing happens


def test_what_is_nowhere_whole_is_refused_by_name(run):
    damage(run / "checkpoint.npz")
    damage(run / "checkpoint.previous.npz")
    with pytest.raises(CheckpointError, match="checkpoint.npz: damaged"):
        runs.load(run)
    for path in run.glob("*.npz"):
        path.unlink()
    with pytest.raises(UsageError, match="no checkpoint.npz"):
        runs.load(run)
    with pytest.raises(UsageError, match="no such run"):
        runs.load(run / "absent")


def test_a_later_version_is_refused_and_nothing_older_taken_for_it(run, monkeypatch):
    monkeypatch.setattr(checkpoint, "FORMAT", 2)
    checkpoint.save(run / "checkpoint.npz", {}, {})
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="format 2"):
        runs.load(run)


def test_saving_is_due_after_so_many_steps_or_seconds(tmp_path, monkeypatch):
    training, now = Training(TINY, points()), [100.0]
    monkeypatch.setattr(runs.time, "monotonic", lambda: now[0])
    saved = []
    monkeypatch.setattr(checkpoint, "save", lambda path, arrays, values: saved.append(values["step"]))
    saver = runs.Saver(tmp_path, training, {}, (3, "steps"))
    for training.step in range(1, 11):
        saver.save_if_due()
    assert saved == [3, 6, 9]
    saver, saved[:] = runs.Saver(tmp_path, training, {}, (30, "seconds")), []
    for training.step in range(11, 21):
        now[0] += 10
        saver.save_if_due()
    assert saved == [13, 16, 19]
