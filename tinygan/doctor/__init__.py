"""The doctor: is a derivative right, and if not, what is wrong with it? ``examine(thing)`` returns a Report.

The way through these files, each of which needs only those before it:

    sandbox      run somebody else's code: one seed, a time limit, errors in one sentence
    feeding      what an argument may be, by its name and by what is written about it
    shapes       the shapes that are written beside the code
    arrays       find parameters and gradients in objects, and pair them
    names        what the names of functions and of arguments mean
    calls        a function: what it needs, what it returns, what it does, by its source
    implied      losses that nobody has written
    finding      what can be checked in a module, and which functions go together
    engines      the operations of an engine in which every number knows its gradient
    subject      two adapters: a value and a gradient in two calls, or both in one
    games        the same for penalties and for the steps of a GAN
    planning     try arguments until the code runs
    measure      gradients against slopes, promises
    excuses      guards, penalties of its own: what differs and is no mistake
    variations   other settings than the defaults; sides of comparisons that no number reached
    steps        a training step that cannot be measured: does it step against right gradients?
    rules        optimizers against their published rules
    report       all of it, near zero and far from it, and a verdict
    loops        training loops that are written out, in a script or in ``fit``
    evidence     question a wrong gradient
    words        what every mistake is called, means, and where to look
    mistakes     the catalogue: how each gives itself away
    edits        the ways to change one thing in a source
    repair       mend the source by one of them
    paths        the path of the forward pass that is left out
    intermediates  the first array of backward that is wrong
    diagnosis    give what is wrong its name
"""

from tinygan.doctor.engines import targets
from tinygan.doctor.examine import as_target, examine
from tinygan.doctor.loops import loops, never_zeroed
from tinygan.doctor.report import RULER, Report, Verdict
from tinygan.doctor.sandbox import Stopped, Unfilled, load

__all__ = [
    "RULER",
    "Report",
    "Stopped",
    "Unfilled",
    "Verdict",
    "as_target",
    "examine",
    "load",
    "loops",
    "never_zeroed",
    "targets",
]
