"""Examine: find how a thing runs, measure it near zero and far from it, look whether it keeps its promises."""

from __future__ import annotations

import ast
import contextlib
import re
import sys
import time
import types
from dataclasses import replace
from itertools import chain, product

import numpy as np

from tinygan.doctor import rules
from tinygan.doctor.arrays import is_gradient_name, named_after
from tinygan.doctor.calls import Form, call_of
from tinygan.doctor.evidence import Evidence, NoEvidence
from tinygan.doctor.excuses import (
    against_definition,
    cut_off,
    definition_of,
    excused,
    guarded,
    in_logits,
    takes_large,
    text_with_helpers,
    uncut,
    unrelated,
)
from tinygan.doctor.feeding import BATCHES, DATA, TARGETS, is_weight, roles
from tinygan.doctor.finding import Target, adds_to_gradients, forms, of_class, of_function, targets
from tinygan.doctor.implied import IMPLIED, TOTALS
from tinygan.doctor.measure import broken_promises, measure, of_ties, shared
from tinygan.doctor.names import LOSS, STEP, is_loss
from tinygan.doctor.pair import made_up, names_of_resets
from tinygan.doctor.planning import SENSELESS, Attempt, adapter, all_documented, elsewhere, plan_for, readings
from tinygan.doctor.report import ONE_BY_ONE, Report, Verdict
from tinygan.doctor.sandbox import Stopped, Unfilled, call, sandbox, where
from tinygan.doctor.source import flat, node_of, own_classes, parameters, required, text_about, tree_of, walk_own
from tinygan.doctor.steps import descends
from tinygan.doctor.subject import Fact, Setting, display
from tinygan.doctor.variations import unreached, variations
from tinygan.gradcheck import compare

TRAINING = r"(?i)(.*_)?(d|g|disc\w*|gen\w*|critic|train)_?step|train_(d|g|step|batch|on_batch)\w*"  # no helper
SECONDS = 6  # of computing that other settings may take
CONSTANTS = (
    r"noise|eps\w*|\w*mask|adj\w*|pe|PE|pos_?enc\w*|\w*freqs?|cos|sin"  # arrays that are meant to stay as they are
)
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
    report, given, stopped = Report(target), example or getattr(target.thing, "example", None), []
    with sandbox():
        for form in sorted(target.forms, key=lambda form: serves(form, target)):
            if form.kind == "rule":
                rules.examine(report, target)
            elif serves(form, target) and report.measured:
                continue
            elif form.kind != "step" or not settled_by_gradients(report, form):
                try:
                    examine_form(
                        report, form, Setting(**setting), call(given) if callable(given) else given, definition
                    )
                except Stopped as error:
                    stopped.append((form, error))
    for form, error in stopped:
        if outer := is_part_of_right(report, form):
            report.remarks.append(f"{form.name} was measured as a part of {outer}, which is right")
        else:
            report.errors.append(error)
            report.unchecked.append(form.name)
    for subject in report.subjects if target.owner is not None else ():
        settle_part(report, subject)
    for subject in report.subjects if example is None and not hasattr(target.thing, "example") else ():
        doubt(report, subject)
    report.unchecked += never_cleared(target)
    measured = {m.path for m in report.measured}
    report.unchecked += [name for path, name in report.missing.items() if path not in measured]
    if target.left:
        report.unchecked += target.left
        report.errors.append(
            Stopped(f"{where(target.thing)}: it is not clear what {', '.join(target.left)} belongs to")
        )
    return report


def never_cleared(target):
    """What a class has to set its gradients to zero, if its own training step does not, and nobody in the file does."""
    source = getattr(target.module, "source_text", "")
    clears = names_of_resets(target.owner) if target.owner is not None else []
    if not clears or any(re.search(rf"\.{name}\b", source) for name in clears):
        return []
    steps = [f for name, f in vars(target.owner).items() if STEP.fullmatch(name) and isinstance(f, types.FunctionType)]
    texts = [text_about(target.module, [node_of(f)]) for f in steps]
    moves = any(re.search(r"\.back\w*\(", text) and re.search(r" [-+]= |\.step\(", text) for text in texts)
    return [f"{clears[0]}, which is never called: gradients add up from step to step"] * moves


