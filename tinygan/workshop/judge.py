"""The judge: what does a reader's code answer, is it right, and if not, where and why?

The finished project is asked the same (``probes``). Where an answer differs, the finished project is asked once more,
with one typical mistake after the other in it: the one that answers like the reader's is its name. Where none does, the
doctor looks at the layer, the loss or the optimizer; and where it knows none either, the numbers are described.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple

from tinygan.doctor import Stopped, Unfilled
from tinygan.doctor.diagnosis import Finding
from tinygan.doctor.sandbox import sandbox
from tinygan.doctor.words import BROKEN
from tinygan.workshop.asking import TOLERANCE, answers, drawn, right_answers, same, wider
from tinygan.workshop.naming import explained, layout_lines, of_another_layout, other_arguments, report_of
from tinygan.workshop.probes import OVERFLOWS
from tinygan.workshop.projects import has, moved, project_of
from tinygan.workshop.steps import STEPS

WIDER = "right, but float32 comes in and float64 goes out: twice the memory, half the speed"
PRINTED = 5  # lines of what a step prints


class Verdict(NamedTuple):
    """What a step comes to: "right", "wrong", "blank", "waits" or "stopped"; where, and lines that say why."""

    state: str
    place: str = ""
    lines: tuple = ()


def judge(index, folder):
    """Return the Verdict on a step."""
    step = STEPS[index]
    try:
        with sandbox():
            project = project_of(folder, step)
            missing = [place for place in step.places if not has(project, place)]
            if missing:
                project, missing = moved(folder, step, project, missing)
    except Unfilled as error:
        return Verdict("stopped", step.places[0], (f"  {error}: it is called while the file is imported",))
    except Stopped as error:
        return Verdict("stopped", step.places[0], (f"  {error}",))
    if missing:
        said = f"  {step.file} has no {missing[0]}, nor has any other file of the folder: give it its name back"
        alone = f"  if another layout does without it: tinygan check {Path(folder, step.file)} judges what is there"
        return Verdict("stopped", missing[0], (said, alone))
    printed = io.StringIO()
    got, error = answers(step, project, printed)
    expected, *others = right_answers(index)
    tolerance = TOLERANCE.get(step.name, 1e-9)
    for right in (expected, *others):
        wrong = [name for name in right if not (name in got and same(got[name], right[name], tolerance))]
        if not wrong and not error and not drawn(step, project, got):
            return Verdict("right", lines=(WIDER,) if wider(step, project) else ())
    wrong = [name for name in expected if not (name in got and same(got[name], expected[name], tolerance))]
    if isinstance(error, Unfilled):
        wrong = [name for name in wrong if name in got]
        if not wrong:
            return Verdict("blank", place_in(step, str(error)), (f"  {error}",))
        error = None
    endless = "no end within" in str(error)
    if of_another_layout(error) or error and step.file == "optimizers.py" and not endless:
        report = report_of(step, folder)
        if report and report.passed:
            return Verdict("right")  # as the doctor measures it
        if other_arguments(error):
            return Verdict("stopped", step.places[0], tuple(layout_lines(step, folder, error)))
    place = place_of_answer(step, wrong, error)
    if not error and drawn(step, project, got):
        return Verdict("wrong", place, (str(Finding(*BROKEN["random"][:3], {"": ""})),))
    lines = explained(index, folder, got, expected, wrong, error)
    return Verdict("wrong", place, (*lines, *last_lines(printed.getvalue())))


def last_lines(text):
    """Return the lines that show the end of what was printed."""
    lines = [f"    {line[:200]}" for line in text.splitlines()[-PRINTED:]]
    return ["  the last that it printed:", *lines] if lines else []


def place_in(step, sentence):
    """Return which of a step's blanks a sentence names, "..., in backward is still ..."."""
    return next((place for place in step.places if f" in {place.split('.')[-1]} " in sentence), step.places[0])


def place_of_answer(step, wrong, error):
    """Return which of a step's blanks gives the first wrong answer."""
    if len(step.places) == 1:
        return step.places[0]
    if error and " in backward" in str(error) or wrong and not wrong[0].startswith(("out", "x", OVERFLOWS)):
        return step.places[1]
    return step.places[0]
