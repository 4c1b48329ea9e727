"""Name what is wrong: broken promises first, then the mistake that explains each gradient, or an edit that mends."""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

import numpy as np

from tinygan.doctor.evidence import Evidence, NoEvidence
from tinygan.doctor.intermediates import first_wrong, in_words, lines_that_change
from tinygan.doctor.mistakes import CATALOGUE, MAYBE
from tinygan.doctor.paths import path_of
from tinygan.doctor.repair import KINDS, repair, repair_of_part, repair_rule
from tinygan.doctor.sandbox import Stopped, sandbox
from tinygan.doctor.words import BROKEN, WORDS, Mistake

VAGUE = (  # what code looks like that was given something else than it takes
    "wrong shape",
    "one output forgotten",
    "not every sample counted",
    "only a part of the outputs counted",
    "disconnected",
    "one part disconnected",
    "wrong slope on one side",
)


class Finding(NamedTuple):
    """A mistake that was recognised: ``seen`` {the gradient in which it was, "" if it is of the whole: words}."""

    name: str
    meaning: str
    look: str
    seen: dict[str, str]
    place: str = ""
    sure: bool = True  # does it explain every number, or is it only what that looks like?
    whole: bool = False  # does an edit, or a path, explain every gradient of the form?

    def __str__(self):
        where = ""
        for words, seen in groupby(self.seen.items(), key=lambda item: item[1]):
            places = ", ".join(filter(None, (place for place, _ in seen)))
            where += (", in " if not where else ", ") * bool(places) + places + f" ({words})" * bool(words)
        return f"  {self.name}{where}: {self.meaning}\n    look at: {self.look}" + f"\n    {self.place}" * bool(
            self.place
        )


def diagnose(report):
    """Return the Findings that explain a report that is WRONG; empty where none does."""
    if report.verdict.value != 1:
        return []
    with sandbox(), np.errstate(all="ignore"):
        optimizer = [finding for case in report.optimizers for finding in of_rule(*case)]
        if {fact.kind for fact in report.facts} == {"second backward"}:  # or what follows from a wrong gradient
            return of_gradients(report) or of_promises(report)
        return optimizer or of_promises(report) or of_gradients(report)


def of_rule(words, rule, again):
    """Name what is wrong with an optimizer: by its way, and by an edit with which it follows the rule."""
    mended = repair_rule(rule, again)
    if words:
        return [Finding(*words, {"": ""}, str(mended or ""))]
    return [Finding(*KINDS[mended.kind], str(mended), {"": ""})] if mended else []


def of_promises(report):
    """Name the promises that were broken; one that explains all others is named alone."""
    found, first = {}, [fact for fact in report.facts if fact.kind in ("random", "carried", "in place")]
    for fact in first or report.facts:
        found.setdefault(BROKEN[fact.kind], {})[fact.where] = ""
    return [Finding(*mistake[:3], places) for mistake, places in found.items()]


def of_gradients(report):
    """Name what is wrong with the gradients of each form."""
    found = []
    for subject in report.subjects:
        wrong = [m for m in report.measured if m.subject.form is subject.form and not m.row.passed]
        wrong = [m for m in wrong if "nothing was measured" not in m.row.note] or wrong
        nearest = {m.path: m for m in reversed(wrong)}  # near zero, if it is wrong there
        subject.renew()
        if wrong:
            found += of_form(report, [Evidence(report, nearest[path]) for path in subject.slots if path in nearest])
    return found


