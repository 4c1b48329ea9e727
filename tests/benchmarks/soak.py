"""Does a long run stay as it began: one real ``tinygan train``, its memory and its speed from start to end.

    TINYGAN_DATA=folder python tests/benchmarks/soak.py                  an hour of training
    TINYGAN_DATA=folder python tests/benchmarks/soak.py --minutes 1      a trial

Memory is the resident size of the process while it trains, with all its pictures, checkpoints and
measurements (by ``ps``, so not on Windows); the first tenth of the time is warm-up. Speed is what its
history says. A number that is lost would end the run with an error.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--data", default="mnist", help="as for tinygan train; default mnist")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = ["train", "--data", args.data, "--minutes", str(args.minutes), "--out", str(run)]
        process = subprocess.Popen([sys.executable, "-m", "tinygan", *command], stdout=subprocess.DEVNULL)
        sizes = []
        while process.poll() is None and not (run / "curves.png").exists():  # drawn when training is over
            sizes.append(resident(process.pid))
            time.sleep(args.minutes / 4)  # 240 times in all
        if process.wait():
            return process.returncode
        with open(run / "history.csv", newline="") as file:
            rows = list(csv.DictReader(file))
    sizes = [size for size in sizes[len(sizes) // 10 :] if size]
    first, last = (statistics.median(part) for part in (sizes[:20], sizes[-20:]))
    rates = [float(row["images_per_second"]) for row in rows]
    fifth = len(rates) // 5
    slow, fast = (statistics.median(part) for part in (rates[-fifth:], rates[:fifth]))
    print(f"{float(rows[-1]['seconds']) / 60:.1f} minutes of training, {int(rows[-1]['step']):,} steps, no number lost")
    print(f"resident memory: first {first:.1f} MiB, last {last:.1f} MiB, largest {max(sizes):.1f} MiB")
    print(f"images per second: first fifth {fast:,.0f}, last fifth {slow:,.0f}, lowest {min(rates):,.0f}")
    flat = last < 1.05 * first and slow > 0.9 * fast
    print("flat" if flat else "NOT FLAT: memory grew by more than 5 %, or speed fell by more than 10 %")
    return not flat


def resident(pid):
    """Resident size of a process in MiB, 0 when it has just ended."""
    answer = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True).stdout
    return int(answer or 0) / 1024


if __name__ == "__main__":
    sys.exit(main())