def settled_by_gradients(report, form):
    """Do the gradients that a step calls settle it, so that it need not be measured? Then say how, in a remark.

    They do if one of them is wrong, or if all are right and the step moves every parameter against them.
    """
    reports, target = [report], report.target
    if target.owner is None:
        called = {called_in(part) for part in walk_own(form.gradient.node)}
        others = targets(target.module)
        reports = [examine(others[name]) for name in others if name in called and name != form.name]
    subjects = [(r, s) for r in reports for s in r.subjects if s.form.kind in ("pair", "both")]
    right = [s for r, s in subjects if r.rows and all(m.row.passed for m in r.measured if m.subject.form is s.form)]
    wrong = any(r.verdict is Verdict.WRONG for r in reports)
    said = f"{form.name} is built on gradients that are wrong" if wrong else ""
    if not wrong and (what := descends(target, form, right)):
        said = f"{form.name} {what}"
    report.remarks += [said] * (bool(said) and said not in report.remarks)
    if not said and not wrong and right and hands_on(form.gradient.node):
        said = f"{form.name} hands gradients that are right to an optimizer"
        report.remarks.append(said)
    return bool(said)


def hands_on(node):
    """Does a step hand gradients to an optimizer as they are, ``opt.step(params, grads)``, and compute nothing?"""
    parts = list(walk_own(node)) if node is not None else []
    computes = any(isinstance(part, (ast.BinOp, ast.UnaryOp, ast.AugAssign, ast.comprehension)) for part in parts)
    calls = [part for part in parts if isinstance(part, ast.Call)]
    return not computes and any(re.search(r"\bopt\w*\.\w+$", ast.unparse(part.func)) for part in calls)


def is_part_of_right(report, form):
    """The name of a value and its gradients in one, of the same class, that calls this method, and is right; or ""."""
    for subject in report.subjects if report.target.owner is not None else ():
        call, rows = subject.value[0], [m.row for m in report.measured if m.subject.form is subject.form]
        if subject.form.kind == "both" and call.node is not None and rows and all(row.passed for row in rows):
            if any(f"self.{form.name}" == ast.unparse(p.func) for p in walk_own(call.node) if isinstance(p, ast.Call)):
                return call.name
    return ""


def settle_part(report, subject):
    """Let a method whose gradients are all wrong be, if another one that calls it is right: it was fed otherwise."""
    mine = [m for m in report.measured if m.subject.form is subject.form]
    if not mine or any(m.row.passed for m in mine if m.subject is subject):
        return
    for other in [other for other in report.subjects if other.form is not subject.form]:
        node = (other.form.gradient or other.value[0]).node
        called = {ast.unparse(part.func) for part in (walk_own(node) if node else ()) if isinstance(part, ast.Call)}
        rows = [m.row for m in report.measured if m.subject.form is other.form]
        if f"self.{subject.form.name}" in called and rows and all(row.passed for row in rows):
            report.remarks.append(f"{subject.form.name} was measured as a part of {other.form.name}, which is right")
            report.measured = [m for m in report.measured if m.subject.form is not subject.form]
            report.rows = [row for row in report.rows if all(row is not m.row for m in mine)]
            return


def doubt(report, subject):
    """Call nothing wrong for guessed arguments, if most gradients are wrong with them and no mistake explains it."""
    found = [m for m in report.measured if m.subject is subject]
    wrong = [m for m in found if not m.row.passed]
    if not wrong:
        return
    handed_on = all(np.array_equal(np.ravel(m.a), m.dout) for m in wrong)  # its slope is in dout already, perhaps
    sure = not handed_on and (is_sure(subject, len(found)) or some_right(report, subject, wrong))
    several = len(found) > 1 or any(map(callable, subject.args.values()))  # G, a network that is a closure
    strange = subject.form.kind == "both" and several and any(map(unrelated, wrong))  # those of other arrays
    held = subject.is_loss and re.search(HELD, getattr(subject.target.module, "source_text", ""))
    apart = subject.form.kind == "both" or any("[" in m.name for m in wrong)  # what stands in a list, in its order
    senseless = apart and len(wrong) > 1 and all(map(of_nothing, wrong))
    named = any(finding.sure and finding.name != "wrong shape" for finding in report.findings) if senseless else True
    if sure and not strange and not held and named:  # whatever it is called
        return
    known = explained(report, wrong)
    if known and held_as_said(report, subject, wrong):
        return
    if not strange and (known or sure) and named:
        return
    report.forget()
    report.doubted += [m.row for m in report.measured if m.subject.form is subject.form and not m.row.passed]
    arrays = {name: value for name, value in subject.args.items() if isinstance(value, np.ndarray)}
    tried = ", ".join(f"{name} {np.shape(value)}" for name, value in arrays.items() if value.ndim)
    place = where(subject.function(subject.form.gradient or subject.value[0]))
    report.errors.append(
        Stopped(f"{place}: wrong for what was tried, {tried or 'single numbers'}, which may not be what it takes")
    )
    report.unchecked.append(subject.form.name)


