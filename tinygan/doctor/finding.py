"""Find what can be checked in a learner's module, and how its functions go together.

forward(x), backward(dout)                a layer, a network; also f(x) and f_prime(x), f(x, deriv=True), ...
loss(out, target), loss_grad(out, target) a value and its gradient in two functions
loss(out, target) -> (loss, gradient)     both in one function
affine(x, W, b) -> (out, back)            a value, and the function that takes dout back
d_loss(x, z), d_step(x, z)                a training step, beside the loss that it goes down
update(params, grads)                     an optimizer, beside its published rule
Value(2) * Value(3), then backward()      an engine, operation by operation: see ``engines``
penalty(discriminator, x_real, x_fake)    and a GAN's two steps, as in ``gan.py``
"""

from __future__ import annotations

import ast
import inspect
import re
import types
from typing import NamedTuple

import numpy as np

from tinygan.doctor.arrays import is_gradient_name, named_after
from tinygan.doctor.calls import (
    Call,
    Form,
    adds,
    adds_samples,
    alike,
    call_of,
    calls_its_argument,
    closure_of,
    gives_both,
    gives_output,
    is_handed_gradients,
    is_of_a_game,
    is_pure,
    losses_of_both,
    moves_arguments,
    names_called,
    over_pairs,
    returns_its_loss,
    sides_of,
    stores_gradients,
    takes_dout,
    with_optional,
    with_shared,
)
from tinygan.doctor.feeding import TARGETS
from tinygan.doctor.implied import IMPLIED, of_activation, of_one_sample, of_player, of_policy, totals, training
from tinygan.doctor.names import (
    CACHE,
    CLIP,
    DOUT,
    FLAG,
    FORWARD,
    GRADIENT,
    GRADIENTS,
    LOOP,
    LOSS,
    NO_GRADIENT,
    RATE,
    RULE,
    STEP,
    STEPS_OF_A_RULE,
    core,
    is_exact,
    is_loss,
    sides_in,
)
from tinygan.doctor.source import (
    attributes,
    flat,
    is_empty,
    is_unfilled,
    node_of,
    parameters,
    required,
    text_about,
    tree_of,
    walk_own,
)


class Target(NamedTuple):
    """What is checked as one thing: a class with its forms (``owner``), or functions of a module."""

    name: str
    thing: object
    owner: type | None
    forms: tuple
    module: object
    text: str
    left: tuple = ()  # gradients, by their names, of nothing that could be found


# ---- forms ---------------------------------------------------------------------------------------------