def of_form(report, wrong):
    """Return the Findings for one form: known mistakes, or a path, or an edit that mends, or what may be missing."""
    if mended := repair_of_part(wrong[0], report):
        return [Finding(*KINDS[mended.kind], str(mended), {e.name: "" for e in wrong})]
    seen, path = named(wrong, CATALOGUE), path_of(wrong)
    less = {mistake.name for mistake in seen} <= {"constant factor", *VAGUE}
    if path and path.factor and not path.is_number and less:  # it says which factor
        seen = {}
    known = bool(seen)
    if not seen and path:
        seen = {Mistake(path.mistake, *WORDS[path.mistake]): {e.name: "" for e in wrong}}
    lines = suspects(report, wrong) if not seen else set()  # are searched first
    missing = path.missing if path else ""
    mended = missing and repair(wrong[0], report, 1, named=True, missing=missing)
    mended = mended or lines and repair(wrong[0], report, 0, lines=lines)
    mended = mended or repair(wrong[0], report, 0, named=bool(seen))
    if not seen and not mended:
        seen = named(wrong, MAYBE)
    if not mended:
        mended = lines and repair(wrong[0], report, 1, lines=lines) or repair(wrong[0], report, 1, named=known)
    places = "\n    ".join(map(str, filter(None, (path, mended))))
    vague = {mistake.name for mistake in seen} <= set(VAGUE)
    if vague and mended and mended.kind in ("copied", "flipped", "order", "added"):
        seen = {}
    if not seen and mended:
        return [Finding(*KINDS[mended.kind], str(mended), {e.name: "" for e in wrong})]
    last = wrong[0].subject.plan.world.last
    whole = bool(mended or path and last < 2)
    exact = not path and last < 2  # a name that fits every number, in a layout that somebody writes
    return [
        Finding(*mistake[:3], gradients, places, whole or exact and mistake.name not in VAGUE, whole)
        for mistake, gradients in seen.items()
    ]


def suspects(report, wrong):
    """Return the lines that assign the first wrong array of backward, or else change wrong gradients only."""
    if first := first_wrong(wrong[0]):
        return first[-1]
    right = [m.path for m in report.measured if m.subject is wrong[0].subject and m.row.passed]
    return lines_that_change(wrong[0], [e.path for e in wrong if e.subject is wrong[0].subject], right)


def named(wrong, catalogue):
    """Return {mistake: {gradient: what was seen}}: the first that fits; but a wrong sign may have another behind it."""
    seen = {}
    for e in wrong:
        for mistake in catalogue:
            try:
                answer = mistake.holds(e)
            except (NoEvidence, Stopped):
                continue
            if answer:
                seen.setdefault(mistake, {})[e.name] = answer if isinstance(answer, str) else ""
                if mistake.name != "wrong sign" or np.isclose(e.ratio, -1, rtol=1e-6):
                    break
    return seen


# ---- where no mistake fits -----------------------------------------------------------------------------------


def pattern(report):
    """Return lines on what is known of gradients that are wrong: which entries, how large, in which direction."""
    wrong = [Evidence(report, m) for m in report.measured if not m.row.passed and m.a.shape == m.n.shape]
    nearest = {e.path: e for e in reversed(wrong)}
    lines = [line(e) for e in nearest.values() if np.any(e.a) and np.any(e.n)]
    right = [m.name for m in report.measured if m.row.passed and m.path not in nearest]
    if lines and right:
        lines.append(f"  right: {', '.join(right)}")
    if lines:
        with sandbox(), np.errstate(all="ignore"):
            found = first_wrong(wrong[0])
            lines += [in_words(wrong[0], found)] if found else []
    return ["  no known mistake looks like this:", *lines] if lines else []


def line(e):
    """Return what is known of one gradient."""
    lengths = np.linalg.norm(e.a), np.linalg.norm(e.n)
    cosine = np.sum(e.a * e.n) / np.prod(lengths)
    size = f"its length is {lengths[0] / lengths[1]:.3g} times the measured one's, its cosine with it {cosine:.3g}"
    return f"  {e.name}: {e.off.sum()} of {e.off.size} entries are wrong{sorted_by(e)}; {size}"


def sorted_by(e):
    """Return by what wrong and right entries are sorted: a threshold of x, or their place along an axis; or ""."""
    if e.side:
        return f" ({e.side})"
    for axis in range(e.off.ndim):
        rest = tuple(k for k in range(e.off.ndim) if k != axis)
        some, every = e.off.any(axis=rest), e.off.all(axis=rest)
        if np.array_equal(some, every) and not every.all():
            return f" (all with index {', '.join(map(str, np.flatnonzero(every)))} along axis {axis})"
    return ""
