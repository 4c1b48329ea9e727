"""Examine: find how a thing runs, measure it near zero and far from it, look whether it keeps its promises."""

from __future__ import annotations

import ast
import re
import sys
import time
import types
from dataclasses import replace
from itertools import chain

import numpy as np

from tinygan.doctor import rules
from tinygan.doctor.evidence import Evidence
from tinygan.doctor.excuses import against_definition, cut_off, definition_of, excused, guarded, takes_large
from tinygan.doctor.feeding import BATCHES, DATA, TARGETS
from tinygan.doctor.finding import IMPLIED, LOSS, Form, Target, call_of, forms, of_class, of_function
from tinygan.doctor.measure import broken_promises, measure, of_ties, shared
from tinygan.doctor.planning import SENSELESS, Attempt, adapter, elsewhere, plan_for, readings
from tinygan.doctor.report import Report, Verdict
from tinygan.doctor.sandbox import Stopped, Unfilled, call, sandbox, where
from tinygan.doctor.source import parameters, text_about, walk_own
from tinygan.doctor.subject import Fact, Setting, display
from tinygan.doctor.variations import unreached, variations

TRAINING = r"(?i)(.*_)?(d|g|disc\w*|gen\w*|critic|train)_?step|train_(d|g|step|batch|on_batch)\w*"  # no helper
SECONDS = 6  # of computing that other settings may take
CONSTANTS = r"noise|eps\w*|\w*mask|adj\w*|pe|pos_?enc\w*|freqs?|cos|sin"  # arrays that are meant to stay as they are
MODES = r"(is_)?train(ing)?(_?mode)?"


def as_target(thing):
    """Return the Target for a class, an object, a function, or a Target; Stopped if there is nothing to check in it."""
    if isinstance(thing, Target):
        return thing
    kind = thing if isinstance(thing, (type, types.FunctionType)) else type(thing)
    module = sys.modules[kind.__module__]
    if isinstance(thing, types.FunctionType):
        both = Form("both", ((call_of(thing.__name__, thing),),), None)
        found = [of_function(form, thing, module) for form in [*forms({thing.__name__: thing}, module), both]]
    else:
        found = [target for target in [of_class(kind, module)] if target.forms]
    if not found:
        raise Stopped(f"{kind.__name__}: there is no gradient in it that could be checked")
    return found[0] if isinstance(thing, (type, types.FunctionType)) else found[0]._replace(thing=thing)


def examine(thing, example=None, definition=None, **setting):
    """Return the Report on a class, an object, a function or a Target.

    example     {argument: array, or shape}: what it takes, where that cannot be guessed
    definition  a function of the same arguments that returns the value alone: what it must be
    setting     seed=, sizes=: see ``subject.Setting``
    """
    target = as_target(thing)
    report, given = Report(target), example or getattr(target.thing, "example", None)
    with sandbox():
        for form in sorted(target.forms, key=lambda form: serves(form, target)):
            if form.kind == "rule":
                rules.examine(report, target)
            elif serves(form, target) and report.measured:
                continue
            elif form.kind != "step" or report.verdict is not Verdict.WRONG:  # a step is built on the gradients
                try:
                    examine_form(
                        report, form, Setting(**setting), call(given) if callable(given) else given, definition
                    )
                except Stopped as error:
                    report.errors.append(error)
                    report.unchecked.append(form.name)
    measured = {m.path for m in report.measured}
    report.unchecked += [name for path, name in report.missing.items() if path not in measured]
    if target.left:
        report.unchecked += target.left
        report.errors.append(
            Stopped(f"{where(target.thing)}: it is not clear what {', '.join(target.left)} belongs to")
        )
    return report


def serves(form, target):
    """Is it a part of another form of the class, and measured with it?"""
    pairs = [other for other in target.forms if other.kind == "pair" and target.owner is not None]
    nodes = [step.node for other in pairs for step in (other.gradient, *other.values[0]) if step.node is not None]
    calls = [part.func for node in nodes for part in walk_own(node) if isinstance(part, ast.Call)]
    called = [getattr(function, "attr", "") for function in calls]
    return bool(called) and not LOSS.fullmatch(form.name) and form.name in called