def forms(functions, module):
    """Return the Forms of a namespace {name: function}, a gradient's first."""
    calls = {name: call_of(name, function) for name, function in functions.items()}
    loops = {name for name in calls if any(LOOP.fullmatch(p.name) for p in parameters(functions[name]))}
    gradients = {name: stem for name in calls if (stem := stem_of(name, calls)) is not None}
    gradients = {name: stem for name, stem in gradients.items() if not (name in loops and name.startswith("fit"))}
    for outer in [calls[name] for name in gradients if gradients[name]]:  # nll_grad, which calls backward_pass(phi, A)
        inner = {n for n, stem in gradients.items() if not stem and n in names_called(outer)}
        gradients = {n: s for n, s in gradients.items() if n not in inner or any(map(DOUT.fullmatch, calls[n].needs))}
    stems = set(gradients.values())  # of step_backward
    rest = {n: call for n, call in calls.items() if n not in gradients and (n in stems or not STEP.fullmatch(n))}
    losses = [call for name, call in calls.items() if is_loss(name)]
    around = {k: f for k, f in vars(module).items() if isinstance(f, types.FunctionType) and is_loss(k)}
    losses += [call_of(name, f, False) for name, f in around.items() if name not in calls]
    if not any(not loss.needs or any(map(TARGETS.fullmatch, loss.needs)) for loss in losses):  # of data as a whole
        losses = losses * any(map(sides_of, losses)) + [call_of(name, f, False) for name, f in IMPLIED.items()]
    found, used = [], set()
    for name, call in calls.items():
        flags = [p.name for p in parameters(functions[name]) if p.default is False and FLAG.fullmatch(p.name)]
        values = ((call,),) if flags else values_for(call, gradients[name], rest, losses) if name in gradients else ()
        values = [v for v in values if not is_of_another(v, gradients.get(name, ""), stems)] or values
        if name == "grad2" and "grad" in calls:  # the derivative of the derivative
            values = [(calls["grad"],)]
        own_loss = returns_its_loss(call) and not flags
        if own_loss and values and not (is_loss(values[0][-1].name) and {*values[0][0].needs} <= {*call.needs}):
            values = []
        elif name in gradients and not own_loss:
            values = of_player(call, calls, losses) or of_policy(call, calls, module) or values
            values = of_activation(call, calls, module) or values
            alone = [value[0] for value in values if len(value) == 1 and value[0].name in functions]
            for step in [step for step in alone if "self" in inspect.signature(functions[step.name]).parameters]:
                values = [*values, *of_one_sample(step, functions[step.name])]
        values = [tuple(with_optional(step, call.returns, functions) for step in value) for value in values]
        if values:
            values = [with_shared((*value, call), functions) for value in values]
            call, values = values[0][-1], [tuple(value[:-1]) for value in values]
            found.append(Form("pair", tuple(values), call._replace(flag=flags[0]) if flags else call))
            used |= {call.name for call in values[0]}
    for name, call in calls.items():
        both = LOSS.fullmatch(name) and gives_both(call, module)  # loss_and_grads(x)
        done = name in used or any(form.name == name for form in found)
        if (
            done
            or not (call.needs or LOSS.fullmatch(name))
            or name in loops  # it trains, and is no step
            and not LOSS.fullmatch(name)
            or GRADIENTS.intersection(call.needs) - ({"g", "d"} if both else set())  # a gain, of cost_and_gradient
            or is_of_a_game(call)
            or STEP.fullmatch(name)
            and is_handed_gradients(call)
            or name in gradients
            and not both
            and takes_dout(call)
        ):
            continue
        if closure := closure_of(call):
            found.append(Form("pair", ((call,),), closure))
        elif STEP.fullmatch(name) and (
            moves_arguments(call)
            or any(RATE.fullmatch(n) and n != "alpha" for n in call.needs)
            or not (gives_both(call, module) and is_pure(call.node))
        ):
            fitting = sorted(
                (loss for loss in rest.values() if LOSS.fullmatch(loss.name)), key=lambda loss: -alike(loss, call)
            )
            sides = {side: loss for loss in fitting for side in sides_of(loss)}
            if not sides_of(call) and len(sides) == 2:  # a step of both players
                found += [Form("step", ((sides[side],),), call) for side in sorted(sides)]
                continue
            adapts = call.node is not None and re.search(r"sqrt\(|momentum|beta_?[12]\b", ast.unparse(call.node))
            if adapts and found:  # an optimizer's step is not along the gradient
                continue
            if any(LOSS.fullmatch(str(name)) for name in call.returns):  # its own is likelier than one of what it makes
                fitting = [loss for loss in fitting if set(loss.needs) <= set(call.needs)]
            fitting = [(over_pairs(loss, call),) for loss in fitting if alike(loss, call) > -4]
            if both := losses_of_both(call):
                found += [Form("step", ((loss,),), call) for loss in both]
                continue
            found.append(Form("step", (*fitting[:2], (call,)), call))
        elif gives_both(call, module) or (LOSS.fullmatch(name) or returns_its_loss(call)) and stores_gradients(call):
            found.append(Form("both", ((with_optional(call, call.returns, functions),),), None))
    whole = [form for form in found if form.kind != "step" and not (form.gradient and adds(form.gradient))]
    return found if whole else training(calls, losses) or found


def stem_of(name, calls):
    """What a function's name says that it is the gradient of, "" for backward; None if it is no gradient."""
    if re.search(r"(forward|fwd)_?(and_?)?(backward|bwd|backprop|prop)|(loss|cost|value)_?and_?grad", name, re.I):
        return None  # both in one
    if re.search("^test|descent|ascent|check", name, re.I) or calls_its_argument(calls[name]):  # a numeric one
        return None
    if only_collects(name, calls[name].node):
        return None
    if match := GRADIENT.fullmatch(name):
        rest = match["before"] or match["after"]
        rest = re.sub(r"(_out(put)?)?_to$", "", rest.strip("_"))  # sigmoid_output_to_derivative
        rest = re.sub(r"_(input|x)$", "", rest) if rest not in calls else rest  # critic_input_gradient(params, x)
        return "" if rest in ("d", "compute", "get", "calc", "calculate", "fn", "func", "pass") else rest
    of_targets = name == "score" and any(map(TARGETS.fullmatch, calls[name].needs))  # how good it is, score(X, y)
    of_targets = of_targets and not any(map(is_gradient_name, flat(calls[name].returns)))
    if (
        re.fullmatch(r"deltas|(\w+_)?score", name)
        and not of_targets
        and any(is_loss(k) and "energ" not in k and c.needs == calls[name].needs for k, c in calls.items())
    ):
        return ""
    without = re.sub(r"^(d_?|g_)", "", name)  # gelu is not the gradient of elu
    return without if without != name and (without in calls or f"{without}_forward" in calls) else None