def of_nothing(measured):
    """Has a gradient another shape than what it belongs to, or does nothing depend on that?"""
    return measured.a.shape != measured.n.shape or not np.any(measured.n)


HELD = r"(as|is|are|stays?) (an? )?constants?\b|(held|hold|keep|kept)\b[^.]* (fixed|constant)|stop.?grad|detach"
HELD += r"|semi-?gradient|no gradient (flows|runs|goes|passes)|\badv(antages?)?\b|td_target"


def held_as_said(report, subject, wrong):
    """Let what a loss takes as a constant be one, if the code says so, or it is an advantage; say it in a remark."""
    said = "it was taken as a constant"
    places = [f.place.replace(said, "") for f in report.findings if said in f.place]
    spoken = re.search(HELD, "\n".join([subject.target.text, *places]))
    if not subject.is_loss or not spoken or not places or len(places) < len(report.findings):
        return False
    paths = {m.path for m in wrong}
    report.remarks.append(
        f"{', '.join(m.name for m in wrong)}: a part of the loss is held constant, as it is said there"
    )
    names = [m.name for m in report.measured if m.path in paths and m.subject.form is subject.form]
    report.measured = [m for m in report.measured if m.name not in names]
    report.rows = [row for row in report.rows if row.name not in names]
    report.forget()
    return True


def is_sure(subject, gradients):
    """Is it plain what the code takes: by the file, by its documentation, or because it has but one gradient?"""
    plan, world = subject.plan, subject.plan.world.name
    if plan.form.kind == "step" and plan.value[-1].function is not None:  # a loop: it may not go down what it reports
        return False
    its_own = plan.form.kind == "step" and plan.value[-1].name == plan.form.name
    if its_own and not any(LOSS.fullmatch(str(name)) for name in plan.value[-1].returns):
        return False  # what a step returns may be a report, and not what it goes down
    if not isinstance(subject.target.thing, (type, types.FunctionType)):  # an object that somebody has made
        return True
    of_loss = plan.form.kind == "pair" and is_loss(plan.value[0].name)
    as_used = (plan.target.owner is None or of_loss) and len(plan.value) == 1 and world.startswith("as used")
    if as_used or all_documented(plan.target, plan.form, plan.value):
        return True
    if plan.form.kind == "both" and plan.value[-1].function is not None:  # an operation of an engine
        return True
    function = plan.target.owner is None and len(subject.args) < 3  # of x, and perhaps a target
    layer = re.match("forward|__call__", plan.value[0].name) and re.match("back|grad|deriv|prime", plan.form.name)
    usual = world.startswith(("rows", "as documented", "as indexed", "as used"))
    usual = usual or len(subject.args) == 1 and plan.world.x in ("N", "I")
    plain = gradients == len(plan.value) == 1 and plan.form.kind != "step"
    return bool(plain and usual and (function or layer))


def some_right(report, subject, wrong):
    """Are so many other gradients right that what is wrong was fed as it is meant?"""
    world = subject.plan.world
    alike = [m for m in report.measured if m.subject.form.name == subject.form.name]  # of D and of G in one step
    near = [m for m in alike if m.subject.setting == subject.setting and np.any(m.n)]
    right = [m for m in near if m.row.passed]
    if not world.last and all(m.a.shape == m.n.shape for m in wrong) and any(m.n.size > 1 for m in right):
        return True
    return bool(right) and 2 * len(right) >= len(near) and (not world.last or world.sizes.get("I") != 1)


def explained(report, wrong):
    """Does a mistake, or an edit, account for every gradient that is wrong?"""
    if not any(np.any(m.n) and m.n.size > 1 for m in wrong):  # of single numbers, or zeros, anything is made right
        return False
    names = {m.name for m in wrong}
    findings = [finding for finding in report.findings if finding.sure and names & set(finding.seen)]
    return any(finding.whole for finding in findings) or names <= set().union(*(f.seen for f in findings))


def serves(form, target):
    """Is it a part of another form of the class, and measured with it?"""
    pairs = [other for other in target.forms if other.kind == "pair" and target.owner is not None]
    steps = [step for other in pairs for step in (other.gradient, *other.values[0]) if step is not form.gradient]
    nodes = [step.node for step in steps if step.node is not None]  # backward calls those of layers, and not itself
    calls = [part.func for node in nodes for part in walk_own(node) if isinstance(part, ast.Call)]
    called = [getattr(function, "attr", "") for function in calls]
    if not form.values or form.name not in called:
        return False
    if form.kind == "pair" and not set(form.gradient.needs) <= {*form.values[0][-1].needs, "dout"}:
        return True  # cost_derivative(activations, y)
    return not LOSS.fullmatch(form.name)