def examine_form(report, form, setting, example, definition):
    """Add to a report what is found about one form; Stopped where it cannot be run."""
    vars(report.target.module).get("outcomes", {}).clear()
    attempt = plan_for(report.target, form, setting, example)
    definition = definition or definition_of(report.target, form)
    report.takes = [name for name in attempt.plan.given if name[:5] != "init."]
    if attempt.progress[0] < 3.5:
        return pass_over(report, form, attempt.error)
    if attempt.plan.value[-1].function in IMPLIED.values():
        attempt = implied(attempt, setting)
    subject, found = likeliest(attempt, setting, example)
    if not found and not missing(subject, found, []):
        if form.kind == "step":  # it may return the gradient that it does not apply
            return examine_form(report, Form("both", ((form.gradient,),), None), setting, example, definition)
        place = where(subject.function(form.gradient or form.values[0][0]))
        return pass_over(report, form, Stopped(f"{place}: {form.name} gives no gradient"))
    if subject.value[-1].side and not all(m.row.passed for m in found) and not subject.apart:
        said = (
            "the loss of one player is taken after the other has moved: write the two losses as functions of their own"
        )
        return pass_over(report, form, Stopped(f"{where(subject.function(form.gradient))}: {said}"))
    found = guarded(subject, found, "", report.remarks)
    report.subjects.append(subject)
    take_down(report, subject, found)
    add(report, subject, found, definition)
    if form.kind == "pair" and all(m.row.passed for m in found):
        report.facts += of_ties(subject) + of_modes(subject, report.remarks)
    bent = subject.is_loss and re.search(r"maximum|minimum|clip|where|max\(|abs\(|[<>]", subject.target.text)
    for spread in ("far", *["small"] * bool(bent), "large"):
        try:
            go_on(report, subject, spread, definition)
        except Stopped as error:
            if spread == "large" and definition:
                report.facts.append(Fact("overflow", str(error)))
            elif spread == "large":
                report.remarks.append(f"at numbers of ±800: {error}")
    if all(m.row.passed for m in report.measured if m.subject.form is form):
        report.measured += (wrong := varied(report, subject, definition))
        report.rows += [m.row for m in wrong]
        report.unchecked += unreached(subject)


def pass_over(report, form, error):
    """Note that what may be a helper, and no loss and no step, cannot be checked; of anything else raise the error."""
    step = form.kind == "step" and len(form.values) == 1 and not re.fullmatch(TRAINING, form.name)
    helper = step or form.kind == "both" and not LOSS.fullmatch(form.name)
    if not helper or isinstance(error, Unfilled):
        raise error
    report.helper = error


def take_down(report, subject, found):
    """Add to a report what is worth knowing of the first measurement, beside its numbers."""
    form, text = subject.form, subject.target.text
    given = {m.path for m in found}
    report.remarks += subject.remarks
    for path in subject.slots if form.kind == "pair" and not subject.is_loss else ():
        report.remarks += [f"no gradient of {path[0]} is computed"] * (len(path) == 1 and path not in given)
    for m in [m for m in found if m.row.passed and m.path in subject.kept]:
        report.remarks.append(
            f"the gradient of {m.name} has the shape {subject.kept[m.path]}, {m.name} has {m.x.shape}"
        )
    report.facts += broken_promises(subject) + [Fact("shared", name) for name in shared(subject)]
    report.missing |= missing(subject, found, report.remarks)
    report.unchecked += subject.left
    if subject.single:
        report.remarks.append("it computes in single precision: measured with the step 0.01, above 0.001 is WRONG")
    elif np.float16 in subject.types.values() or any(
        2e-9 < m.row.error < 1e-7 and Evidence(report, m).blind_to_rounding() for m in found
    ):
        report.facts.append(Fact("precision", ""))
    own = text_about(subject.target.module, [form.gradient.node]) if subject.plan.by_output else text
    if subject.plan.by_output and not re.search(r"already|output|activat", own):
        said = "right if its argument is the output (then call it out), wrong if it is the input"
        report.unchecked.append(f"{form.name}: {said}")


def go_on(report, subject, spread, definition):
    """Add to a report what is measured at numbers of another size; Stopped where the code does not run there."""
    other = adapter(subject.form)(subject.plan, replace(subject.setting, spread=spread))
    if spread == "large" and not takes_large(other):
        return
    found = [m for m in measure(other, f"{spread} ") if told(m)]
    found = guarded(other, found, f"{spread} ", report.remarks)
    logarithm = subject.is_loss and "log(" in subject.target.text  # of 1 - p, where p is rounded to 1
    if not definition and (spread == "large" or logarithm):
        cut = [m.name for m in found if cut_off(m)]
        report.unchecked += [f"{name}, for there the value is cut off, and the gradient is not" for name in cut]
        found = [m for m in found if not excused(m, report.remarks)]
    add(report, other, found, definition if spread != "large" else None)


def told(m):
    """Does this gradient of a further pass say anything?"""
    return "nothing was measured" not in m.row.note


def varied(report, subject, definition):
    """Return what is wrong with the first other setting with which the code runs and is wrong."""
    stop = time.process_time() + SECONDS
    for label, plan, setting in [] if definition or subject.form.kind not in ("pair", "both") else variations(subject):
        try:
            other = adapter(plan.form)(plan, setting)
            found = guarded(other, [m for m in measure(other, label) if told(m)], label, [])
        except (Stopped, *SENSELESS):
            continue  # it does not run so, and need not
        wrong = [m for m in found if not m.row.passed and not excused(m, report.remarks)]
        report.remarks += [
            f"with {label}: {m.row.name.removeprefix(label)}: {m.row.note}" for m in wrong if m.row.error == np.inf
        ]
        if wrong := [m for m in wrong if m.row.error < np.inf]:
            return wrong
        if time.process_time() > stop:
            report.remarks.append(f"no time was left to vary more than {label.strip()}")
            break
    return []


