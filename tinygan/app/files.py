"""A file is there whole or not at all, and what others have put in a folder is neither followed nor overwritten."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager, suppress

WRITING = ".writing-"  # in the name of every file that is not whole yet


@contextmanager
def whole(path):
    """Within this context, a new file to write to; it becomes ``path`` at the end, complete or not at all.

    Its name, which nobody could foresee, ends like that of ``path`` (a pathlib.Path). Raises OSError.
    """
    temporary = path.with_name(f"{path.stem}{WRITING}{secrets.token_hex(8)}{path.suffix}")
    try:
        open(temporary, "xb").close()  # no link is followed
        yield temporary
        os.replace(temporary, path)  # a link there gives way; what it leads to stays as it is
    finally:
        with suppress(OSError):  # what is left of a failure takes no room
            os.unlink(temporary)


def remove_unfinished(folder, names):
    """Remove what a killed process left of such files; ``names`` are their stems, as patterns."""
    for name in names:
        for path in folder.glob(f"{name}{WRITING}*"):
            path.unlink(missing_ok=True)
