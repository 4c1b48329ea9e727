"""Name what is wrong: a typical mistake that answers the same, or what the doctor finds, or what the numbers show."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import numpy as np

from tinygan.doctor import Stopped, load, targets
from tinygan.doctor.diagnosis import Finding, diagnose
from tinygan.doctor.examine import examine
from tinygan.doctor.report import format_row
from tinygan.doctor.words import BROKEN, WORDS
from tinygan.gradcheck import Row, compare, relative_error
from tinygan.workshop.asking import NOTHING, alike, mistaken_answers, right_answers
from tinygan.workshop.mistakes import MISTAKES
from tinygan.workshop.probes import AFTER, BEFORE, LARGE, OVERFLOWS, SAME
from tinygan.workshop.steps import STEPS


def explained(index, folder, got, expected, wrong, error):
    """Return lines: the answers that are wrong, and the name of the mistake."""
    step = STEPS[index]
    seen = [name for name in wrong if name in got]
    first = {base_of(name): name for name in reversed(seen)}
    lines = table([name for name in seen if name in first.values()][:4], got, expected)
    if error:
        lines.append(
            f"  {step.name} cannot be used as its docstring says: {said(error)}" if unused(error) else f"  {error}"
        )
    found = named(index, got, wrong, error)
    if not found and (not error or of_another_layout(error)):
        found = by_doctor(step, folder)
    if not found:
        found = generic(got, expected, seen) or by_error(error) or coarse(seen)
    if not found and not error:
        lines.append("  no known mistake looks like this: compare what came with what was expected, entry by entry")
    if of_another_layout(error):
        lines += layout_lines(step, folder, error)[1:]
    return lines + [str(finding) for finding in found]


def table(names, got, expected):
    """Return the lines of a table of answers that are wrong."""
    rows = [row(name, got[name], expected[name]) for name in names]
    if not rows:
        return []
    width = max(len("answer"), *(len(each.name) for each in rows))
    head = f"  {'answer':<{width}}  size    error  worst at  {'got':>14}  {'expected':>14}"
    return [head, *(format_row(each, width) for each in rows)]


def row(name, got, expected):
    """Return a Row for an answer, whatever it is."""
    if isinstance(got, str) or isinstance(expected, str):
        return Row(name, np.size(expected), np.inf, (), np.nan, np.nan, False, note=f"it is {got}")
    if got.shape == expected.shape and not np.isfinite(got).all():
        bad = np.argmax(~np.isfinite(got))
        return Row(name, got.size, np.inf, (), np.nan, np.nan, False, note=f"it is {got.ravel()[bad]} in some places")
    compared = compare(name, got, expected, 0.0)
    return compared if got.shape != expected.shape else compared._replace(note="")


def named(index, got, wrong, error):
    """Return the Findings of the typical mistakes that answer the same: one that explains all, or one for each part."""
    known, right, parts = MISTAKES[STEPS[index].name], right_answers(index)[0], []
    for mistake, (theirs, stopped) in zip(known, mistaken_answers(index), strict=True):
        if said(error) == said(stopped) and all(alike(name, got, theirs) for name in {**got, **theirs}):
            return [finding(mistake)]
        theirs_wrong = {name for name in right if not alike(name, right, theirs)}
        if theirs_wrong and all(alike(name, got, theirs) for name in theirs_wrong):
            parts.append((mistake, theirs_wrong))
    found, left = [], set(wrong)
    for mistake, reached in sorted(parts, key=lambda part: -len(part[1])):
        if reached <= left:
            found.append(finding(mistake))
            left -= reached
    return in_scene(index, got, wrong) if wrong and (left or error) else found


def in_scene(index, got, wrong):
    """Return the Finding of the mistake that answers the same in the first part of the questions in which one is wrong."""
    scene = [name for name in right_answers(index)[0] if scene_of(name) == scene_of(wrong[0])]
    scene = [name for name in scene if name in got]  # as far as it came
    if sum(np.size(got[name]) for name in scene if name in wrong and name in got) < 2:
        return []
    for mistake, (theirs, _) in zip(MISTAKES[STEPS[index].name], mistaken_answers(index), strict=True):
        if all(alike(name, got, theirs) for name in scene):
            return [finding(mistake)]
    return []


def scene_of(name):
    """Return in which part of the questions one is asked: " with a penalty" for "loss, with a penalty"."""
    return re.sub(f"{AFTER}|{BEFORE}|{SAME}", "", name).partition(",")[2]


def unused(error):
    """Did it stop in the probe, and not in the reader's code?"""
    return "probes.py, line" in str(error)


