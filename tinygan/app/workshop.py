"""``tinygan start``, ``check FOLDER``, ``hint`` and ``race``: a GAN of one's own, from blanks to digits.

tinygan start mine              write the blanks
tinygan check mine              judge them in order; --watch: again after every save
tinygan hint mine               one hint more for the next of them; the third is the solution
python mine/train.py            train with what was written
tinygan race mine               beside the package: weights, digits, time
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np

from tinygan.app.check import nothing_in
from tinygan.app.errors import UsageError
from tinygan.app.files import whole
from tinygan.app.output import indented, say
from tinygan.app.source import fetch, make_examiner, say_scores
from tinygan.doctor import RULER
from tinygan.recipes import PRESETS
from tinygan.workshop.apart import environment, verdicts
from tinygan.workshop.asking import SECONDS
from tinygan.workshop.blanks import blank, finished, solution
from tinygan.workshop.race import race
from tinygan.workshop.steps import STEPS, find

HINTS = "hints.json"  # what was revealed: {step: how many of the three}
NOTHING = 3  # the code of a file without anything to check
POLL = 0.3  # seconds between two looks at the files
FILE_SECONDS, FOLDER_SECONDS = 60, 180  # that the check of a file of another layout, and of all of them, may take
SILENCE = 3  # seconds after which is said that it still runs
STATES = {"right": "right", "wrong": "WRONG", "blank": "to be written", "stopped": "could not be judged"}


# ---- start -----------------------------------------------------------------------------------------------


def start_command(args):
    """``tinygan start FOLDER``: write the blanks; nothing that is there is ever overwritten."""
    folder = args.folder
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; name a new folder")
    there = folder.is_dir() and any(folder.iterdir())
    if there and not args.missing:
        raise UsageError(f"{folder} has files in it; name a new folder, or add the missing ones with --missing")
    folder.mkdir(parents=True, exist_ok=True)
    written = [name for name, text in blanks().items() if write_new(folder / name, text)]
    say(f"{len(written)} files in {folder}: {', '.join(written)}" if written else f"{folder} lacks no file")
    if written:
        say(f"Begin with lesson 02 and {STEPS[0].name} in {folder / STEPS[0].file}; tinygan check {folder} judges,")
        say(f"tinygan hint {folder} helps.")


def blanks():
    """Return {file name: text} of the project, with nothing filled in."""
    texts = finished()
    for step in STEPS:
        texts[step.file] = blank(texts[step.file], step.places)
    return texts


def write_new(path, text):
    """Write a file that is not there yet; return whether it was written."""
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    return True


# ---- check -----------------------------------------------------------------------------------------------


def check_folder(folder, watch=False):
    """``tinygan check FOLDER``: judge a project; return 0 if all is right, 1 if not, 2 if unfinished."""
    judge = judge_project if is_project(folder) else judge_files
    before = stamps(folder)
    code = judge(folder)
    return watched(folder, judge, code, before) if watch else code


def watched(folder, judge, code, before):
    """Judge again whenever a file was saved since ``before``, until Ctrl-C; return the last exit code."""
    say(f"\nWatching {folder}: save a file and it is judged again; Ctrl-C ends.")
    try:
        while True:
            time.sleep(POLL)
            now = stamps(folder)
            if now != before:
                before = now
                say(f"\n---- {time.strftime('%H:%M:%S')} ----\n")
                code = judge(folder)
    except KeyboardInterrupt:
        say("")
        return code


def stamps(folder):
    """Return when each file of Python in a folder was changed, and how long it is."""
    found = {}
    for path in sorted(folder.glob("*.py")):
        try:
            found[path] = (path.stat().st_mtime_ns, path.stat().st_size)
        except OSError:  # between its old and its new version
            found[path] = None
    return found


def is_project(folder):
    """Does a folder come from ``tinygan start``, as far as one can tell from the names that are defined in it?"""
    defined = set()
    for path in folder.glob("*.py"):
        try:
            defined |= {node.name for node in ast.parse(path.read_bytes()).body if hasattr(node, "name")}
        except (SyntaxError, ValueError, OSError):
            defined |= {place.split(".")[0] for step in STEPS for place in step.places if step.file == path.name}
    wanted = {place.split(".")[0] for step in STEPS for place in step.places}
    return len(wanted & defined) > len(wanted) / 2


def judge_project(folder):
    """Judge the fifteen steps, say what is wrong with the first that is wrong, and where the reader stands."""
    revealed, found = read_hints(folder), []
    for step, verdict in patiently(verdicts(folder)):
        found.append((step, verdict))
        mark = {0: "", 3: "  solution seen"}.get(revealed[step.name], f"  {revealed[step.name]} of 3 hints")
        state = STATES.get(verdict.state, "")
        if verdict.state in ("right", "waits") and verdict.lines:
            state = verdict.lines[0].strip()
        say(f"{len(found):2}  {step.name:<24} lesson {step.lesson}  {state}{mark}")
    right = sum(verdict.state == "right" for _, verdict in found)
    left = [(step, verdict) for step, verdict in found if verdict.state != "right"]
    if left:
        for step, verdict in [each for each in left if each[1].state in ("wrong", "stopped")][:1]:
            say("\n".join(["", f"{verdict.place} ({folder / step.file}): {STATES[verdict.state]}", *verdict.lines]))
        step, verdict = left[0]
        say(f"\n{right} of {len(STEPS)} · next: {verdict.place} (lesson {step.lesson})")
    else:
        say(f"\n{right} of {len(STEPS)} · all yours: python {folder / 'train.py'}, then tinygan race {folder}")
    states = {verdict.state for _, verdict in found}
    return 1 if "wrong" in states else 2 if left else 0


def patiently(found):
    """Yield what an iterator yields, and say that it still runs where that takes long."""
    words = f"    ... still running; what does not end is stopped after {SECONDS} seconds"
    while True:
        timer = threading.Timer(SILENCE, say, [words])
        timer.start()
        try:
            each = next(found, None)
        finally:
            timer.cancel()
        if each is None:
            return
        yield each


def judge_files(folder):
    """Check every file of a folder of another layout, as ``tinygan check FILE`` does; return the worst exit code."""
    paths = [path for path in sorted(folder.glob("*.py")) if path.name != "__init__.py"]
    if not paths:
        raise UsageError(f"{folder} has no file of Python in it; tinygan start {folder} writes blanks to be filled in")
    say(f"{folder} is none that tinygan start has written: each of {len(paths)} files is run and checked by itself,")
    say(f"for {FOLDER_SECONDS // 60} minutes at most.")
    codes, end = [], time.monotonic() + FOLDER_SECONDS
    for path in paths:
        if time.monotonic() > end:
            say(f"\n{FOLDER_SECONDS // 60} minutes are over. Left: {path} and what comes after it; tinygan check FILE")
            codes.append(2)
            break
        say(f"\n---- {path}")
        codes.append(check_apart(path))
    judged = [code for code in codes if code != NOTHING]
    say(f"\n{judged.count(0)} of {len(judged)} files right")
    return 1 if 1 in judged else max(judged, default=2)


def check_apart(path):
    """Print what ``tinygan check FILE`` says, from a process of its own; return its exit code.

    It is 2 if it did not end, and NOTHING if nothing that has a gradient is in the file: a training, for one.
    """
    command = [sys.executable, "-m", "tinygan", "check", str(path)]
    to = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "encoding": "utf-8"}
    try:
        done = subprocess.run(command, env=environment(), timeout=FILE_SECONDS, **to)
    except subprocess.TimeoutExpired:
        say(f"{path}: no end within {FILE_SECONDS} seconds")
        return 2
    say(done.stdout.rstrip("\n"))
    if done.returncode not in (0, 1, 2) or not done.stdout:
        say(f"{path}: the program ends itself while it is checked: is there an exit() in it?")
        return 2
    return NOTHING if done.returncode == 2 and not gives_gradients(path, done.stdout) else done.returncode


def gives_gradients(path, told):
    """Is there anything in a file that could be checked? If it is no Python, there may be."""
    try:
        classes = [node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.ClassDef)]
    except (SyntaxError, ValueError, OSError):
        return True
    return nothing_in(path) not in told and (bool(classes) or RULER in told)


# ---- hint ------------------------------------------------------------------------------------------------


def hint_command(args):
    """``tinygan hint FOLDER [STEP]``: reveal one hint more, and remember that."""
    folder = args.folder
    if not is_project(folder):
        raise UsageError(f"{folder} is none that tinygan start has written; name one that is")
    try:
        step = STEPS[find(args.step)] if args.step else next_step(folder)
    except ValueError as error:
        raise UsageError(str(error)) from None
    revealed = read_hints(folder)
    strength = revealed[step.name] = min(3, revealed[step.name] + 1)
    with whole(folder / HINTS) as path:
        path.write_text(json.dumps(dict(revealed), indent=2) + "\n", encoding="utf-8")
    say(f"{step.name} ({step.file}, lesson {step.lesson}), hint {strength} of 3{': the solution' * (strength == 3)}\n")
    if strength < 3:
        say(indented("  " + step.hints[strength - 1]))
        after = "a stronger one" if strength == 1 else "the solution, with its reason"
        say(f"\nOnce more, tinygan hint {folder} {step.name}: {after}.")
        return
    for place in step.places:
        say("\n".join("    " + line for line in solution(step.file, place).splitlines()) + "\n")
    say(indented("  Why: " + step.reason))


def next_step(folder):
    """Return the first step that is not right; UsageError if there is none."""
    for step, verdict in verdicts(folder):
        if verdict.state != "right":
            return step
    raise UsageError(f"all {len(STEPS)} steps are right: no hint is needed; name a step to see how it was meant")


def read_hints(folder):
    """Return a Counter of the hints that were revealed: {step: how many of the three}."""
    try:
        kept = json.loads((folder / HINTS).read_text(encoding="utf-8"))
        return Counter({step.name: min(3, max(0, int(kept.get(step.name, 0)))) for step in STEPS})
    except FileNotFoundError:
        return Counter()
    except (ValueError, TypeError, AttributeError):
        raise UsageError(f"{folder / HINTS} is damaged, and holds only which hints were seen; remove it") from None


# ---- race ------------------------------------------------------------------------------------------------


def race_command(args):
    """``tinygan race FOLDER``: is it the same training, how good are its digits, how fast is it?"""
    folder = args.folder
    if not is_project(folder):
        raise UsageError(f"{folder} is none that tinygan start has written; name one that is")
    left = [step for step, verdict in verdicts(folder) if verdict.state != "right"]
    if left:
        raise UsageError(f"{len(STEPS) - len(left)} of {len(STEPS)}: {left[0].name} is next; tinygan check {folder}")
    with tempfile.TemporaryDirectory() as room:
        out = Path(room, "samples.npy")
        say("Racing, which takes about ten seconds ...")
        found = race(folder, out)
        if "error" in found:
            raise UsageError(found["error"])
        same = say_weights(found["weights"])
        say_digits(folder, found["drawn"], out)
    say_times(found)
    return 0 if same else 1


def say_weights(errors):
    """Print how far weights and losses are from the package's; return whether they are the same, to rounding."""
    say("\nTen steps in float64, from the same weights on the same digits, beside the package's own:")
    for name, each in errors.items():
        say(f"  {name:<15} relative difference {max(each):.1e}")
    right = {name: [error < 1e-7 for error in each] for name, each in errors.items()}  # nan is not
    parted = {name: each.index(False) for name, each in right.items() if not all(each)}
    if not parted:
        say("  It goes the same way.")
        return True
    first = min(parted, key=parted.get)
    where = f" at step {parted[first] + 1}" if len(errors[first]) > 1 else ""
    say(f"  It goes another way: the {first} first{where}.")
    return False


