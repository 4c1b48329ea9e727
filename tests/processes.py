"""Every process that a test starts has an environment of its own making, so that it behaves alike everywhere.

Nothing of the surroundings reaches it but what says where things are and how NumPy multiplies (other
kernels or threads add in another order): no encoding, no PYTHONUNBUFFERED, no settings of matplotlib.
It imports the same tinygan as the tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import tinygan

KEPT = (
    "PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "XDG_CACHE_HOME", "MPLCONFIGDIR", "TINYGAN_DATA", "LESSON_RUNS",
    "SYSTEMROOT", "TEMP", "TMP", "USERPROFILE", "LOCALAPPDATA",  # on Windows
)  # fmt: skip
MULTIPLYING = ("OPENBLAS_", "GOTO_", "OMP_", "MKL_", "BLIS_", "VECLIB_", "NPY_")


def environment(**more):
    """The variables of a process, with these added."""
    ours = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith(MULTIPLYING)}
    ours["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), str(Path(tinygan.__file__).parents[1])])
    return ours | {"PYTHONIOENCODING": "utf-8", "MPLBACKEND": "Agg", "MATPLOTLIBRC": os.devnull} | more


def options(given):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return pipes | {"encoding": "utf-8", "env": environment()} | given


def start(*arguments, **given):
    """``python ARGUMENTS``, as a Popen whose output can be read; ``given`` are options of Popen."""
    return subprocess.Popen([sys.executable, *map(str, arguments)], **options(given))


def run(*arguments, **given):
    """``python ARGUMENTS``, finished."""
    return subprocess.run([sys.executable, *map(str, arguments)], **options(given))
