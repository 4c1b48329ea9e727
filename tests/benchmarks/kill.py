"""Does a run survive anything: runs killed by SIGKILL at random moments, resumed, compared bit for bit.

    python tests/benchmarks/kill.py                 50 runs, some ten minutes
    python tests/benchmarks/kill.py --runs 5        a trial

Every run is a real ``tinygan train`` on drawn digits that saves every ten steps and is killed once or
twice, the second time while it is being resumed. In every other run the file layer is slowed down, so
that most of the time is spent inside the writing of a checkpoint. At the end weights, optimizers,
history (without the clock's columns) and all pictures must be those of a run that nobody disturbed.
"""

from __future__ import annotations

import argparse
import collections
import random
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from commands import start  # noqa: E402
from small_runs import assert_same_folder, step_of, write_folder  # noqa: E402

from tinygan.app.errors import UsageError  # noqa: E402
from tinygan.app.files import WRITING  # noqa: E402
from tinygan.synthetic import digits  # noqa: E402

STEPS, EVERY = 500, 10
OPTIONS = f"--steps {STEPS} --hidden 32,32 --latent 16 --batch 32 --workers 1 --checkpoint-every {EVERY}".split()
PLAIN = """
import sys
from tinygan.app import cli
from tinygan.training import Training
Training.FRAMES = 3  # pictures take most of the time
if __name__ == "__main__":
    sys.exit(cli.main())
"""
SLOW = """
import builtins, io, os, time
from tinygan.app import checkpoint

class Slowly(io.FileIO):
    def write(self, data):
        step = len(data) // 20 + 1
        for start in range(0, len(data), step):
            super().write(data[start : start + step])  # a part of it is there, and a kill leaves it so
            time.sleep(0.0005)

def open_slowly(path, mode):
    return Slowly(path, mode) if mode == "wb" else builtins.open(path, mode)

def later(function):
    def slow(*args):
        time.sleep(0.004)
        function(*args)
        time.sleep(0.004)
    return slow

checkpoint.open = open_slowly
os.fsync, os.replace = later(os.fsync), later(os.replace)
"""
CODE = {"plain": PLAIN, "slow": SLOW + PLAIN}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    dice, began = random.Random(args.seed), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        same, moments = 0, collections.Counter()
        folder = Path(folder)
        data = write_folder(folder / "drawn", digits(2000, np.random.default_rng(0)))
        reference = folder / "reference"
        finish(start("train", "--data", data, *OPTIONS, "--out", reference, code=PLAIN))
        for i in range(args.runs):
            run, kind = folder / f"run{i}", ("plain", "slow")[i % 2]
            kills = [kill(run, ["--data", data, *OPTIONS, "--out", run], kind, dice)]
            if dice.random() < 0.5 and step_of(run) < STEPS - 2 * EVERY:
                kills.append(kill(run, ["--resume", run, "--checkpoint-every", EVERY], kind, dice))
            moments.update(where for where, step in kills)
            finish(start("train", "--resume", run, code=PLAIN))
            try:
                assert_same_folder(run, reference)
                verdict, same = "the same", same + 1
            except AssertionError as error:
                verdict = f"DIFFERS: {str(error).splitlines()[0]}"
            story = ", then ".join(f"killed {where}, step {step} safe" for where, step in kills)
            print(f"run {i + 1} ({kind}): {story}; resumed: {verdict}", flush=True)
    print(f"{same} of {args.runs} ended bit-identical, after {moments.total()} kills: ", end="")
    print(", ".join(f"{n} {where}" for where, n in moments.most_common()), end="")
    print(f"; {time.monotonic() - began:.0f} s")
    return same != args.runs


def kill(run, arguments, kind, dice):
    """Kill the process at a random moment of its training; returns (where, the step that is safe)."""
    target = dice.randrange(step_of(run) + 1 if run.exists() else 0, STEPS - EVERY)
    process = start("train", *arguments, code=CODE[kind])
    while safe_step(run) < target:
        if process.poll() is not None:
            raise SystemExit(f"ended before it was killed: {process.communicate()}")
        time.sleep(0.001)
    time.sleep(dice.uniform(0, {"plain": 0.02, "slow": 0.1}[kind]))
    process.kill()
    process.communicate()
    newest = run / "checkpoint.npz"
    if not newest.exists():
        where = "between the two renames"
    elif list(run.glob(f"checkpoint{WRITING}*")):
        where = "inside the writing of a checkpoint"
    elif list(run.rglob(f"*{WRITING}*")):
        where = "inside the writing of another file"
    else:
        where = "elsewhere"
    return where, step_of(run)


def safe_step(run):
    """The step that is safe, or -1 if there is none yet."""
    try:
        return step_of(run)
    except UsageError:
        return -1


def finish(process):
    out, err = process.communicate()
    if process.returncode or err:
        raise SystemExit(f"exit code {process.returncode}: {err}")


if __name__ == "__main__":
    sys.exit(main())
