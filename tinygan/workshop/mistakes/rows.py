"""A row of the tables: what a mistake is called, what it means, where to look, and the edits that make it.

Names and words are the doctor's where it has them (``known``, ``broken``, ``rule``), and else the row's ``own``.
"""

from __future__ import annotations

from typing import NamedTuple

from tinygan.doctor.rules import MISTAKES as RULES
from tinygan.doctor.words import BROKEN, WORDS


class Mistake(NamedTuple):
    """A mistake: name, meaning, where to look, and the edits (old, new, old, new, ...) that make it."""

    name: str
    meaning: str
    look: str
    edits: tuple


def known(name, *edits):
    """Return a mistake that the doctor has words for."""
    return Mistake(name, *WORDS[name], edits)


def broken(kind, *edits):
    """Return a promise that is broken, in the doctor's words."""
    return Mistake(*BROKEN[kind][:3], edits)


def rule(kind, *edits):
    """Return a mistake in an optimizer, in the doctor's words."""
    return Mistake(*RULES[kind], edits)


def own(name, meaning, look, *edits):
    """Return a mistake in words of its own."""
    return Mistake(name, meaning, look, edits)


REBOUND = (
    "replaced instead of filled",
    "the gradient is a new array, and the vector of the network, into which the old one was a view, never sees it",
    "self.dW[...] = ... changes what is in the array; self.dW = ... is another array",
)