def say_digits(folder, drawn, path):
    """Print the scores of the digits that a trained generator draws."""
    if drawn is None:
        say(f"\nThe digits: python {folder / 'train.py'} trains; then they are scored here, too.")
        return
    source = "digits" if drawn["data"] == "drawn digits" else "auto"
    dataset = fetch(source)
    samples = np.load(path)
    say(f"\nThe digits, {len(samples):,} of them, after {drawn['steps']:,} steps on {drawn['data']}:")
    examiner = make_examiner(dataset, source, PRESETS["default"])
    say_scores(examiner, examiner.scores(samples.astype(np.float32) / 255), drawn["steps"])


def say_times(found):
    """Print the time of a step beside the package's, where it is spent, and what to read."""
    ours, theirs = found["times"]
    say(f"\nA step: {theirs:.2f} ms, the package's {ours:.2f} ms (medians, by turns, one process). Yours goes to:")
    for share, place in found["profile"]:
        say(f"  {100 * share:4.0f} %  {place}")
    for words in advice(found):
        say(indented("  " + words))


def advice(found):
    """Yield what to read, or to do, to make it faster."""
    ours, theirs = found["times"]
    if found["wide"]:
        yield (
            f"Numbers come in as float32 and leave as float64 in {', '.join(found['wide'])}: twice the memory, half "
            "the speed. Keep the type: x.dtype, np.where(mask, dout, alpha * dout). Lesson 15, The peak."
        )
    if theirs < 1.2 * ours:
        yield "As fast as the package, to a fifth. Lesson 15, The limit, says what the machine could do."
        return
    hungry = [place for _, place in found["profile"][:3]]
    if any("optimizers.py" in place for place in hungry):
        yield "The optimizer walks through memory: each operation on a vector is a pass. Lesson 15, Reading a profile."
    yield "Every new array costs: out=, in place, kept arrays. Lesson 15, From a loop over samples to the package."
