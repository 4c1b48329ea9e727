"""What the names of functions and of arguments mean in learners' files."""

from __future__ import annotations

import re

# fmt: off
GRADIENT = re.compile(r"(?P<before>.*?)_?(backward(_?pass|_?propagat\w+|_?prop)?|back_?prop\w*|pull_?back|back(?![a-z])|pull(?![a-z_])|bprop|bwd?(?![a-z])|(sub)?gradient(s|en)?|grads?|prime|deriv(ative|ation)?s?(?![a-z])|partials|adjoint|vjp|bptt|ableitung(en)?|r(ue|ü)ckw(ae|ä)rts)_?(?P<after>.*)", re.I)
FORWARD = r"(update_?output|forward(_?pass|_?train|_?propagat\w+|_?prop)?|fprop|fwd|feed(_?forward)?|vorw(ae|ä)rts|__call__|call|predict|value|loss|cost|comp\w*|calc\w*|func\w*|fn|)"
LOSS = re.compile(r".*(loss|cost|error|objective|criterion|energy|nll|entropy|mse|bce|penalty|divergence|likelihood|neg_?log|log_?lik|(log_?|neg_?)evidence|elbo|energ\w*|kosten|verlust|fehler).*", re.I)
STEP = re.compile(r"(?!.*(forward|backward|cell))(.*_)?(step|update)(_.*)?|train_?(d|g|disc\w*|gen\w*|critic|on(_\w+)?|(mini_?)?batch|one(_?\w+)?|pair|sample|example|sentence|sequence|word|\w*step)|sgd|learn(_one)?|(partial_)?fit_(one|sample)|partial_fit", re.I)
RULE = re.compile(r"(?!.*(loss|layer)).*?(sgd|momentum|nesterov|nag|ada_?grad|rms_?prop|ada_?delta|adam\w*|gradient_?descent|optimi[sz]er|nadam)(_?\w*)", re.I)
STEPS_OF_A_RULE = ("step", "update", "apply_gradients", "update_params", "get_updates", "apply", "__call__")
DOUT = re.compile(r"d|g|g[xyzhaou]|d[A-Za-z]\w*|d_\w+|\w*grad\w*|g_\w+|up\w*|delta\w*|\w*err(or)?\w*|fehler\w*|back\w*|out_?d\w*|\w+bar", re.I)
RATE = re.compile(r"lr(_\w+)?|l_?rate|\w+_lr|learn\w*_?rate|eta|step_?size|alpha|rate", re.I)
FLAG = re.compile(r"deriv\w*|prime|grad\w*|d|backward", re.I)  # of f(x, deriv=False)
GRADIENTS = {"grads", "gradients", "grad", "g", "dw", "grads_and_vars", "gradient", "dparams", "derivatives"}
CLIP = re.compile(r"clip\w*_norm\w*")  # of gradients
CACHE = re.compile(r"\w*cache\w*|ctx|context|saved\w*|memory|tape|mem|aux|residuals?|store", re.I)
NO_LOSS = re.compile(r"(?!.*back).*forward.*|(init|_(?!\w*(loss|cost))|make|load|split|im2col|param|get_(?!.*(loss|cost))|fit|train|run|main|sample|generate).*|.*(shape|size).*")
COMMON_WORDS = set("""loss cost function fn func nll objective error value compute calc calculate get eval forward backward gradient
gradients grad grads derivative deriv prime d of the""".split())
NO_GRADIENT = re.compile(r"no_?grad|fit_.*|tangent.*|save.*|param\w*_grads?|.*(num|check|test|clip|zero|norm|finite|approx|estimat|reset|flush|apply|plot|print|init|get_|set_|compare|descen[td]|ascent).*", re.I)
LOOP = re.compile(r"((n|num|max)_?)?(epochs?|iter(s|ations?)?)", re.I)
# fmt: on


def is_loss(name):
    """Is this the name of a loss, and not of its derivative, like cost_derivative?"""
    return bool(LOSS.fullmatch(name)) and not re.search(r"deriv|prime|ableitung", name, re.I)


def is_exact(name, stem):
    """Is it what a stem is the gradient of, by its whole name: linear, or linear_forward?"""
    return name == stem or re.fullmatch(rf"{re.escape(stem)}_?{FORWARD}|{FORWARD}_?{re.escape(stem)}", name)


def core(name):
    """The words of a name that say what it is about: {"reg"} of gradient_reg and of costFunctionReg."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", name)
    return {word.lower() for word in words} - COMMON_WORDS


def sides_in(name):
    """The players, "d" and "g", that a name speaks of."""
    same = {"disc": "d", "critic": "d", "gen": "g"}
    found = re.findall(r"(?:^|_)(?:(disc(?!ount)|critic|gen)[a-z]*(?:_|$)|([dg])(?!rad)(?=_|$|[a-z]*$))", name.lower())
    return {same.get(side, side) for pair in found for side in pair if side}