def examine_form(report, form, setting, example, definition):
    """Add to a report what is found about one form; Stopped where it cannot be run."""
    vars(report.target.module).get("outcomes", {}).clear()
    if form.kind == "step":
        form = form._replace(values=tuple(measurable(report.target, form)))
    attempt = plan_for(report.target, form, setting, example)
    definition = definition or definition_of(report.target, form)
    report.takes = [name for name in attempt.plan.given if name[:5] != "init."]
    if attempt.progress[0] < 3.5:
        return pass_over(report, form, attempt.error)
    if attempt.plan.value[-1].function in IMPLIED.values():
        attempt = implied(attempt, setting)
    subject, found = likeliest(attempt, setting, example)
    if not found and not missing(subject, found, []):
        if form.kind == "step" and not all(LOSS.fullmatch(str(name)) for name in form.gradient.returns):
            # It may return the gradient that it does not apply.
            return examine_form(report, Form("both", ((form.gradient,),), None), setting, example, definition)
        place = where(subject.function(form.gradient or form.values[0][0]))
        return pass_over(report, form, Stopped(f"{place}: {form.name} gives no gradient"))
    if subject.value[-1].side and not all(m.row.passed for m in found) and not subject.apart:
        said = (
            "the loss of one player is taken after the other has moved: write the two losses as functions of their own"
        )
        return pass_over(report, form, Stopped(f"{where(subject.function(form.gradient))}: {said}"))
    found = averaged(report, subject, guarded(subject, found, "", report.remarks))
    found = [uncut(m, report.remarks) for m in found]
    if form.kind == "both" and not subject.is_loss and not all(m.row.passed for m in found):  # two other arrays
        said = f"{form.name} returns two arrays, which are not a value and its derivative, entry by entry"
        return pass_over(report, form, Stopped(f"{where(subject.function(form.values[0][0]))}: {said}"))
    if form.kind == "both" and not LOSS.fullmatch(form.name) and missing(subject, found, []):  # an output and its h
        value = form.values[0][0]
        if not any(is_gradient_name(name) for name in map(str, flat(value.returns))):
            said = f"{form.name} returns no gradient of {display(next(iter(missing(subject, found, []))))}"
            return pass_over(report, form, Stopped(f"{where(subject.function(value))}: {said}"))
    report.subjects.append(subject)
    take_down(report, subject, found)
    report.unchecked += [f"{name} with more than one entry: its gradient is one number" for name in attempt.shrunk]
    matrices = [array for path, array in subject.slots.items() if array.ndim == 2 and len(path) == 2]
    if subject.plan.world.last == 2 and matrices and all(array.size == 1 for array in matrices):
        report.unchecked.append(ONE_BY_ONE)
    add(report, subject, found, definition)
    if form.kind == "pair" and all(m.row.passed for m in found):
        report.facts += of_modes(subject, report.remarks)
        report.remarks += of_ties(subject)
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
        for spread, seed in product(("far", "small"), (1, 2, 3)):  # until both sides of each comparison have run
            if unreached(subject):
                with contextlib.suppress(Stopped):
                    go_on(report, subject, spread, definition, seed)
        report.unchecked += unreached(subject)


def measurable(target, form):
    """The values of a step that take nothing but what the step takes, too; Stopped if there is none."""
    made = [made_up(form, value) for value in form.values]
    if all(made):
        place = where(getattr(target.owner or target.module, form.name))
        raise Stopped(f"{place}: {form.values[0][-1].name} takes {made[0][0]}, which {form.name} makes itself")
    return [value for value, names in zip(form.values, made, strict=True) if not names]


def averaged(report, subject, found):
    """Let the gradients of all parameters be divided by N, if that is all: it may be the 1/N of a loss that is a sum.

    Where the loss has its 1/N itself, as here, that would be once too often. So it is not right, but it cannot be told.
    """
    if subject.target.owner is not None or subject.is_loss or subject.form.kind != "pair":
        return found  # of a layer everybody expects that the loss has divided
    wrong = [m for m in found if not m.row.passed]
    inputs = [m for m in found if roles([*subject.args]).get(m.path[0]) == "x"]
    if len(wrong) < 2 or any(not m.row.passed for m in inputs):
        return found
    if not inputs or any(m.a.shape != m.n.shape for m in wrong) or len(wrong) < len(found) - len(inputs):
        return found
    try:
        if not all(Evidence(report, m).grows_with_batch(-1) for m in wrong):
            return found
    except NoEvidence:
        return found
    names = ", ".join(m.name for m in wrong)
    if subject.setting.spread == "near" and not settled(subject):
        report.unchecked.append(f"whether the loss has its 1/N: {names} have it here, and dout may have it already")
    n = subject.sizes["N"]
    return [m if m.row.passed else m._replace(n=m.n / n, row=compare(m.name, m.a, m.n / n)) for m in found]


