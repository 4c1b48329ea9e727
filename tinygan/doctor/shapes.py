"""Read the shapes that somebody has written beside the code: "x: (N, T, D)", "scores of shape (N,)"."""

from __future__ import annotations

import re

from tinygan.doctor.feeding import Draw, is_weight

AXIS = re.compile(
    r"\d*\*?[A-Z]\w{0,2}'?|[A-Z]_?(?:in|out)|\d+|\d*\*?[a-z]|\d*\*?(?:n|d|num|in|out|batch|dim|hidden|seq|time|channels?|features?|classes|samples|height|width|att)\w*"
)
FIRST = {2: "N I", 3: "N T I", 4: "N I Y X", 1: "N"}
BATCH = {"N", "B", "m", "n", "batch", "batch_size", "n_samples", "samples"}


def documented(names, text, constructor, everything=""):
    """Return ({name: Draw}, {symbol: ours}) for the shapes that the text gives, "x: (N, T, D)".

    What is not said about a function may be said about another one in the file (``everything``), of the same name.
    """
    found, ours, used = {}, {}, {}
    text, everything = prose(text), prose(everything)
    for name in names:
        if axes := axes_of(name, text, constructor) or axes_of(name, everything, constructor):
            found[name] = axes
    if not found and len(shapes := {tuple(axes) for axes in all_axes(text)}) == 1:
        found = dict.fromkeys(names, list(*shapes))  # "scores of shape (N,)", whichever they are
    order = sorted(found.items(), key=lambda item: not (len(item[1]) > 1 and item[1][0] in BATCH))
    batch_named = any(axis in BATCH for axes in found.values() for axis in axes)
    for name, axes in order:
        guesses = (FIRST[len(axes)] if axes[0] in BATCH or len(axes) > 2 or axes[-1] not in BATCH else "I N").split()
        each = [(part, guess) for axis, guess in zip(axes, guesses, strict=True) for part in axis.split("+")]
        for axis, guess in each:
            symbol = axis.lstrip("0123456789*")
            if symbol and symbol not in ours:
                if symbol in BATCH and "N" not in used:
                    guess = "N"
                elif guess == "N" and (batch_named or name in constructor or is_weight(name, names)):
                    guess = "I"
                guess = "M" if symbol == "H" and len(axes) < 3 else guess
                free = guess if guess not in used else next((s for s in "OMK" if s not in used), symbol)
                free = (
                    "3" if re.search(rf"\bodd\b[^.\n]*\b{symbol}\b|\b{symbol}\b( is| =)? odd", text) else free
                )  # of a kernel
                ours[symbol] = used[free] = free
    return {name: Draw(" ".join(translated(axis, ours) for axis in axes)) for name, axes in found.items()}, ours


def prose(source):
    """Return the docstrings and comments of a source."""
    found = re.findall(r'''"""(.*?)"""|\'{3}(.*?)\'{3}|#([^\n]*)''', source, re.S)
    return re.sub(r"\(\s*(?:of\s+)?shaped?\s*\(", "(", "\n".join("".join(parts) for parts in found))


def axes_of(name, text, constructor):
    """The axes that the text gives for an argument, or None."""
    this = rf"(?<![\w.]){re.escape(name)}"
    for pattern in (r"(?:[\s:=,\-]*[\w/]+){0,5}?[\s:=\-,]*\(([^()]*)\)", r"\s*:[^\n]*?shape\s*\(([^()]*)\)"):
        for match in re.finditer(this + pattern, text):
            if axes := axes_in(match[1], constructor):
                return axes
    vector = re.search(this + r"\s*:\s*(?:an? )?(?:array|vector|list) of (?:length )?([A-Z])\b", text)
    return [vector[1]] if vector else None


def all_axes(text):
    """Every shape that is spelled out in the text, "of shape (N,)"."""
    return [axes for m in re.finditer(r"shaped?\s*\(([^()]*)\)", text) if (axes := axes_in(m[1], ()))]


def axes_in(inside, constructor):
    """["N", "D"] of "N, D", or None if these are no axes."""
    axes = [axis.strip().replace(" ", "").replace("+1", "1") for axis in inside.rstrip(", ").split(",")]
    formula = len(axes) == 1 and "," not in inside and re.fullmatch(r"[a-zUVWXYZ]", axes[0])  # mean(x), matrix (U)
    parts = [part for axis in axes for part in axis.split("+")]
    known = not formula and all(AXIS.fullmatch(part) or part in constructor for part in parts)
    return axes if known and len(axes) < 5 and not (len(axes) > 1 and axes[0].isdigit() and axes[0] != "1") else None


def translated(axis, ours):
    """ "4H" as "4*M", if M is our H."""
    if "+" in axis:
        return "+".join(translated(part, ours) for part in axis.split("+"))
    symbol = axis.lstrip("0123456789*")
    times = axis[: len(axis) - len(symbol)].rstrip("*")
    if not symbol:
        return times
    return f"{times}*{ours[symbol]}" if times else ours[symbol]
