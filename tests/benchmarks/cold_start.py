"""How long it takes from nothing to something to look at, and how much memory a run needs.

    TINYGAN_DATA=folder python tests/benchmarks/cold_start.py       a minute; Linux or macOS
    python tests/benchmarks/cold_start.py --rounds 1 --steps 200    a trial, on drawn digits

Every figure is the median over the rounds of wall clock from the start of a process, in which each
thing has its turn in every round. "Cold" means a new process. One round goes before and does not
count: after it the files are in the disk's cache and all modules compiled, as after an installation.
"""

# Nothing heavy is imported here: a child's peak memory can be no less than that of its parent.
from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BASELINE = "import numpy"
IMPORTS = "pass", BASELINE, "import tinygan", "import tinygan.gan", "import tinygan.training", "import torch"
PICTURES = "caches filled", "caches empty, as on the very first run"  # matplotlib's fonts, and the classifier


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=25_000, help="of the run whose memory is measured")
    parser.add_argument("--only", nargs="+", choices=["imports", "picture", "memory"])
    args = parser.parse_args()
    if min(args.rounds, args.steps) < 1:
        parser.error("--rounds and --steps must be greater than zero")
    data = "mnist" if os.environ.get("TINYGAN_DATA") else "digits"
    if data == "digits":
        print("drawn digits: set TINYGAN_DATA for MNIST\n")

    wanted = args.only or ["imports", "picture", "memory"]
    with tempfile.TemporaryDirectory() as compiled:  # not beside the sources, which may be read-only
        os.environ["PYTHONPYCACHEPREFIX"] = compiled
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        report(wanted, data, args.rounds, args.steps)


def report(wanted, data, rounds, steps):
    if "imports" in wanted:
        print("| `python -c` | seconds | × import numpy |\n|---|---|---|")
        seconds = measure_imports(rounds)
        for statement, values in seconds.items():
            ratio = statistics.median(a / b for a, b in zip(values, seconds[BASELINE], strict=True))
            print(f"| `{statement}` | {statistics.median(values):.3f} | {ratio:.2f} |")
        print()
    if "picture" in wanted:
        print(f"| `tinygan train --data {data}` | first picture, seconds | a trained one |")
        print("|---|---|---|")
        for cache, times in measure_pictures(data, rounds).items():
            first, second = (statistics.median(values) for values in zip(*times, strict=True))
            print(f"| {cache} | {first:.2f} | {second:.2f} |")
        print()
    if "memory" in wanted:
        seconds, peak = measure_memory(data, steps)
        print(f"peak resident memory of `tinygan train --data {data} --steps {steps}`: {peak:,.0f} MB "
              f"(it took {seconds:.0f} s, pictures and all)")  # fmt: skip


def measure_imports(rounds):
    """{statement: seconds of every round}; what cannot be imported is left out, and said."""
    seconds = {}
    for statement in IMPORTS:  # the round that does not count
        if subprocess.run([sys.executable, "-c", statement], stderr=subprocess.DEVNULL).returncode == 0:
            seconds[statement] = []
        else:
            print(f"| `{statement}` | cannot be done here | |")
    for _ in range(rounds):
        for statement, values in seconds.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", statement], check=True)
            values.append(time.perf_counter() - start)
    return seconds


def measure_pictures(data, rounds):
    """{with or without caches: (seconds to the first picture, to the second) of every round}.

    The first picture shows what the untrained generator makes, the second what it has learned.
    """
    times = {cache: [] for cache in PICTURES}
    for _ in range(1 + rounds):
        for cache in PICTURES:
            with tempfile.TemporaryDirectory() as folder:
                empty = dict.fromkeys(("MPLCONFIGDIR", "XDG_CACHE_HOME"), str(Path(folder, "cache")))
                env = os.environ | ({} if cache == PICTURES[0] else empty)
                times[cache].append(time_pictures(data, Path(folder, "run"), env))
    return {cache: values[1:] for cache, values in times.items()}


def time_pictures(data, run, env):
    start, times = time.perf_counter(), []
    process = train(data, run, env=env)
    try:
        while len(times) < 2:
            if len(list(run.glob("samples/*.png"))) > len(times):
                times.append(time.perf_counter() - start)
            elif process.poll() is not None:
                sys.exit(f"cold_start.py: the run ended early: {process.stderr.read()}")
            time.sleep(0.005)
    finally:
        process.terminate()
        process.communicate()
    return times


def measure_memory(data, steps):
    """(seconds, peak resident memory in MB = 10⁶ bytes) of a whole run with its pictures and film."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        process = train(data, Path(folder, "run"), "--steps", str(steps))
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"cold_start.py: the run failed: {errors}")
        unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
        return time.perf_counter() - start, usage.ru_maxrss * unit / 1e6


def train(data, run, *options, env=None):
    command = [sys.executable, "-m", "tinygan", "train", "--data", data, "--out", str(run), *options]
    return subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


if __name__ == "__main__":
    main()
