"""Reference solutions of lessons/exercises, which the checker must accept: those on the pages of lessons/solutions."""

from __future__ import annotations

from pathlib import Path

from update_lessons import LESSONS, ROOT, quotes

from tinygan.doctor.sandbox import run


def on_pages():
    """{(exercise, place): (function, text)}, the code of lessons/solutions as if written into the exercise's file."""
    found = {}
    for page in sorted(LESSONS.glob("solutions/*.md")):
        for quote in quotes(page.read_text(encoding="utf-8")):
            if quote.kind == "solution":
                file, place = quote.source.split("::")
                text = (ROOT / file).read_text(encoding="utf-8") + "\n" + quote.text
                module = run(f"{Path(file).stem}_{place}", text)
                found[Path(file).stem, place] = vars(module)[place.split(".")[-1]], quote.text
    return found


PAGES = {key: function for key, (function, _) in on_pages().items()}
TEXTS = {key: text for key, (_, text) in on_pages().items()}
WRONG = {  # exercise that is wrong as it comes: {what is to be mended: the doctor's diagnosis}
    "broken_dense": {
        "Averages.backward": "1/N divided twice",
        "Transposes.backward": "transposed matrix",
        "Remembers.backward": "gradients accumulated",
    },
    "in_place_tanh": {"InPlaceTanh.forward": "changed in place"},
    "hidden_factor": {"squared_error": "missing 1/N"},
}
SOLVED = {  # exercise: (what is to be filled in, how)
    exercise: (place, code) for (exercise, place), code in PAGES.items() if exercise not in WRONG
}
MENDED = {  # exercise: {what is to be mended: (the doctor's diagnosis, how)}
    exercise: {place: (diagnosis, PAGES[exercise, place]) for place, diagnosis in places.items()}
    for exercise, places in WRONG.items()
}
