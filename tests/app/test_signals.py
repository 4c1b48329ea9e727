"""A real process that a signal stops or kills, at whatever moment, loses nothing and leaves no lock."""

from __future__ import annotations

import random
import shlex
import signal
import time

import pytest
from commands import QUICKLY, finished, refusal, start, started, train, wait_for
from small_runs import TYPED, assert_same_folder, draw_quickly, step_of

from tinygan.app import runs
from tinygan.app.cli import main

pytestmark = pytest.mark.usefixtures("quickly")
LONG = ["--steps", "600", *TYPED]


@pytest.fixture(scope="module")
def long_reference(folder, tmp_path_factory):
    run = tmp_path_factory.mktemp("long") / "run"
    with pytest.MonkeyPatch.context() as patch:
        draw_quickly(patch.setattr)
        assert main(["train", "--data", str(folder), *LONG, "--out", str(run)]) == 0
    return run


def begin_long(folder, run):
    return started("train", "--data", folder, *LONG, "--out", run, "--checkpoint-every", 3, code=QUICKLY)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_stopped_by_a_signal_is_resumed_to_the_same_end(folder, tmp_path, long_reference, number):
    run = tmp_path / "run"
    with begin_long(folder, run) as process:
        wait_for(lambda: (run / "samples" / "step_0000000.png").exists(), process)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (128 + number, "")
    assert out.splitlines()[-1].endswith(f"tinygan train --resume {shlex.quote(str(run))}")
    assert step_of(run) < 600, "it was not stopped at all"
    assert main(["train", "--resume", str(run)]) == 0
    assert_same_folder(run, long_reference)


@pytest.mark.breadth
def test_a_run_killed_three_times_at_any_moment_ends_the_same(folder, tmp_path, long_reference):
    run, dice, kills = tmp_path / "run", random.Random(0), 0
    with begin_long(folder, run) as process:
        wait_for((run / "checkpoint.npz").exists, process)
    for _ in range(2):
        before = step_of(run)
        with started("train", "--resume", run, "--checkpoint-every", 3, code=QUICKLY) as process:
            wait_for(lambda before=before: step_of(run) != before, process)
            time.sleep(dice.uniform(0, 0.05))
            kills += process.poll() is None
    assert kills == 2, "it ended before it was killed"
    assert main(["train", "--resume", str(run)]) == 0
    assert_same_folder(run, long_reference)


KILLED_IN = """
import os, signal, sys
import small_runs
from tinygan.app import cli
small_runs.draw_quickly()
place, call = sys.argv.pop(1).split(":")
name = "fsync" if place == "writing" else place
real, calls = getattr(os, name), []
def killed(*args, **kwargs):
    if place != "replace" or "checkpoint" in os.path.basename(args[1]):
        calls.append(args)
    if len(calls) == int(call):
        if place == "writing":
            os.ftruncate(args[0], os.fstat(args[0]).st_size // 2)  # half of it is there
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **kwargs)
setattr(os, name, killed)
sys.exit(cli.main())
"""


@pytest.mark.parametrize(
    "place, saved",
    [
        ("writing:1", None),
        ("replace:1", None),
        ("writing:4", 4),
        ("fsync:4", 4),
        ("replace:2", 0),
        ("replace:5", 2),
    ],
)
def test_a_run_killed_within_the_writing_of_a_checkpoint_ends_the_same(
    folder, tmp_path, reference, place, saved, capsys
):
    """Writing half of it, before it is synced, before and between the two renames."""
    run = tmp_path / "run"
    code, _, _ = finished(place, *train(folder, run, "--checkpoint-every", 2), code=KILLED_IN)
    assert code == -signal.SIGKILL
    if saved is None:  # it had not begun: the same command does
        assert "holds no checkpoint.npz" in refusal(capsys, "train", "--resume", run)
        assert main(train(folder, run)) == 0
    else:
        assert step_of(run) == saved
        assert main(["train", "--resume", str(run)]) == 0
    assert_same_folder(run, reference)


def test_a_second_process_in_a_folder_is_refused_and_a_killed_one_leaves_no_lock(folder, tmp_path, capsys):
    run = tmp_path / "run"
    with started("train", "--data", folder, *TYPED, "--minutes", 5, "--out", run) as process:
        wait_for((run / "samples" / "step_0000000.png").exists, process)
        before = (run / "checkpoint.npz").read_bytes()
        assert "another process" in refusal(capsys, "train", "--resume", run)
        assert "exists already" in refusal(capsys, *train(folder, run))
        assert main(["sample", str(run), "--out", str(tmp_path / "x.npy")]) == 0, "looking is allowed"
        assert process.poll() is None and (run / "checkpoint.npz").read_bytes() == before
    with runs.locked(run):
        pass


INTERRUPTED_IMPORT = """
import signal, sys

class Impatient:
    def find_spec(name, path=None, target=None):
        if name == "numpy":
            signal.raise_signal(signal.SIGINT)

if "ignored" in sys.argv:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.meta_path.insert(0, Impatient)
sys.argv[1:] = ["--version"]
from tinygan.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize("wish, code", [("heard", -signal.SIGINT), ("ignored", 0)])
def test_a_ctrl_c_while_numpy_is_imported_is_no_traceback(wish, code):
    process = start(wish, code=INTERRUPTED_IMPORT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (code, "")