def of_modes(subject, remarks):
    """Return the Fact that the gradient is wrong where ``train`` is False and nothing is done; otherwise a remark."""
    names = [p.name for step in subject.value for p in parameters(subject.function(step))]
    modes = [name for name in (*names, *getattr(subject.thing, "__dict__", {})) if re.fullmatch(MODES, name)]
    for mode in modes[:1]:
        try:
            found = measure(adapter(subject.form)(subject.plan, replace(subject.setting, mode=mode)))
        except Stopped:
            return []
        wrong = [m for m in found if not m.row.passed]
        if any(m.x.size == m.out.size and np.allclose(m.J, np.eye(m.x.size)) for m in wrong):
            return [Fact("mode", f"{mode}=False")]
        remarks += [f"with {mode}=False the gradient is not that of the output"] * bool(wrong)
    return []


def add(report, subject, found, definition):
    """Add what was measured, and the value beside its definition."""
    report.measured += found
    report.rows += [m.row for m in found]
    if definition:
        row, facts = against_definition(subject, definition)
        report.rows.append(row)
        report.facts += facts


def likeliest(attempt, setting, example=None):
    """Return (Subject, its measured gradients): of several ways to read a result the one in which it is right."""
    subject, gradient = attempt.subject, attempt.plan.form.gradient
    found = measure(subject)
    others = [replace(subject.plan, choice=i) for i in range(1, subject.choices)]
    if gradient is not None and len(gradient.needs) == 1 and not subject.told:
        others.append(replace(subject.plan, by_output=True))
    others += [replace(subject.plan, after=True)] * bool(getattr(subject, "of_both", False))
    if all(m.row.passed for m in found):
        return subject, found
    for plan in chain(others, readings(subject.plan, {m.path[0]: m.a for m in found})):
        other = Attempt(plan, setting)
        again = measure(other.subject) if other.progress[0] >= 4 else []
        if len(again) >= len(found) and all(m.row.passed for m in again):
            if plan.value != subject.plan.value:
                said = f"{plan.form.name} is the gradient of {plan.value[0].name}, not of {subject.plan.value[0].name}"
                other.subject.remarks = [said]
            return other.subject, again
    if any(m.a.shape != m.x.shape for m in found):  # perhaps what it was given was nonsense
        for other in elsewhere(subject.plan, example):
            again = measure(other.subject)
            if len(again) >= len(found) and all(m.row.passed for m in again):
                if other.plan.world.name == "one sample":
                    place = where(subject.function(gradient or subject.value[0]))
                    raise Stopped(f"{place}: it is right for one sample, and for several a sum over them is missing")
                return other.subject, again
    return subject, found


def implied(attempt, setting):
    """Of the losses that a backward pass may mean, the one that fits most of its gradients, as an Attempt."""
    best, most, plan = None, 0, attempt.plan
    for name, loss in IMPLIED.items():
        last = plan.value[-1]._replace(function=loss, name=name)
        other = Attempt(replace(plan, value=(*plan.value[:-1], last)), setting)
        right = sum(m.row.passed for m in measure(other.subject)) if other.progress[0] >= 4 else 0
        if right > most:
            best, most = other, right
    if best is None:
        place = f"{where(plan.target.thing)}: {plan.form.name} names no loss, and is the gradient of no usual one"
        raise Stopped(f"{place}; write a function loss(output, target) beside it")
    return best


def missing(subject, found, remarks):
    """Return {path: name} of parameters without a gradient; of the player that does not learn, a remark."""
    have, names = {m.path for m in found}, {}
    others = {path[0] for path in subject.slots if len(path) > 1 and path[0] != "self"} - {path[0] for path in have}
    if any(len(path) > 1 for path in have):
        remarks += [f"no gradient of {name} is computed" for name in sorted(others)]
    else:
        others = set()
    for path, array in subject.slots.items() if subject.form.kind != "step" else ():
        parameter = path[0] == "self" or len(path) > 1 and not re.fullmatch(BATCHES, str(path[0]))
        constant = re.fullmatch(f"{CONSTANTS}|{DATA}|{TARGETS.pattern}", str(path[-1]))
        constant = (
            constant or re.fullmatch("[A-Z]", str(path[-1])) and re.search("adj|laplac|graph", subject.target.text)
        )
        if (
            parameter
            and path[0] not in others
            and array.ndim
            and path not in have
            and not constant
            and subject.matters(array)
        ):
            names[path] = display(path)
    return names