def settled(subject):
    """Is what calls this gradient, and comes with its loss, right as a whole?"""
    own, target = subject.form.name, subject.target
    others = targets(target.module) if target.owner is None else {}
    calling = [t for name, t in others.items() if name != own and own in names_of_calls(t)]
    return any(examine(other).verdict is Verdict.RIGHT for other in calling)


def names_of_calls(target):
    """The names of the functions that the gradients of a target call."""
    nodes = [form.gradient.node for form in target.forms if form.gradient is not None and form.gradient.node]
    return {called_in(part) for node in nodes for part in walk_own(node)}


def pass_over(report, form, error):
    """Note that what may be a helper, and no loss and no step, cannot be checked; of anything else raise the error."""
    step = form.kind == "step" and len(form.values) == 1 and not re.fullmatch(TRAINING, form.name)
    helper = step or form.kind == "both" and not LOSS.fullmatch(form.name)
    if not helper or isinstance(error, Unfilled) or makes_gradients(report.target, form.gradient or form.values[0][0]):
        raise error
    report.helper = error


def makes_gradients(target, call):
    """Does a function return dW or W_update, of W, or add to W_grad, by its source?"""
    known = {*call.needs, *vars(target.module)}
    for name in [name for name in flat(call.returns or ()) if isinstance(name, str)]:
        update = name.endswith("_update") and name.removesuffix("_update") in known
        if update or is_gradient_name(name) and any(named_after(name, other) == 3 for other in call.needs):
            return True
    return adds_to_gradients(getattr(target.owner or target.module, call.name, None))


def take_down(report, subject, found):
    """Add to a report what is worth knowing of the first measurement, beside its numbers."""
    form, text = subject.form, subject.target.text
    given = {m.path for m in found}
    report.remarks += subject.remarks
    for path in subject.slots if form.kind == "pair" and not subject.is_loss else ():
        report.remarks += [f"no gradient of {path[0]} was found"] * (len(path) == 1 and path not in given)
    for m in [m for m in found if m.row.passed and m.path in subject.kept]:
        report.remarks.append(
            f"the gradient of {m.name} has the shape {subject.kept[m.path]}, {m.name} has {m.x.shape}"
        )
    broken = broken_promises(subject)
    if [fact for fact in broken if fact.kind == "in place" and fact.where in subject.douts]:
        report.remarks.append("backward overwrites dout: let it work on a copy if somebody else still needs dout")
    report.facts += [fact for fact in broken if fact.kind != "in place" or fact.where not in subject.douts]
    report.facts += [Fact("shared", name) for name in shared(subject)]
    report.missing |= missing(subject, found, report.remarks)
    report.unchecked += subject.left
    if subject.single:
        report.remarks.append("it computes in single precision: measured with the step 0.01, above 0.001 is WRONG")
    elif np.float16 in subject.types.values() or any(
        2e-9 < m.row.error < 1e-7 and Evidence(report, m).blind_to_rounding() for m in found
    ):
        report.facts.append(Fact("precision", ""))
    own = text_about(subject.target.module, [form.gradient.node]) if subject.plan.by_output else text
    if (
        subject.plan.by_output
        and not subject.is_loss
        and not (re.search(r"already|output|activat", own) or gets_output(subject))
    ):
        said = "right if its argument is the output (then call it out), wrong if it is the input"
        report.unchecked.append(f"{form.name}: {said}")


def gets_output(subject):
    """Does the file itself call the derivative with what the function has returned, ``a = f(z); f_prime(a)``?"""
    name, back, flag = subject.value[-1].name, subject.form.gradient.name, subject.form.gradient.flag
    tree = tree_of(subject.target.module)
    kept = [part for part in ast.walk(tree) if isinstance(part, ast.Assign) and called_in(part.value) == name]
    kept = {text for part in kept for text in map(whole, part.targets) if text.startswith("self.")}
    for function in [tree, *(part for part in ast.walk(tree) if isinstance(part, ast.FunctionDef))]:
        made = set(kept)
        for part in walk_own(function):
            if isinstance(part, ast.Assign) and called_in(part.value) == name:
                made |= set(map(whole, part.targets))
            elif called_in(part) == "append" and called_in(part.args[0]) == name:
                made.add(whole(part.func.value))
            elif (
                called_in(part) == back
                and part.args
                and (not flag or flag in [k.arg for k in part.keywords] or part.args[1:])
            ):
                if whole(part.args[0]) in made or called_in(part.args[0]) == name:
                    return True
    return False