def said(error):
    """Return what an error says, without the place; "" for none."""
    return str(error).split(": ", 1)[-1] if error else ""


def finding(mistake):
    """Return the Finding of a typical mistake."""
    return Finding(mistake.name, mistake.meaning, mistake.look, {"": ""})


N = 5  # samples in a batch, where a probe does not say otherwise
ERRORS = {  # what Python says: (name, meaning, where to look)
    r"matmul|broadcast|not aligned|could not be|dimension|shape": (
        "shapes do not fit",
        "two arrays meet whose shapes do not go together",
        "write the shapes beside the line: (N, I)(I, O) = (N, O); which index is summed over?",
    ),
    r"name 'np' is not defined": (
        "no such name",
        "np is what NumPy is called in these files",
        "import numpy as np, at the top of the file",
    ),
    r"AttributeError.*has no attribute": (
        "nothing was kept",
        "an attribute is asked for that nobody has set",
        "forward keeps what backward needs, self.x = x; names must be alike in both",
    ),
    r"NameError|UnboundLocalError": (
        "no such name",
        "a name is used that was never given",
        "a typo, or a missing self.",
    ),
    r"NoneType": ("return missing", "what is used here is None", "a function without return gives None"),
    r"positional argument|unexpected keyword": (
        "other arguments",
        "a function is called with other arguments than it takes",
        "the signatures of the blanks stay as they came",
    ),
    r"no end within": ("no end", "it does not come to an end", "a loop whose condition never becomes false?"),
    r"SystemExit": ("exit", "the program ends itself", "no exit() in a function that is called"),
    r"OverflowError": (
        "overflow",
        "the result of an exponential is larger than the largest number",
        "exp of negative numbers only, or tanh, which never overflows",
    ),
    r"ZeroDivision": ("division by zero", "something is divided by 0", "in the first step t is 1, not 0"),
}


def by_error(error):
    """Return a Finding for what stopped it, where that is of a known kind."""
    if meant := mistyped(error):
        look = "names must be alike where they are kept and where they are used"
        return [Finding("no such name", meant, look, {"": ""})]
    kinds = (words for pattern, words in ERRORS.items() if re.search(pattern, str(error)))
    return [Finding(*words, {"": ""}) for words in [next(kinds, None)] if words]


def mistyped(error):
    """Return a question about the attribute that was meant, self.W for self.w; "" where none is like it."""
    cause = error.__cause__ if error else None
    if not isinstance(cause, AttributeError) or not hasattr(cause.obj, "__dict__"):
        return ""
    known = {name.lower(): name for name in vars(cause.obj)}
    close = difflib.get_close_matches(cause.name.lower(), known, 1)
    return f"there is no attribute {cause.name!r}: did you mean {known[close[0]]!r}?" if close else ""


def generic(got, expected, wrong):
    """Return the Findings for what can be seen in the numbers themselves."""
    if counted := [name for name in wrong if re.match(COUNTS, name)]:
        return coarse(counted)
    for base in dict.fromkeys(map(base_of, wrong)):
        group = [name for name in wrong if base_of(name) == base]
        words, detail = next(filter(any, (seen_in(name, got, expected) for name in group)), (None, ""))
        words, detail = (words, detail) if words else of_ratios(group, got, expected)
        if words:
            return [Finding(*words, {base: detail})]
    return []


