"""Slow motion: one step of the training as the running code takes it, line after line.

Python itself reports each line before it runs (``sys.settrace``); what it says is written down with the
shapes and norms of the arrays that the line can see. Nothing is imitated: it is the step.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import numpy as np

from tinygan.layers import Layer

FOLDER = Path(__file__).parents[1]
ROOMS = (
    "training", "gan", "network", "layers", "losses", "objectives", "optimizers", "gradient_penalty", "convolution",
    "normalization", "conditions",
)  # fmt: skip
FILES = {str(FOLDER / f"{room}.py"): f"tinygan/{room}.py" for room in ROOMS}
SILENT = (
    "work_array", "kept", "check_input", "progress", "follow_schedules", "check_finite", "of_whole_batch", "draw",
    "absolute", "score", "sigmoid",
)  # fmt: skip
STAGES = {  # a function: what is happening in it, for whichever player
    "forward": "forward", "backward": "backward", "discriminator": "loss", "generator": "loss", "__call__": "penalty",
    "step": "update", "update": "update",
}  # fmt: skip
MOST = 6000  # lines; networks of many layers have more, which are left out


def watch(step, look):
    """Take ``step()`` and return what happened: {"sources", "lines", "pictures"}.

    ``look()`` returns a picture; it is asked before, after D's update and after G's.
    """
    seen = Recorder(look)
    before = sys.gettrace()
    seen.pictures.append(look())
    sys.settrace(seen.on_call)
    try:
        step()
    finally:
        sys.settrace(before)
    return {"sources": seen.sources, "lines": seen.lines, "pictures": seen.pictures}


class Recorder:
    """Writes down the lines of the functions that make up a step."""

    def __init__(self, look):
        self.look = look
        self.sources, self.keys, self.lines, self.pictures, self.stack = [], {}, [], [], []

    def on_call(self, frame, event, argument):
        """Decide whether the function that begins is worth watching."""
        code = frame.f_code
        if code.co_filename not in FILES or code.co_name in SILENT or code.co_name.startswith("<"):
            return None
        if not self.stack and code.co_name != "train_step":  # samples that are drawn to be measured are no part of it
            return None
        self.stack.append(code.co_name)
        return self.on_line

    def on_line(self, frame, event, argument):
        """Write down a line that is about to run, or that a function returns."""
        if event == "line" and len(self.lines) < MOST:
            self.lines.append(
                [self.source_of(frame), frame.f_lineno, self.stage(), len(self.pictures) - 1, arrays_of(frame)]
            )
        if event == "return":
            if self.stack.pop() in ("discriminator_step", "generator_step"):
                self.pictures.append(self.look())
        return self.on_line

    def source_of(self, frame):
        """Return the number of this function's source among those that are shown."""
        code = frame.f_code
        if code not in self.keys:
            lines, first = inspect.getsourcelines(code)
            self.keys[code] = len(self.sources)
            name = getattr(code, "co_qualname", code.co_name)
            if "self" in frame.f_locals and "." not in name:
                name = f"{type(frame.f_locals['self']).__name__}.{name}"
            self.sources.append({"file": FILES[code.co_filename], "name": name, "first": first, "text": "".join(lines)})
        return self.keys[code]

    def stage(self):
        """Return what is happening: "D forward", "G update", ..."""
        player = "D" if "discriminator_step" in self.stack else "G"
        what = [STAGES[name] for name in self.stack if name in STAGES]
        if not what and not {"discriminator_step", "generator_step"} & set(self.stack):
            return "step"
        return f"{player} {what[0]}" if what else f"{player} step"


def arrays_of(frame):
    """Return {name: [shape, norm]} of the arrays that a function sees: its own, and those of its layer."""
    found = dict(frame.f_locals)
    own = found.pop("self", None)
    if own is not None:
        found |= {f"self.{name}": value for name, value in vars(own).items() if not name.startswith("_")}
    said = {
        name: ["x".join(map(str, value.shape)) or "one number", float(np.linalg.norm(value))]
        for name, value in found.items()
        if isinstance(value, (np.ndarray, np.floating)) and value.dtype.kind == "f"
    }
    if own is not None and isinstance(own, Layer):
        said = {"self": [repr(own), None]} | said
    return said