BINARY = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "dot": lambda a, b: a @ b,
    "matmul": lambda a, b: a @ b,
}


def values_for(gradient, stem, rest, losses):
    """Return the alternatives for the value that a gradient belongs to, the likeliest first."""
    known = [n for n in gradient.needs if not CACHE.fullmatch(n) and not RATE.fullmatch(n)]
    ranked, alternatives, low = [], [], stem.lower().lstrip("_")
    rest = {name: call for name, call in rest.items() if gradient.name not in names_called(call)}
    means = [call for call in rest.values() if is_loss(call.name)]  # of other losses, one a sample
    inner = {
        n for call in means for n in names_called(call) if n in rest and rest[n].needs == call.needs and is_loss(n)
    }
    for call in rest.values():
        name = re.sub("^_(?!_)", "", call.name.lower())  # _forward_pass
        exact = is_exact(name, low)
        if stem and (exact or core(call.name) == core(gradient.name) != set()):
            score = (8 if exact else 7) + 3 * is_loss(name)
        elif is_loss(name) and gradient.needs and set(call.needs) >= set(gradient.needs):
            score = 9  # backward_generator(z) of g_loss(z): it takes no dout
        elif stem and len(low) > 3 and name.endswith(low):
            score = 6  # derivatives_from_image of error_from_image
        elif stem and (name.startswith(low) or low.endswith(name)) or not stem and LOSS.fullmatch(name):
            score = 5 if name in ("loss", "cost") else 4
        elif re.fullmatch(FORWARD, name) and (not stem or low in ("batch", "mini_batch")):
            score = 6 if "forward" in name or name == "__call__" else 5
        else:
            continue
        score += 3 * bool(LOSS.fullmatch(name) and not gradient.needs)  # it takes no dout
        sides = sides_in(gradient.name), sides_in(call.name)
        score += 4 * (sides[0] == sides[1]) - 4 if all(sides) else 0
        alias = any(map(TARGETS.fullmatch, call.needs))
        own = [n for n in known if n in (*call.needs, *flat(call.returns)) or alias and TARGETS.fullmatch(n)]
        targets = [n for n in known if TARGETS.fullmatch(n) and n not in own]
        if stem and (gives_output(call, gradient) or exact and known == ["y"]):  # d_sigmoid(y)
            targets = []
        unknown = [n for n in known if n not in (*own, *targets) and not DOUT.fullmatch(n) and len(known) > 1]
        if is_loss(name) and call.needs and targets and not own:  # total_cost(data, lmbda) beside backprop(x, y)
            continue
        score -= 3 * len(unknown) * bool(LOSS.fullmatch(name))
        ranked.append((score + 3 * len(own) - 4 * len(targets), call, targets))
    if not ranked and not stem and any(map(DOUT.fullmatch, known)):  # the only other method that returns something
        fitting = [call for call in rest.values() if call.returns and call.needs]
        through = [call for call in fitting if "forward" in names_called(call)]  # the same layers
        fitting = through if "backward" in names_called(gradient) and through else fitting
        ranked = [(0, call, []) for call in fitting if len(fitting) == 1]
    if not ranked and stem and not LOSS.fullmatch(gradient.name):
        # vae_sample_backward(dz, logvar, eps) of vae_forward(mu, logvar, eps)
        own = {n for n in known if not DOUT.fullmatch(n)}
        fitting = [call for call in rest.values() if own and own <= set(call.needs)]
        ranked = [(0, call, []) for call in fitting if len(fitting) == 1 < len(gradient.needs) > len(own)]
    if not stem:
        ranked = [item for item in ranked if item[1].name not in inner]
    exact = max((score for score, call, _ in ranked if call.name.lower() == low), default=None)
    if stem and exact is not None:  # not the derivative of another loss
        ranked = [item for item in ranked if item[0] >= exact or not is_loss(item[1].name)]
    for _, call, targets in sorted(ranked, key=lambda item: -item[0])[:3]:
        if targets and not LOSS.fullmatch(call.name):
            chained = [
                f for f in losses if f is not call and f.name not in inner and any(map(TARGETS.fullmatch, f.needs))
            ]
            alternatives += [(call, loss) for loss in chained]
        unknown = {n for n in known if n not in call.needs and not TARGETS.fullmatch(n)}
        if is_loss(call.name) and len(set(call.needs) - set(known)) == 1 and unknown:  # y_hat, of linreg(X, w, b)
            made = [first for first in rest.values() if unknown <= set(first.needs) <= set(known)]
            alternatives += [(first, call) for first in made]
        if is_loss(call.name) and unknown:  # gradients(A, X, y), with A = model(X, w, b) and loss(A, y)
            made = {first.name: first for first in rest.values() if set(flat(first.returns)) & set(known)}
            rest_of = {first.name: unknown - set(flat(first.returns)) for first in made.values()}
            fit = [first for first in made.values() if rest_of[first.name] <= set(first.needs) - set(call.needs)]
            alternatives += [(first, call) for first in fit]
        if is_loss(call.name) and any(map(CACHE.fullmatch, gradient.needs)):  # what forward(params, X) returns
            first = [f for f in rest.values() if re.fullmatch(FORWARD, f.name.lower()) and not is_loss(f.name)]
            takes = any(map(CACHE.fullmatch, call.needs))  # loss(x, logits, cache)
            fit = [
                f
                for f in first
                if set(f.needs) <= {*known, *call.needs}
                or {*f.returns[:1]} & {*call.needs}
                or takes
                and len(f.returns) == 2
            ]
            alternatives += [(f, call) for f in fit]
        if is_loss(call.name):  # what it compares is kept in the object
            alternatives += [(first, call) for first in rest.values() if keeps_for(first, call)]
        if not targets or len(gradient.needs) == len(call.needs) or any(map(DOUT.fullmatch, known)):
            alternatives.append((call,))
    if not any(
        map(DOUT.fullmatch, set(gradient.needs) - {"y"})
    ):  # of losses, one a sample, it may be that of their sum
        apart = [value for value in alternatives if is_loss(value[-1].name) and not adds_samples(value[-1])]
        alternatives += [(*value, total) for value in apart for total in totals()[:1]]
    if not alternatives and isinstance(ufunc := getattr(np, low, None), np.ufunc) and ufunc.nin == 1:
        alternatives.append((Call(low, ("x",), (None,), None, lambda x: ufunc(x)),))  # tanh_derivative of np.tanh
    operands = tuple(n for n in gradient.needs if not DOUT.fullmatch(n) and not re.fullmatch("out|y|z|res|result", n))
    if not alternatives and low in BINARY and len(operands) == 2:  # mul_vjp(g, out, a, b)
        alternatives.append((Call(low, operands, (None,), None, BINARY[low]),))
    return alternatives