def base_of(name):
    """Return what an answer is of: "params" for "params after step 2, lr = 0.5"."""
    return re.split(r",| after \d| after step", name)[0]


def seen_in(name, got, expected):
    """Return ((name, meaning, where to look), details) of what one answer shows by itself; (None, "") for nothing."""
    mine, right = got[name], expected[name]
    if name.startswith(OVERFLOWS):
        look = "exp of negative numbers only, or tanh: which exp becomes inf?"
        return ("overflow", "NumPy warns: an exponential of a large number is inf on the way", look), ""
    if AFTER in name:
        return BROKEN["parameters" if name[:1] in "Wb" else "in place"][:3], ""
    if isinstance(mine, str):
        missing = "return missing", "nothing came back", "return ..."
        other = "not a number", f"what came is of the type {mine}", "an array, or a number"
        return missing if mine == NOTHING else other, ""
    if name.endswith(SAME):
        look = "dW[...] = ... changes what is in an array; dW = ... is another array"
        return ("replaced instead of filled", "the array is another one than before", look), ""
    if isinstance(right, str):
        return None, ""
    if mine.shape != right.shape:
        look = "write the shapes beside each line: (N, I), (I, O), (O,); a loss is one number"
        kind = "transposed result" if mine.shape == right.T.shape else "wrong shape"
        kind = kind if right.ndim else "not a number"
        return (kind, f"its shape is {mine.shape}, and must be {right.shape}", look), ""
    if not np.isfinite(mine).all():
        look = "which line divides by 0, or takes the logarithm or the exponential of something large?"
        return ("overflow" if LARGE in name else "not finite", "there is nan or inf in it", look), ""
    return None, ""


def of_ratios(group, got, expected):
    """Return (words, details): are these answers, or the steps from what was before, the right ones times a number?"""
    if all(LARGE in name for name in group):
        return BROKEN["clip"][:3], ""
    ratios, counts, told, what = [], [], [], "it"
    steps = any(name + BEFORE in expected for name in group)
    for name in group:
        mine, right, before = got[name], expected[name], expected.get(name + BEFORE)
        if name.endswith(BEFORE) or LARGE in name or steps and before is None:
            continue
        if before is not None:
            mine, right, what = mine - got[name + BEFORE], right - before, "the step"
        if not np.any(right):
            return None, ""
        if relative_error(mine, right) < 1e-6:
            return BROKEN["precision"][:3], ""
        ratio = np.sum(mine * right) / max(np.sum(right * right), 1e-300)
        if relative_error(mine, ratio * right) > 1e-9 and ratio:
            return None, ""
        ratios.append(ratio)
        told.append(name)
        counts.append(2 if re.search("of two|another batch|frozen", name) else 1 if "single" in name else N)
    ratios, counts = np.array(ratios), np.array(counts)
    numbers = max(np.size(got[name]) for name in group) < 2
    if not ratios.size or numbers and not (group[0][:4] == "loss" and len(ratios) > 2 and np.ptp(counts)):
        return None, ""
    if not ratios.any():
        return ("disconnected", f"{what} is exactly zero: nothing arrives here", WORDS["disconnected"][1]), ""
    for kind, of_one in (("missing 1/N", ratios / counts), ("1/N divided twice", ratios * counts)):
        if np.ptp(counts) and np.allclose(of_one, of_one[0]) and np.isclose(abs(of_one[0]), 1):
            words = BROKEN["sum"][:3] if numbers else (kind, *WORDS[kind])
            if ratios[0] < 0:
                words = "wrong sign", f"and besides, {words[0]}: {words[1]}", words[2]
            return words, f"{what} times {ratios[0]:.6g}"
        if np.ptp(counts) and np.allclose(of_one, of_one[0]) and kind == "missing 1/N":
            return ("batch size written down", *WORDS["batch size written down"]), f"{what} times {ratios[0]:.6g}"
    if steps and np.ptp(ratios[[name.partition(",")[2] == group[0].partition(",")[2] for name in told]]) > 1e-6:
        meaning = "each step is the right one times a number, every time another one"
        look = "what is kept between steps, self.lr for one, must stay as it is"
        return ("changes from step to step", meaning, look), f"times {ratios[0]:.6g} first"
    if not np.allclose(ratios, ratios[0]):
        return None, ""
    kind = "wrong sign" if ratios[0] < 0 else "constant factor"
    look = WORDS["wrong sign"][1] if ratios[0] < 0 else "N = 5, I = 7, O = 3, or a 2 of a square: which is it?"
    return (kind, f"{what} is the right one times {ratios[0]:.6g}", look), ""


