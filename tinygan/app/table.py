"""``tinygan fill --table``: the empty cells of a CSV file are filled in by whoever finds others again best."""

from __future__ import annotations

import csv
import math
from functools import partial

import numpy as np

from tinygan.app import checkpoint
from tinygan.app.errors import UsageError
from tinygan.app.output import say
from tinygan.filling import fill, fill_by_regression
from tinygan.gain import build_gain, column_means, fill_from_nearest_rows, incomplete_moments

STEPS = 5000  # of the network
BLANK = ("", "na", "nan", "n/a", "null", "none", "?")


def fill_table(args):
    """Fill in the empty cells of a CSV file; say first how well that works on cells that are there."""
    header, cells, values = read_table(args.table)
    out = args.out or args.table.with_suffix(".filled.csv")
    refuse_out(out, args.table)
    known = ~np.isnan(values)
    refuse_gaps(args.table, header, known)
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    x = ((values - low) / np.where(high > low, high - low, 1)).astype(np.float32)
    rng = np.random.default_rng(args.seed)
    say(f"{known.size - known.sum():,} of {known.size:,} cells are empty.")
    say("A tenth of the known ones in the same columns is hidden, to see who finds them again.")
    say("Error, in standard deviations of the column:")
    errors = {}
    for name, error in tested(x, known, rng):
        errors[name] = error
        say(f"  {error:.4f}  {name}")
    best = min(errors, key=errors.get)
    filled = FILLERS[best](x, known.astype(np.float32), rng) * (high - low) + low
    whole = np.all(~known | (values == np.round(values)), axis=0)  # columns of whole numbers remain so
    for row, column in np.argwhere(~known):
        cells[row][column] = format(filled[row, column], ".0f" if whole[column] else ".6g")
    with checkpoint.whole(out) as path, open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([*([header] if header else []), *cells])
    say(f"The table, filled in by {best}: {out}")


def refuse_out(out, table):
    """Raise UsageError for a name that the filled table cannot have."""
    if out.suffix != ".csv":
        raise UsageError(f"--out {out}: the name must end in .csv")
    if out.resolve() == table.resolve():
        raise UsageError(f"--out {out}: is the table itself; name another file")
    if not out.parent.is_dir():
        raise UsageError(f"--out {out}: there is no folder {out.parent}")


def tested(x, known, rng):
    """Yield (who, error) of each filler, in standard deviations, at a tenth of what is known in columns with gaps."""
    places = rng.permutation(np.argwhere(known & ~known.all(axis=0)))
    shown = known.copy()
    shown[tuple(places[: math.ceil(len(places) / 10)].T)] = False
    shown[:, ~shown.any(axis=0)] = known[:, ~shown.any(axis=0)]  # of each column something is left
    hidden = known & ~shown
    if not hidden.any():
        raise UsageError("--table: hardly a cell is known; there is nothing to learn from")
    spread = np.maximum(np.nanstd(x, axis=0), 1e-9)
    for name, filler in FILLERS.items():
        error = ((filler(x, shown.astype(np.float32), rng) - x) / spread)[hidden]
        yield name, math.sqrt(np.mean(error**2))


def learned(x, known, rng, **choices):
    """Return the table filled in by a GAIN that has learned it."""
    gain = build_gain(x.shape[1], rng, **choices)
    for _ in gain.fit(x, known, STEPS):
        pass
    return gain.filled(x, known)


def by_regression(x, known, rng):
    """Return the table filled in by linear regression."""
    return fill_by_regression(x, known, *incomplete_moments(x, known), ridge=1e-6)


FILLERS = {
    "GAIN": learned,
    "a network that guesses what it could be told": partial(learned, hidden=64, alpha=None, hide=0.5),
    "the column's mean": lambda x, known, rng: fill(x, known, column_means(x, known)),
    "the nearest row": lambda x, known, rng: fill_from_nearest_rows(x, known),
    "linear regression (EM)": by_regression,
}


def read_table(path):
    """Return (header or None, rows of text, numbers (N, I), nan where a cell is empty); UsageError for no table."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: cannot be read as a table ({getattr(error, 'strerror', None) or error})") from None
    header = rows.pop(0) if rows and any(number(cell) is None for cell in rows[0]) else None
    if len(rows) < 10:
        raise UsageError(f"{path}: has {len(rows)} rows of numbers; 10 are the least that can be learned from")
    width = len(rows[0])
    if width < 2:
        raise UsageError(f"{path}: has one column; another is needed to learn from, and a comma between two cells")
    values = np.empty((len(rows), width))
    for i, row in enumerate(rows):
        line = i + 1 + bool(header)
        if len(row) != width:
            raise UsageError(f"{path}: row {line} has {len(row)} cells, others {width}")
        for j, cell in enumerate(row):
            value = number(cell)
            if value is None:
                raise UsageError(
                    f"{path}: row {line}, column {j + 1}: {cell!r:.30} is no finite number; leave the column out, "
                    "or put commas between cells"
                )
            values[i, j] = value
    return header, rows, values


def number(cell):
    """Return the number in a cell, nan where it is empty, None where it is neither."""
    if cell.strip().lower() in BLANK:
        return math.nan
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def refuse_gaps(path, header, known):
    """Raise UsageError where nothing is missing, or a whole column."""
    if known.all():
        raise UsageError(f"{path}: no cell is empty; there is nothing to fill in")
    if not known.any(axis=0).all():
        column = int((~known.any(axis=0)).argmax())
        name = f" ({header[column]})" if header else ""
        raise UsageError(f"{path}: column {column + 1}{name} is empty; leave it out")