def keeps_for(first, loss):
    """Does forward make, or store in its object, what the loss beside it compares, and does not compute itself?"""
    if not re.fullmatch(FORWARD, first.name.lower()) or is_loss(first.name) or first.name in names_called(loss):
        return False
    if first.node is None or loss.node is None:
        return False
    made = set(loss.needs) - set(first.needs)  # x_hat, of loss(x, x_hat) beside forward(x)
    compares = set(first.needs) < set(loss.needs) and len(made) == 1 and not any(map(TARGETS.fullmatch, made))
    return compares or bool(attributes(first.node, ast.Store) & attributes(loss.node, ast.Load))


def is_of_another(value, stem, stems):
    """Is linear_activation_forward for linear_backward the value of another gradient, by its whole name?"""
    name, others = value[0].name.lower(), {other.lower() for other in stems if other} - {stem.lower()}
    return len(value) == 1 and bool(stem) and any(is_exact(name, other) for other in others)


def game(methods):
    """Return the Forms of a penalty, or of a GAN as in ``gan.py``, or []."""
    needs = {name: required(method)[1:] for name, method in methods.items()}
    if needs.get("__call__", ())[-3:] == ("discriminator", "x_real", "x_fake"):
        return [Form("penalty", ((Call("__call__", needs["__call__"], (), None),),), None)]
    if needs.get("discriminator_step") == ("x_real", "x_fake") and needs.get("generator_step") == ("x_fake",):
        return [Form(p, ((Call(f"{p}_step", (), (), None),),), None) for p in ("discriminator", "generator")]
    return []