def whole(node):
    """The text of what an expression is a part of: self.layers of self.layers[-1]."""
    return ast.unparse(node).partition("[")[0]


def called_in(node):
    """The name of the function that is called in an expression, or None."""
    function = getattr(node, "func", None)
    return getattr(function, "id", getattr(function, "attr", None))


def go_on(report, subject, spread, definition, seed=0):
    """Add to a report what is measured at numbers of another size; Stopped where the code does not run there."""
    setting = replace(subject.setting, spread=spread, seed=subject.setting.seed + seed)
    other = adapter(subject.form)(subject.plan, setting)
    if spread == "large" and not takes_large(other):
        return
    found = [m for m in measure(other, f"{spread} ") if told(m)]
    found = averaged(report, other, guarded(other, found, f"{spread} ", report.remarks))
    found = [uncut(m, report.remarks) for m in found]
    logarithm = subject.is_loss and "log(" in text_with_helpers(subject.target)  # of 1 - p, where p is rounded to 1
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
    stop, shares = time.process_time() + SECONDS, {}
    for label, plan, setting in [] if definition or subject.form.kind not in ("pair", "both") else variations(subject):
        plan = replace(plan, alone=True) if stops_at_first(subject) else plan
        try:
            other = adapter(plan.form)(plan, setting)
            if subject.value[-1].name in own_cost(subject):  # of another cost, if that is what varies
                other = implied(Attempt(plan, setting), setting).subject
            first = other.out()
            other.forward(other.other_args)
            if not np.array_equal(first, other.out()):
                continue  # it begins where it has ended
            found = guarded(other, [m for m in measure(other, label) if told(m)], label, [])
            found = averaged(report, other, found)
        except (Stopped, *SENSELESS):
            continue  # it does not run so, and need not
        wrong = [m for m in found if not m.row.passed and not excused(m, report.remarks)]
        report.remarks += [
            f"with {label}: {m.row.name.removeprefix(label)}: {m.row.note}" for m in wrong if m.row.error == np.inf
        ]
        wrong = [m for m in wrong if m.row.error < np.inf]
        if wrong and not np.array_equal(other.out(), subject.out()):
            return wrong
        kind = setting.given[0][1] if setting.given else None
        if wrong and isinstance(kind, type) and not fits_a_loss(plan, setting):
            report.unchecked.append(f"{subject.form.name} with {label.strip()}, which is the gradient of no usual loss")
        report.remarks += [f"with {label}the output is the same, and the gradient another"] * bool(wrong)
        shares |= {label.partition("=")[0]: share for m in wrong if (share := share_of_decay(m, setting))}
        if time.process_time() > stop:
            report.remarks.append(f"no time was left to vary more than {label.strip()}")
            break
    if len(set(shares.values())) > 1:
        said = ", ".join(f"{c:g}·λ of its parameter for {name}" for name, c in shares.items())
        report.unchecked.append(f"decay, which adds {said}: not the same for all")
    return []


def share_of_decay(m, setting):
    """The factor c of what a setting λ adds to a gradient, c λ W, and the output does not tell; 0 if it is no such."""
    value = setting.given[0][1] if setting.given else None
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not value or not np.any(m.x):
        return 0
    c = np.sum((m.a - m.n) * m.x) / np.sum(m.x * m.x)
    return round(float(c / value), 6) if np.allclose(m.a - m.n, c * m.x, rtol=1e-5, atol=1e-8) else 0


def fits_a_loss(plan, setting):
    """Is it right for one of the losses that a backward pass may mean?"""
    try:
        return all(m.row.passed for m in measure(implied(Attempt(plan, setting), setting).subject))
    except (Stopped, *SENSELESS):
        return False


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
        at_once = re.search(
            rf"if not (self\.)?{mode}:\s+return \w+\n", subject.target.text
        )  # there is nothing to learn
        if not at_once and any(m.x.size == m.out.size and np.allclose(m.J, np.eye(m.x.size)) for m in wrong):
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


def number_right(found):
    """How many of these gradients are right?"""
    return sum(m.row.passed for m in found)