COUNTS = "steps of the optimizers|updates of the average|steps told|times it is asked"
COARSE = (  # what is wrong where nobody knows why, by the first answer that is: (pattern, name, meaning, where to look)
    ("times it is asked", "penalty forgotten", "there is a penalty, and it is not asked", "self.penalty(self.discriminator, x_real), after backward, before the step"),
    ("steps of the optimizers", "optimizer not used as it should be", "the right optimizer takes one step, and the other none", "optimizer.step"),
    ("updates of the average", "average not updated once a step", "average.update is called once in each step", "average.update(...)"),
    ("steps told", "look told something else", "look is told 1, 2, ..., steps, one after each step", "look(step, d_loss, g_loss)"),
    ("generator.params|discriminator.grads|generator.grads", "another gradient, or another step", "the loss is another matter: what reached these numbers is wrong", "follow the gradient line by line: which dout meets which backward?"),
    ("discriminator.params", "another gradient, or another step", "what reached these numbers is wrong", "follow the gradient line by line: which dout meets which backward?"),
    (r"loss|d_loss|g_loss|value", "another loss", "the value itself is not the one that was asked for", "the formula in the docstring, term by term"),
    (r"gradient|dlogits|dx|dW|db|grads", "another gradient", "it is not the derivative of the value", "derive it for a single entry, as in the lesson"),
    (r"params after|average", "another rule", "the step is not the one of the formula", "the formula in the docstring, line by line"),
    (".* is still the old array", "copies instead of views", "the layer keeps an array of its own", "setattr(layer, name, params[start:stop].reshape(shape)), and the same of grads"),
    ("params", "another beginning", "the vectors begin with zeros", "np.zeros(size, dtype)"),
    ("out", "another function", "forward computes something else", "the formula in the docstring, term by term"),
)  # fmt: skip


def coarse(wrong):
    """Return the Finding that says at least what it is that is wrong."""
    words = (each[1:] for each in COARSE if re.match(each[0], wrong[0]))
    return [Finding(*next(words), {wrong[0]: ""})] if wrong and any(re.match(c[0], wrong[0]) for c in COARSE) else []


def by_doctor(step, folder):
    """Return what the doctor finds in the layer, the loss or the optimizer of a step; [] where it finds nothing."""
    report = report_of(step, folder)
    return diagnose(report) if report else []


def report_of(step, folder):
    """Return the doctor's Report on the layer, the loss or the optimizer of a step; None where there is none."""
    if step.file not in ("layers.py", "losses.py", "optimizers.py"):
        return None
    try:
        found = targets(load(str(Path(folder, step.file)))).get(step.places[0].split(".")[0])
        return examine(found) if found else None
    except Stopped:
        return None


def of_another_layout(error):
    """Did it stop because what the probe asked for is not there: an attribute of another name, a dictionary?"""
    return unused(error) and "has no attribute" in str(error) or other_arguments(error)


def other_arguments(error):
    """Did it stop because the class, or its step, takes other arguments than the blank?"""
    return unused(error) and bool(re.search(r"(__init__|step|update)\(\) (missing|takes|got)", str(error)))


def layout_lines(step, folder, error):
    """Return what to say where code has another layout, and nothing could be judged."""
    return [
        f"  it is not called as its blank is: {said(error)}",
        "  give it the arguments of the blank, or, if it is meant to be another layout,",
        f"  tinygan check {Path(folder, step.file)} judges it alone, as far as that can be told",
    ]