# ---- targets -------------------------------------------------------------------------------------------


def targets(module):
    """Return {name: Target} of all that can be checked among what a module defines itself."""
    nodes = {n.name: n for n in tree_of(module).body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    for n in tree_of(module).body:
        if isinstance(n, ast.Assign) and isinstance(n.value, ast.Lambda):
            nodes |= {t.id: n for t in n.targets if isinstance(t, ast.Name)}
    own = {name: vars(module)[name] for name in nodes if name in vars(module)}
    functions = {
        name: f for name, f in own.items() if isinstance(f, types.FunctionType) and not name.endswith("_by_definition")
    }
    plain = {name: f for name, f in functions.items() if not calls_its_argument(call_of(name, f))}
    rules = {name: f for name, f in plain.items() if is_rule(name, required(f)) or makes_rule(name, f)}
    found = {name: Target(name, f, None, (Form("rule", (), None),), module, "") for name, f in rules.items()}
    for form in forms({name: f for name, f in functions.items() if name not in rules}, module):
        if not form.name.startswith("_") or form.kind == "pair" or LOSS.fullmatch(form.name):
            before = found[form.name].forms if form.name in found else ()  # a step of both players
            new = of_function(form, functions[form.name], module)
            found[form.name] = new._replace(forms=(*before, form))
    for name, thing in own.items():
        if isinstance(thing, type) and not name.startswith("_"):
            target = of_class(thing, module, nodes[name])
            gradients = [form.gradient.node for form in target.forms if form.gradient and form.gradient.node]
            empty = inspect.isabstract(thing) or any(map(is_unfilled, [nodes[name], *gradients]))
            empty = empty or gradients and all(map(is_empty, gradients))
            empty = empty or any(form.kind == "rule" for form in target.forms)
            if target.forms and not (is_base(thing, module) and empty):
                found[name] = target
    return left_over({name: found[name] for name in nodes if name in found}, own, module)


def left_over(found, own, module):
    """Add to {name: Target} the gradients that go with nothing, and are called by nothing that is checked."""
    bodies = {}
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.FunctionDef):
            bodies.setdefault(node.name, []).append(node)
    everywhere = names_used([form for target in found.values() for form in target.forms], bodies)
    for name, thing in own.items():
        kind = isinstance(thing, type)
        known = names_used(found[name].forms if name in found else (), bodies) if kind else everywhere
        own_kinds = {form.kind for form in found[name].forms} <= {"pair", "both", "step"} if name in found else True
        methods = {} if is_base(thing, module) or not own_kinds else vars(thing) if kind else {name: thing}
        left = tuple(k for k, f in methods.items() if k not in known and (is_gradient(k, f) or adds_to_gradients(f)))
        if kind and RULE.fullmatch(name) and name not in found:  # an optimizer that takes its steps otherwise
            own = {k: required(f) for k, f in methods.items() if isinstance(f, types.FunctionType) and k[:2] != "__"}
            left += tuple(k for k, needs in own.items() if GRADIENTS.intersection(map(str.lower, needs)))
        left = tuple(k for k in left if not calls_its_argument(call_of(k, methods[k])))
        if left:
            target = found.get(name, Target(name, thing, thing if kind else None, (), module, ""))
            found[name] = target._replace(left=left)
    return found


def is_base(kind, module):
    """Is it a class on which another one of the module builds?"""
    return any(isinstance(other, type) and kind in other.__mro__[1:] for other in vars(module).values())


def names_used(forms, bodies):
    """All names that the functions of these Forms speak of, and the functions of these names, and so on."""
    calls = [call for form in forms for value in (*form.values, (form.gradient,)) for call in value if call is not None]
    used = {call.name for call in calls}
    waiting = [node for call in calls for node in ([call.node] if call.node else bodies.get(call.name, []))]
    while waiting:
        names = {getattr(n, "attr", getattr(n, "id", "")) for n in ast.walk(waiting.pop())} - used
        used |= names
        waiting += [body for name in names for body in bodies.get(name, ())]
    return used