def likeliest(attempt, setting, example=None):
    """Return (Subject, its measured gradients): of several ways to read a result the one in which it is right."""
    subject, gradient = attempt.subject, attempt.plan.form.gradient
    found = measure(subject)
    others = [replace(subject.plan, choice=i) for i in range(1, subject.choices)]
    if gradient is not None and (len(gradient.needs) == 1 and not subject.told or subject.is_loss and subject.told):
        others.append(replace(subject.plan, by_output=True))
    larger = {m.path for m in found if m.x.size > 1}
    stops = stops_at_first(subject)
    others += [replace(subject.plan, alone=True)] * bool(stops)
    others += [replace(subject.plan, after=True)] * bool(getattr(subject, "of_both", False))
    if all(m.row.passed for m in found):
        return subject, found
    given = {}
    for m in found:
        if len(m.path) == 2 and m.path[0] != "self":  # an entry of a dictionary, or a list
            given.setdefault(m.path[0], {})[m.path[1]] = m.a
        elif len(m.path) == 1:
            given[m.path[0]] = m.a
    guessed = () if example else readings(subject.plan, given)
    remarks = []
    for plan in chain(others, guessed):
        other = Attempt(plan, setting)
        again = in_logits(other.subject, measure(other.subject), remarks) if other.progress[0] >= 4 else []
        if len(again) >= len(found) and all(m.row.passed for m in again):
            if small := [m.name for m in again if m.x.size == 1 and m.path in larger]:
                place = where(subject.function(gradient or subject.value[0]))
                raise Stopped(f"{place}: right where {', '.join(small)} is one number, and wrong where it is an array")
            if plan.value != subject.plan.value:
                meant, tried = (value[0].name for value in (plan.value, subject.plan.value))
                said = f"{plan.form.name} is the gradient of {meant}, not of {tried}"
                said = f"{plan.form.name} is that of {plan.value[-1].name}" if meant == tried else said
                other.subject.remarks = [said]
            other.subject.remarks += remarks
            return other.subject, again
        if plan.value[-1].function in TOTALS.values() and number_right(again) > number_right(found):
            subject, found = other.subject, again
    last = subject.plan.world.last
    if last or any(m.a.shape != m.x.shape for m in found):  # perhaps what it was given was nonsense
        nearest, most = (subject, found), number_right(found)
        for other in elsewhere(subject.plan, example):
            again = measure(other.subject)
            shrunk = any(m.x.size == 1 and m.path in larger for m in again)  # where every sum is right
            if len(again) < len(found) or shrunk:
                continue
            if all(m.row.passed for m in again):
                if other.plan.world.name == "one sample" and (not last or subject.plan.world.name == "columns"):
                    place = where(subject.function(gradient or subject.value[0]))
                    raise Stopped(f"{place}: it is right for one sample, and for several a sum over them is missing")
                return other.subject, again
            if other.done and number_right(again) > most:
                nearest, most = (other.subject, again), number_right(again)
        subject, found = nearest
    if stops:
        subject = Attempt(replace(subject.plan, alone=True), setting).subject
        return subject, measure(subject)
    return subject, found


def stops_at_first(subject):
    """Does backward, by its source, come to an end with the first entry of dout that is not 0?"""
    return re.search(r"if \w+ == 0:\s+continue[\s\S]*\breturn\b", subject.target.text) and not subject.is_loss


def implied(attempt, setting):
    """Of the losses that a backward pass may mean, the one that fits most of its gradients, as an Attempt.

    If it asks an object of its own for delta, ``self.cost.delta(...)``, it means that one's cost.
    """
    best, most, plan = None, 0, attempt.plan
    own = own_cost(attempt.subject)
    for name, loss in (own or IMPLIED).items():
        last = plan.value[-1]._replace(function=loss, name=name)
        other = Attempt(replace(plan, value=(*plan.value[:-1], last)), setting)
        right = number_right(measure(other.subject)) if other.progress[0] >= 4 else 0
        if right > most or own and other.progress[0] >= 4:
            best, most = other, right
    if best is None:
        place = f"{where(plan.target.thing)}: {plan.form.name} names no loss, and is the gradient of no usual one"
        raise Stopped(f"{place}; write a function loss(output, target) beside it")
    return best


def own_cost(subject):
    """Return {name: function of (output, target)} of the cost in an object that the gradient calls, or {}."""
    gradient, kinds = subject.form.gradient, own_classes(subject.target.module)
    text = text_about(subject.target.module, [gradient.node if gradient else None])
    for name, part in getattr(subject.thing, "__dict__", {}).items():
        kind = part if isinstance(part, type) else type(part)
        if kind in kinds and re.search(rf"\bself\.{name}\)?\.\w+\(", text):
            costs = [getattr(part, cost) for cost in ("fn", "loss", "cost", "value", "forward") if hasattr(part, cost)]
            for cost in [cost for cost in costs[:1] if len(required(cost)) == 2]:
                return {f"{kind.__name__}.{cost.__name__}": lambda out, target, cost=cost: cost(out, target)}
    return {}


