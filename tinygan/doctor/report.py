"""What a check comes to: right, WRONG, or could not be checked; and how that is printed."""

from __future__ import annotations

import enum
from functools import cached_property

import numpy as np

from tinygan.doctor.sandbox import Unfilled, where

RULER = "Measured by central differences with the step 1e-5·max(1, |x|), right to about 1e-10; above 1e-7 is WRONG."
ONE_BY_ONE = "matrices with more than one entry, which alone tell W from its transpose"


class Verdict(enum.Enum):
    """What a check comes to; its number is the exit code."""

    RIGHT = 0
    WRONG = 1
    UNCHECKED = 2

    @property
    def words(self):
        return ("right", "WRONG", "could not be checked")[self.value]


class Report:
    """What was found about a target.

    measured   list of Measured: gradients, near zero, far from it, and, for losses, at large numbers
    rows       of them, and of values against a definition, and of an optimizer's steps
    facts      promises that were broken
    unchecked  names of arrays of which no gradient was found, and of functions that could not be run
    errors     why not: Stopped, one for each
    remarks    what is worth knowing, and not wrong
    subjects   one for each form that was run
    optimizers (words on its mistake or None, its Rule, how to run it again) of each setting that is wrong
    """

    def __init__(self, target):
        self.target, self.measured, self.rows, self.facts = target, [], [], []
        self.unchecked, self.errors, self.remarks, self.subjects, self.optimizers = [], [], [], [], []
        self.missing = {}  # {path: name} of parameters of which a form gives no gradient
        self.takes = []  # names of the arguments of what could not be run
        self.helper = None  # why it does not run, where it may be no loss at all
        self.again = {}  # measurements in other settings, for the doctor
        self.doubted = []  # rows that are wrong for what was tried, which was guessed, and that nothing explains

    @property
    def verdict(self):
        """WRONG where something was measured and is; RIGHT only where nothing is left that was not measured."""
        wrong = [row for row in self.rows if not row.passed and "nothing was measured" not in row.note]
        if self.facts or any(all(row is not other for other in self.doubted) for row in wrong):
            return Verdict.WRONG
        whole = self.rows and not self.errors and not self.unchecked and all(row.passed for row in self.rows)
        return Verdict.RIGHT if whole else Verdict.UNCHECKED

    @property
    def settled_by_callers(self):
        """Would it be enough to know that something else, which uses this, is right?

        So it is where nothing could be run, and where every gradient of a function is wrong: for what we have fed.
        """
        if self.verdict is Verdict.WRONG:
            return self.target.owner is None and not self.facts and not any(row.passed for row in self.rows)
        return not self.rows and bool(self.errors) or set(self.unchecked) == {ONE_BY_ONE}

    def settle(self, caller):
        """Take note that a caller has been measured, and is right: so this is, as far as it is used there."""
        self.remarks.append(f"measured as a part of {caller}, which is right")
        self.unchecked, self.errors = [], []
        self.rows = [row for row in self.rows if row.passed]

    @property
    def empty(self):
        """Was there nothing to check after all?"""
        return not (self.rows or self.facts or self.errors or self.unchecked)

    @property
    def passed(self):
        return self.verdict is Verdict.RIGHT

    @cached_property
    def findings(self):
        """The mistakes that explain it, where it is WRONG."""
        from tinygan.doctor.diagnosis import diagnose  # which repeats the check

        return diagnose(self)

    def forget(self):
        """Let the findings be looked for again."""
        vars(self).pop("findings", None)

    @property
    def pattern(self):
        """Lines on what is known of wrong gradients, for the case that nothing explains them."""
        from tinygan.doctor.diagnosis import pattern

        return pattern(self)

    def __str__(self):
        unfilled = any(isinstance(error, Unfilled) for error in self.errors)
        so_far = self.verdict is Verdict.UNCHECKED and self.rows and not self.doubted
        verdict = "not filled in yet" if unfilled else "right so far" if so_far else self.verdict.words
        lines = [f"{self.target.name} ({where(self.target.thing)}): {verdict}"]
        wrong = {row.name for row in self.rows if not row.passed}
        further = {row.name for row in self.rows if row.name.startswith(("far ", "small "))}
        said = {name for name in further if name.partition(" ")[2] in wrong} | further - wrong
        rows = [row for row in self.rows if row.name not in said]
        if rows:
            width = max(len("argument"), *(len(row.name) for row in rows))
            lines.append(f"  {'argument':<{width}}  size    error  worst at  {'got':>14}  {'expected':>14}")
            lines += [format_row(row, width) for row in rows]
        lines += [f"  {error}" for error in dict.fromkeys(map(str, self.errors))]
        if self.unchecked and not unfilled:
            lines.append(f"  NOT CHECKED: {', '.join(self.unchecked)}")
        if self.errors and not unfilled:
            example = ", ".join(f'"{name}": {(6 - i, 3)}' for i, name in enumerate(self.takes[:3] or ["x"]))
            lines.append("  call it in the file with a few numbers, or say what it takes, in arrays or shapes by name:")
            lines.append(f"      {self.target.name}.example = {{{example}}}")
        return "\n".join(lines + [f"  note: {remark}" for remark in dict.fromkeys(self.remarks)])


def format_row(row, width):
    """Return a Row as a line of the table, its name in so many columns."""
    line = f"  {row.name:<{width}}  {row.size:4d}  "
    if np.isfinite(row.error):
        got, expected = numbers(row.got, row.expected, row.passed)
        line += f"{row.error:7.1e}  {','.join(map(str, row.index)):<8}  {got:>14}  {expected:>14}"
    aside = f"{row.aside} without a slope that can be measured, set aside" if row.aside else ""
    return "  ".join(filter(None, [line, "" if row.passed else "WRONG", aside, row.note])).rstrip()


def numbers(got, expected, alike):
    """Return both as text: seven digits, or as many as it takes to see that they are not alike."""
    digits = [7] if alike or got == expected else range(7, 18)
    texts = [(f"{got:.{d}g}", f"{expected:.{d}g}") for d in digits]
    return next((pair for pair in texts if pair[0] != pair[1]), texts[0])
