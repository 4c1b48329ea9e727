"""The replays that lessons link to: pages that scrub through a run without Python, saved as the lab saves them.

python tests/benchmarks/lab_replays.py        # writes lessons/images/*_replay.html, in about half a minute
"""

from __future__ import annotations

from pathlib import Path

from tinygan.app.lab import source_of_name
from tinygan.lab.playing import Lab
from tinygan.lab.server import page

IMAGES = Path(__file__).parents[2] / "lessons" / "images"
REPLAYS = {  # the changes of each run, and how many steps are taken
    "lab_far_ahead": ([[(0, "penalty", "none"), (0, "players", "D"), (300, "players", "both"), *more] for more in (
        [], [(0, "objective", "minimax")])], 1500),
    "lab_ring": ([[]], 6000),
    "lab_r1": ([[], [(0, "penalty", "none")]], 3000),
}  # fmt: skip


def main():
    """Make them."""
    for name, (runs, steps) in REPLAYS.items():
        lab = Lab(source_of_name("ring"), runs[0])
        for changes in runs[1:]:
            lab.open(source_of_name("ring"), changes)
        for branch in lab.shown():
            while branch.step < steps and branch.advance():
                pass
        path = IMAGES / f"{name}.html"
        path.write_text(page(lab.replay()), encoding="utf-8")
        print(f"{path.name}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