def stored_to(subject):
    """The attributes that methods which are no part of the measurement change: what a class learns in fit, or step."""
    measured = {step.name for step in (*subject.value, subject.form.gradient) if step is not None}
    names = set()
    for name, method in vars(subject.target.owner).items():
        node = node_of(method) if isinstance(method, types.FunctionType) and name not in measured else None
        begins = re.match("_*(init|reset|build|set_?up)", name)
        for part in walk_own(node) if node is not None and not begins else ():
            targets = getattr(part, "targets", [getattr(part, "target", None)])
            if isinstance(part, (ast.Assign, ast.AugAssign)):
                texts = [ast.unparse(target) for target in targets]
                names |= {text.split(".")[1].partition("[")[0] for text in texts if text.startswith("self.")}
    return names


def missing(subject, found, remarks):
    """Return {path: name} of parameters without a gradient; of the player that does not learn, a remark."""

    def box(path):
        """The dictionary that holds it: an argument, or, of a function, in the module."""
        inside = path[1:-1] if path[0] == "self" and subject.target.owner is None else path[:-1]
        return inside[0] if inside and inside[0] != "self" else None

    have, names = {m.path for m in found}, {}
    known = {p.name for p in parameters(subject.target.thing) if isinstance(p.default, (tuple, list))}
    others = {box(path) for path in subject.slots} - {box(path) for path in have} - {None}
    given = required(subject.target.thing) if isinstance(subject.target.thing, type) else ()
    if have and not any(path[0] == "self" for path in have) and (subject.is_loss or subject.target.owner is None):
        plain = [path[-1] for path in subject.slots if path[0] == "self" and len(path) == 2]
        remarks += [f"no gradient of {name} was found" for name in plain]  # weights of classes, the data of a script
        known |= set(plain)
    if not any(step.needs for step in subject.value):  # the data are in the object
        known |= {name for name in given if not is_weight(name, given)}
    learned = stored_to(subject) if subject.target.owner is not None else set()
    if {path[1] for path in have if path[0] == "self"} & learned:  # the class itself takes the steps: not along these
        plain = {
            path[1] for path in subject.slots if path[0] == "self" and len(path) == 2 and path not in have
        } - learned
        remarks += [f"no gradient of {name} was found" for name in sorted(plain)]
        known |= plain
    listed = {id(array) for array in subject.own_list()}
    own = {path: array for path, array in subject.slots.items() if path[0] == "self"}
    if own and have & set(own) <= {path for path, array in own.items() if id(array) in listed} != set():
        known |= {path[-1] for path, array in own.items() if id(array) not in listed}  # params() leaves them out
    if any(len(path) > 1 for path in have):
        remarks += [f"no gradient of {name} was found" for name in sorted(others)]
    else:
        others = set()
    for path, array in subject.slots.items() if subject.form.kind != "step" else ():
        parameter = path[0] == "self" or len(path) > 1 and not re.fullmatch(BATCHES, str(path[0]))
        constant = re.fullmatch(f"{CONSTANTS}|{DATA}|{TARGETS.pattern}", str(path[-1]))
        constant = constant or any(re.fullmatch(r"target_\w+|old_\w+|frozen\w*", str(part)) for part in path[:-1])
        source = getattr(subject.target.module, "source_text", "")
        sampled = re.search(rf"\bp\s*=\s*(self\.)?{path[-1]}\b", source)  # choice(V, p=self.p)
        mask = np.isin(array, (0, 1)).all() and np.ptp(array) == 1  # who may see whom
        graph = re.fullmatch("[A-Z]", str(path[-1])) and re.search("adj|laplac|graph", subject.target.text)
        if (
            parameter
            and box(path) not in others
            and array.ndim
            and path not in have
            and not (constant or sampled or graph or mask or path[-1] in known)
            and not subject.of_other(path)
            and subject.matters(array)
        ):
            names[path] = display(path)
    of_input = subject.form.gradient and re.search(r"(^|_)(inputs?|x)(_|$)", subject.form.gradient.name)
    if of_input and any(len(path) == 1 for path in have):  # it is not asked for any other
        remarks += [f"no gradient of {name} was found" for name in names.values()]
        return {}
    return names
