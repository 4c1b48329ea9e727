"""The typical mistakes in the losses."""

from __future__ import annotations

from tinygan.doctor.words import BROKEN
from tinygan.workshop.mistakes.rows import Mistake, broken, known, own

# fmt: off
BCE, BCE_D = "loss = np.mean(np.maximum(s, 0) - t * s + np.log1p(np.exp(-np.abs(s))))", "return loss, (p - t) / s.size"
PLAIN = "p = 1 / (1 + np.exp(-s))\n    loss = "
LOG = "np.mean(t * np.log({p}) + (1 - t) * np.log({q}))"
NAIVE, EPS = LOG.format(p="p", q="1 - p"), LOG.format(p="p + 1e-8", q="1 - p + 1e-8")
CLIP = "p = np.clip(1 / (1 + np.exp(-s)), 1e-7, 1 - 1e-7)\n    loss = -" + NAIVE
LOSS_LOST = "the gradient alone is returned", "return loss, gradient"
BCE_MISTAKES = [
    Mistake(*BROKEN["overflow"][:3], (BCE, PLAIN + "-" + NAIVE)),
    own("overflow", BROKEN["overflow"][1], BROKEN["overflow"][2], BCE, "loss = np.mean(np.log(1 + np.exp(s)) - t * s)"),
    own("overflow", BROKEN["overflow"][1], BROKEN["overflow"][2], BCE, "loss = np.mean(np.log(1 + np.exp(-s)) + (1 - t) * s)"),
    own("overflow", BROKEN["overflow"][1], BROKEN["overflow"][2], BCE, "loss = np.mean(t * np.log(1 + np.exp(-s)) + (1 - t) * np.log(1 + np.exp(s)))"),
    own("overflow", "loss and gradient are right, but for a negative logit of some size exp(-s) is inf on the way, and NumPy warns of an overflow", "σ(s) = (1 + tanh(s/2))/2 never computes a large exponential", "p = 0.5 + 0.5 * np.tanh(0.5 * s)", "p = 1 / (1 + np.exp(-s))"),
    own("overflow", "the loss is right; in its gradient exp(800)/exp(800) is nan", "σ(s) = (1 + tanh(s/2))/2", "p = 0.5 + 0.5 * np.tanh(0.5 * s)", "p = np.exp(s) / (1 + np.exp(s))"),
    *(own("saturated by clipping or epsilon", BROKEN["epsilon"][1], BROKEN["epsilon"][2], BCE, f"p = 1 / (1 + np.exp(-s))\n    loss = -{EPS.replace('1e-8', e)}") for e in ("1e-8", "1e-7", "1e-12", "1e-15", "1e-10", "1e-6")),
    *(own("saturated by clipping or epsilon", BROKEN["clip"][1], BROKEN["clip"][2], BCE, CLIP.replace("1e-7", e)) for e in ("1e-7", "1e-8", "1e-12", "1e-15", "1e-10", "1e-6", "1e-5")),
    *(own("saturated by clipping or epsilon", BROKEN["clip"][1], BROKEN["clip"][2], BCE, CLIP.replace("1e-7", e), "    p = 0.5 + 0.5 * np.tanh(0.5 * s)\n", "") for e in ("1e-7", "1e-8", "1e-12", "1e-15", "1e-10", "1e-6", "1e-5")),
    own("saturated by clipping or epsilon", BROKEN["clip"][1], BROKEN["clip"][2], BCE, "s = np.clip(s, -50, 50)\n    " + BCE),
    own("saturated by clipping or epsilon", BROKEN["clip"][1], BROKEN["clip"][2], BCE, "s = np.clip(s, -500, 500)\n    " + BCE),
    known("missing 1/N", BCE_D, "return loss, p - t"),
    known("1/N divided twice", BCE_D, "return loss, (p - t) / s.size**2"),
    known("wrong sign", BCE_D, "return loss, (t - p) / s.size"),
    known("derivative twice", BCE_D, "return loss, (p - t) * p * (1 - p) / s.size"),
    known("derivative missing", BCE_D, "return loss, ((1 - t) / (1 - p) - t / p) / s.size"),
    known("derivative missing", BCE_D, "return loss, (s - t) / s.size"),
    known("constant factor", BCE_D, "return loss, 2 * (p - t) / s.size"),
    known("summed over everything", BCE_D, "return loss, np.mean(p - t)"),
    own("wrong sign of the loss", "the loss is negative: higher is better", "loss = -mean(t log p + (1 - t) log(1 - p))", BCE, BCE.replace("loss = np", "loss = -np")),
    own("loss is a sum", *BROKEN["sum"][1:3], BCE, BCE.replace("np.mean", "np.sum")),
    own("loss is a sum", *BROKEN["sum"][1:3], BCE, BCE.replace("np.mean", "np.sum"), BCE_D, "return loss, p - t"),
    own("not a number", "the loss has an entry for each sample", "a mean over the batch is one number", BCE, BCE.replace("np.mean(", "(")),
    own("half of the loss missing", "what is paid for target 0 is missing", "-mean(t log p + (1 - t) log(1 - p))", BCE, "loss = np.mean(t * (np.maximum(-s, 0) + np.log1p(np.exp(-np.abs(s)))))"),
    own("half of the loss missing", "what is paid for target 1 is missing", "-mean(t log p + (1 - t) log(1 - p))", BCE, "loss = np.mean((1 - t) * (np.maximum(s, 0) + np.log1p(np.exp(-np.abs(s)))))"),
    own("targets exchanged", "1 is paid for as 0, and 0 as 1", "t log p + (1 - t) log(1 - p): a high logit is right for t = 1", BCE, BCE.replace("t * s", "(1 - t) * s")),
    own("targets exchanged", "1 is paid for as 0, and 0 as 1", "t log p + (1 - t) log(1 - p): a high logit is right for t = 1", BCE, BCE.replace("t * s", "(1 - t) * s"), BCE_D, "return loss, (p - 1 + t) / s.size"),
    own("targets exchanged", "σ of the wrong sign: 1 is paid for as 0, and 0 as 1", "σ(s) = 1/(1 + exp(-s))", "s, t = logits, target", "s, t = -logits, target"),
    own("no sigmoid", "log and p are taken of the logits, which are no probabilities", "p = σ(s)", BCE, "p = s\n    loss = -" + NAIVE),
    own("another loss", "this is the squared error of the probabilities", "-mean(t log p + (1 - t) log(1 - p))", BCE, "loss = 0.5 * np.mean((0.5 + 0.5 * np.tanh(0.5 * s) - t) ** 2)"),
    own("logarithm to base 2", "the loss is in bits", "np.log is the natural one", BCE, BCE + " / np.log(2)"),
    own("constant factor of the loss", "the loss is half as large", "-mean(t log p + (1 - t) log(1 - p))", BCE, BCE.replace("loss = np", "loss = 0.5 * np")),
    own("exchanged", "gradient and loss come in another order", "return loss, gradient", BCE_D, "return (p - t) / s.size, loss"),
    own("one of two missing", "only the loss is returned", "return loss, gradient", BCE_D, "return loss"),
    own("one of two missing", *LOSS_LOST, BCE_D, "return (p - t) / s.size"),
    own("return missing", "nothing is returned", "return loss, gradient", BCE_D, "loss, (p - t) / s.size"),
    own("wrong shape", "the gradient must have the shape of the logits, (N, 1)", "no reshape, no ravel", BCE_D, "return loss, ((p - t) / s.size).ravel()"),
    broken("in place", "s, t = logits, target", "s, t = logits, target\n    s *= 0.5"),
    own("brackets missing", "only t is divided by N", "(p - t)/N", BCE_D, "return loss, p - t / s.size"),
    known("wrong product", BCE_D, "return loss, (p - t) * s / s.size"),
    own("sign lost", "the absolute value of p - t has no direction", "(p - t)/N", BCE_D, "return loss, np.abs(p - t) / s.size"),
    *(own("saturated by clipping or epsilon", BROKEN["clip"][1], BROKEN["clip"][2], BCE_D, f"return loss, ((1 - t) / (1 - p + {e}) - t / (p + {e})) * p * (1 - p) / s.size") for e in ("1e-12", "1e-8", "1e-7")),
    own("wrong sign", "t s is added, and must be subtracted", "log(1 + exp(s)) - t s", BCE, BCE.replace("- t * s", "+ t * s")),
    own("absolute value in place of the maximum", "|s| in place of max(s, 0)", "log(1 + exp(s)) = max(s, 0) + log(1 + exp(-|s|))", BCE, BCE.replace("np.maximum(s, 0)", "np.abs(s)")),
    own("maximum missing", "the term max(s, 0) is missing: the loss is too small where s is positive", "log(1 + exp(s)) = max(s, 0) + log(1 + exp(-|s|))", BCE, BCE.replace("np.maximum(s, 0) - t * s", "-t * s")),
    own("logarithm missing", "exp(-|s|) in place of log(1 + exp(-|s|))", "log(1 + exp(s)) = max(s, 0) + log(1 + exp(-|s|))", BCE, BCE.replace("np.log1p(np.exp(-np.abs(s)))", "np.exp(-np.abs(s))")),
    own("target missing", "t has no part in the gradient", "(p - t)/N", BCE_D, "return loss, p / s.size"),
    own("target missing", "t has no part in the loss", "log(1 + exp(s)) - t s", BCE, BCE.replace(" - t * s", "")),
]
LS, LS_D, LS_R = "0.5 * np.mean(difference**2)", "difference / out.size", "difference = out - target"
LEAST_SQUARES = [
    known("constant factor", LS_D, "2 * difference / out.size"),
    known("constant factor", LS_D, "0.5 * difference / out.size"),
    known("missing 1/N", LS_D, "difference"),
    known("missing 1/N", LS_D, "2 * difference"),
    known("1/N divided twice", LS_D, "difference / out.size**2"),
    known("wrong sign", LS_D, "-difference / out.size"),
    own("half missing", "the loss is mean((out - target)²): twice as large", "½ mean((out - target)²)", LS, "np.mean(difference**2)"),
    own("half missing", "loss and gradient are those of mean((out - target)²): twice as large", "½ mean((out - target)²)", LS, "np.mean(difference**2)", LS_D, "2 * difference / out.size"),
    own("loss is a sum", *BROKEN["sum"][1:3], LS, "0.5 * np.sum(difference**2)"),
    own("loss is a sum", *BROKEN["sum"][1:3], LS, "0.5 * np.sum(difference**2)", LS_D, "difference"),
    own("loss is a sum", *BROKEN["sum"][1:3], LS, "np.sum(difference**2)"),
    own("loss is a sum", *BROKEN["sum"][1:3], LS, "np.sum(difference**2)", LS_D, "2 * difference"),
    own("mean squared", "the mean is taken first, and then squared", "½ mean((out - target)²): square, then mean", LS, "0.5 * np.mean(difference) ** 2"),
    own("square missing", "the differences are not squared", "½ mean((out - target)²)", LS, "0.5 * np.mean(difference)"),
    own("square missing", "the absolute values are not the squares", "½ mean((out - target)²)", LS, "0.5 * np.mean(np.abs(difference))"),
    own("another loss", "the squares of out and of target are subtracted", "½ mean((out - target)²)", LS, "0.5 * np.mean(out**2 - target**2)"),
    own("another loss", "the root of the mean square is another function", "½ mean((out - target)²)", LS, "np.sqrt(np.mean(difference**2))"),
    own("another loss", "a σ stands before the square: here out is compared as it is", "½ mean((out - target)²)", LS_R, "difference = 0.5 + 0.5 * np.tanh(0.5 * out) - target"),
    known("wrong product", LS_D, "difference**2 / out.size"),
    known("wrong product", LS_D, "out / out.size"),
    known("wrong product", LS_D, "difference * out / out.size"),
    known("summed over everything", LS_D, "np.mean(difference)"),
    own("wrong sign", "out + target: what is wanted is their difference", "½ mean((out - target)²)", LS_R, "difference = out + target"),
    own("not a number", "the loss has an entry for each sample", "a mean over the batch is one number", LS, "0.5 * difference**2"),
    own("wrong sign of the loss", "the loss is negative", "½ mean((out - target)²)", LS, "-0.5 * np.mean(difference**2)"),
    own("wrong shape", "the gradient must have the shape of out, (N, 1)", "no reshape, no ravel", LS_D, "(difference / out.size).ravel()"),
    own("exchanged", "gradient and loss come in another order", "return loss, gradient", f"return {LS}, {LS_D}", f"return {LS_D}, {LS}"),
    own("one of two missing", "only the loss is returned", "return loss, gradient", f", {LS_D}", ""),
    own("one of two missing", *LOSS_LOST, f"{LS}, ", ""),
    own("return missing", "nothing is returned", "return loss, gradient", f"return {LS}", LS),
    broken("in place", LS_R, "out -= target\n    difference = out"),
    own("square missing", "the differences are halved, averaged and then squared", "½ mean((out - target)²)", LS, "np.mean(0.5 * difference) ** 2"),
    own("sign only", "the gradient has the sign of the difference, not its size", "(out - target)/N", LS_D, "np.sign(difference) / out.size"),
    own("square missing", "the half stands within the square: a quarter", "½ mean((out - target)²)", LS, "np.mean((0.5 * difference) ** 2)"),
]
# fmt: on