def is_gradient(name, function):
    """Is it a function that computes a gradient, by its name, and not by nudging?"""
    node = node_of(function) if isinstance(function, types.FunctionType) else None
    found = node and not is_empty(node) and GRADIENT.fullmatch(name) and not NO_GRADIENT.fullmatch(name)
    return bool(found) and not only_collects(name, node)


def only_collects(name, node):
    """Does ``grads(self)`` hand out what is kept, and compute nothing?"""
    if node is None or not re.fullmatch(r"(get_)?(grad(ient)?s?|params_and_grads)", name):
        return False
    computes = [part for part in walk_own(node) if isinstance(part, ast.BinOp) and not isinstance(part.op, ast.Add)]
    calls = [part for part in walk_own(node) if isinstance(part, ast.Call) and ast.unparse(part.func)[:3] == "np."]
    args = {arg.arg for arg in node.args.args} - {"self"}
    return isinstance(node, ast.FunctionDef) and not (computes or calls or args)


def adds_to_gradients(function):
    """Does it add to what is called a gradient: ``self.param.W_diff += ...``?"""
    node = node_of(function) if isinstance(function, types.FunctionType) else None
    parts = [part.target for part in (walk_own(node) if node else ()) if isinstance(part, ast.AugAssign)]
    names = [getattr(part, "attr", getattr(part, "id", "")) for part in parts]
    return any(re.fullmatch(r"\w+_(diff|grad)", name) for name in names)


def is_rule(name, needs):
    """Is a function with these arguments one step of an optimizer, or a clipping of gradients?"""
    if CLIP.fullmatch(name) and len(needs) == 2 and GRADIENTS.intersection(map(str.lower, needs[:1])):
        return True
    pairs = sum(named_after(g, name) == 3 for g in needs for name in needs if g != name)
    if {"D", "G"} <= set(needs):  # the two networks
        return False
    given = GRADIENTS.intersection(map(str.lower, needs)) and len(needs) > 1 and pairs < 2  # not W, b, dW, db
    given = given or pairs == 1 and RULE.fullmatch(name)  # adam(x, dx, config)
    return bool(given and (RULE.fullmatch(name) or "update" in name) and not LOSS.fullmatch(name))


def makes_rule(name, function):
    """Does it return the functions of an optimizer, ``init, update, get_params = adam(step_size)``?"""
    node = node_of(function) if RULE.fullmatch(name) and not required(function) else None
    inside = {part.name for part in ast.walk(node) if isinstance(part, ast.FunctionDef)} if node is not None else set()
    return len(inside) == 4 and bool(inside & {"update", "step"})


def of_function(form, function, module):
    """Return the Target of one Form among a module's functions."""
    nodes = {call.name: call.node for value in form.values for call in value}
    nodes = ({form.name: form.gradient.node} if form.gradient else {}) | nodes
    return Target(form.name, function, None, (form,), module, text_about(module, nodes.values()))


def hands_on_to(method):
    """The name of the method that one hands all its arguments on to, ``return self.updateOutput(*args)``, or ""."""
    node = node_of(method)
    end = node.body[-1] if node is not None else None
    match = re.fullmatch(r"return self\.(\w+)\(\*\w+(, \*\*\w+)?\)", ast.unparse(end)) if end else None
    return match[1] if match and len(node.body) == 1 else ""


def of_class(kind, module, node=None):
    """Return the Target of a class."""
    methods = {}
    for base in reversed(kind.__mro__):
        for name, method in vars(base).items():
            method = getattr(method, "__func__", method)
            public = name == "__call__" or not name.startswith(("__", "tangent"))  # tangents: see lesson 13's tests
            if isinstance(method, types.FunctionType) and public:
                methods[name] = method
    methods = {name: method for name, method in methods.items() if hands_on_to(method) not in methods}
    steps = [name for name in STEPS_OF_A_RULE if name in methods]
    steps = [name for name in steps if not re.fullmatch(r"self, (t|step|epoch|i)", ", ".join(required(methods[name])))]
    if RULE.fullmatch(kind.__name__) and steps:  # and no schedule
        return Target(kind.__name__, kind, kind, (Form("rule", (), None),), module, "")
    found = game(methods) or forms(methods, module)
    return Target(kind.__name__, kind, kind, tuple(found), module, text_about(module, [node]))
