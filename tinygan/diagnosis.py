"""A doctor exists because "wrong" is no help: it asks which of the known mistakes explains a failed check."""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

import numpy as np

from tinygan.evidence import NoEvidence, wrong_gradients
from tinygan.learner import TargetError
from tinygan.mistakes import ABOUT_A_GRADIENT, ABOUT_THE_REPORT


class Finding(NamedTuple):
    """A mistake that was recognised: ``seen`` {the gradient in which it was, "" if it is of the whole: words}."""

    name: str
    meaning: str
    look: str
    seen: dict[str, str]

    @property
    def places(self):
        return tuple(filter(None, self.seen))

    def __str__(self):
        where = ""
        for words, seen in groupby(self.seen.items(), key=lambda item: item[1]):
            places = ", ".join(filter(None, (place for place, _ in seen)))
            where += (", in " if not where else ", ") * bool(places) + places + f" ({words})" * bool(words)
        return f"  {self.name}{where}: {self.meaning}\n    look at: {self.look}"


def diagnose(report):
    """The known mistakes that explain a failed Report, as a list of Findings; empty where none does.

    A mistake of the whole is named alone, for it may be the cause of everything else.
    """
    if report.passed:
        return []
    if report.error and not report.rows:  # some product of sizes does not fit; equal sizes always do
        report = report.again(n_in=report.setting.n, n_out=report.setting.n)
    for h in ABOUT_THE_REPORT if report.rows else ():
        if answer := fits(h, report):
            return [Finding(*h[:3], {"": answer if isinstance(answer, str) else ""})]
    seen = {}
    for e in wrong_gradients(report):
        for h, answer in names_of(e):
            seen.setdefault(h, {})[e.name] = answer if isinstance(answer, str) else ""
    return [Finding(*h[:3], places) for h, places in seen.items()]


def names_of(e):
    """The first hypothesis that fits, and its answer; but a wrong sign may have a second one behind it."""
    for h in ABOUT_A_GRADIENT:
        if answer := fits(h, e):
            yield h, answer
            if h.name != "wrong sign" or np.isclose(e.ratio, -1, rtol=1e-6):
                return


def fits(hypothesis, subject):
    """What it says of this Report, or Evidence; nothing where it cannot be told."""
    try:
        with np.errstate(all="ignore"):
            return hypothesis.holds(subject)
    except (NoEvidence, TargetError):
        return False


def pattern(report):
    """What can be said about wrong gradients even without a name: one line for each."""
    lines = []
    for e in wrong_gradients(report):
        if e.a.shape == e.n.shape and np.any(e.a) and np.any(e.n):
            cosine = np.sum(e.a * e.n) / (np.linalg.norm(e.a) * np.linalg.norm(e.n))
            length = np.linalg.norm(e.a) / np.linalg.norm(e.n)
            lines.append(
                f"  {e.name}: {e.wrong_entries.sum()} of {e.n.size} entries are wrong; its length is "
                f"{length:.3g} times the measured one's, its cosine with it {cosine:.3g}"
            )
    return lines
