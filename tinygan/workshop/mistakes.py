"""The typical mistakes of each blank, as edits of the right code: what yields the same as one of them has that name.

A row says what the mistake is called, what it means and where to look (or takes the doctor's words for it), and what
is replaced in the finished project, by what. ``ALSO_RIGHT`` are other ways that yield slightly different numbers.
"""

from __future__ import annotations

from typing import NamedTuple

from tinygan.doctor.rules import MISTAKES as RULES
from tinygan.doctor.words import BROKEN, WORDS


class Mistake(NamedTuple):
    """A mistake: name, meaning, where to look, and the edits (old, new, old, new, ...) that make it."""

    name: str
    meaning: str
    look: str
    edits: tuple


def known(name, *edits):
    """Return a mistake that the doctor has words for."""
    return Mistake(name, *WORDS[name], edits)


def broken(kind, *edits):
    """Return a promise that is broken, in the doctor's words."""
    return Mistake(*BROKEN[kind][:3], edits)


def rule(kind, *edits):
    """Return a mistake in an optimizer, in the doctor's words."""
    return Mistake(*RULES[kind], edits)


def own(name, meaning, look, *edits):
    """Return a mistake in words of its own."""
    return Mistake(name, meaning, look, edits)


# fmt: off
# ---- layers ----------------------------------------------------------------------------------------------

DENSE_OUT, DW, DB, DX = (
    "return x @ self.W + self.b",
    "self.dW[...] = self.x.T @ dout",
    "self.db[...] = dout.sum(axis=0)",
    "return dout @ self.W.T",
)
REBOUND = (
    "replaced instead of filled",
    "the gradient is a new array, and the vector of the network, into which the old one was a view, never sees it",
    "self.dW[...] = ... changes what is in the array; self.dW = ... is another array",
)
UNFROZEN = (
    "not frozen",
    "with param_grads=False the gradients of the parameters were filled all the same",
    "if param_grads: fill dW and db; dx is returned in any case",
)
DENSE_FORWARD = [
    own("bias missing", "out is x W alone", "out[n, o] = Σ_i x[n, i] W[i, o] + b[o]", DENSE_OUT, "return x @ self.W"),
    own("wrong sign", "b is subtracted", "out = x W + b", DENSE_OUT, "return x @ self.W - self.b"),
    own("wrong sign", "x W is subtracted", "out = x W + b", DENSE_OUT, "return self.b - x @ self.W"),
    own("wrong sign", "all of it is negative", "out = x W + b", DENSE_OUT, "return -(x @ self.W + self.b)"),
    own("transposed matrix", "W is (I, O): its transpose does not fit behind x", "(N, I)(I, O) = (N, O): x @ W", DENSE_OUT, "return x @ self.W.T + self.b"),
    own("transposed matrix", "W and x are exchanged: the shapes do not fit", "(N, I)(I, O) = (N, O): x @ W", DENSE_OUT, "return self.W @ x + self.b"),
    own("transposed result", "out is (O, N): one sample must be a row", "(N, I)(I, O) = (N, O): x @ W", DENSE_OUT, "return (x @ self.W + self.b).T"),
    own("transposed result", "out is (O, N): one sample must be a row", "(N, I)(I, O) = (N, O): x @ W + b", DENSE_OUT, "return self.W.T @ x.T + self.b[:, None]"),
    own("entry by entry", "* multiplies entry by entry, and the shapes do not fit", "a product of matrices is @", DENSE_OUT, "return x * self.W + self.b"),
    own("constant factor", "there is a 1/N in it", "a mean over the batch belongs into the loss, nowhere else", DENSE_OUT, "return (x @ self.W + self.b) / len(x)"),
    own("constant factor", "there is a 1/I in it", "Σ_i x[n, i] W[i, o] is a sum, no mean", DENSE_OUT, "return x @ self.W / x.shape[1] + self.b"),
    own("summed over the batch", "one row is left of the batch", "out has a row for each sample", DENSE_OUT, "return (x @ self.W + self.b).sum(axis=0)"),
    own("summed over the outputs", "out has an entry for each o", "out[n, o] = Σ_i x[n, i] W[i, o] + b[o]: only i is summed over", DENSE_OUT, "return (x @ self.W + self.b).sum(axis=1, keepdims=True)"),
    own("bias once too often", "b is added for each input", "out = x W + b: b once", DENSE_OUT, "return x @ (self.W + self.b)"),
    own("bias twice", "b is added twice", "out = x W + b: b once", DENSE_OUT, "return x @ self.W + self.b + self.b"),
    own("one number in place of the bias", "the sum of b is added to all", "out[n, o] = ... + b[o]", DENSE_OUT, "return x @ self.W + self.b.sum()"),
    own("one number in place of the bias", "the mean of b is added to all", "out[n, o] = ... + b[o]", DENSE_OUT, "return x @ self.W + self.b.mean()"),
    own("an activation in the layer", "negative entries are cut off", "the bend is a layer of its own (lesson 03)", DENSE_OUT, "return np.maximum(x @ self.W + self.b, 0)"),
    own("return missing", "forward gives nothing back", "return x @ self.W + self.b", DENSE_OUT, "x @ self.W + self.b"),
    broken("in place", DENSE_OUT, "self.W += 0.1\n        return x @ self.W + self.b"),
]
DENSE_BACKWARD = [
    known("1/N divided twice", DW, DW + " / len(dout)"),
    known("1/N divided twice", DB, "self.db[...] = dout.mean(axis=0)"),
    known("1/N divided twice", DX, "return dout @ self.W.T / len(dout)"),
    known("1/N divided twice", DW, DW + " / len(dout)", DB, "self.db[...] = dout.mean(axis=0)"),
    known("1/N divided twice", DW, DW + " / len(dout)", DB, "self.db[...] = dout.mean(axis=0)", DX, "return dout @ self.W.T / len(dout)"),
    known("wrong sign", DW, "self.dW[...] = -self.x.T @ dout"),
    known("wrong sign", DB, "self.db[...] = -dout.sum(axis=0)"),
    known("wrong sign", DX, "return -dout @ self.W.T"),
    known("transposed matrix", DX, "return dout @ self.W"),
    known("transposed matrix", DX, "return self.W @ dout"),
    known("transposed matrix", DW, "self.dW[...] = self.x @ dout"),
    known("transposed matrix", DW, "self.dW[...] = dout.T @ self.x"),
    known("transposed matrix", DW, "self.dW[...] = self.x @ dout.T"),
    known("transposed matrix", DW, "self.dW[...] = dout @ self.x.T"),
    known("transposed result", DX, "return (dout @ self.W.T).T"),
    known("transposed result", DX, "return self.W @ dout.T"),
    known("summed over everything", DB, "self.db[...] = dout.sum()"),
    known("summed over everything", DB, "self.db[...] = dout.mean()"),
    known("summed over the wrong axis", DB, "self.db[...] = dout.sum(axis=1)"),
    known("not summed over the batch", DB, "self.db[...] = dout"),
    known("not every sample counted", DB, "self.db[...] = dout[-1]"),
    known("not every sample counted", DB, "self.db[...] = dout[0]"),
    known("not every sample counted", DW, "self.dW[...] = np.outer(self.x[-1], dout[-1])"),
    known("not every sample counted", DW, "self.dW[...] = np.outer(self.x[0], dout[0])"),
    known("disconnected", DB, "pass"),
    known("disconnected", DW, "pass"),
    known("disconnected", DB, "self.db[...] = 0"),
    known("disconnected", DW, "self.dW[...] = 0"),
    known("silent broadcast", DW, "self.dW[...] = (self.x.T @ dout).sum(axis=1, keepdims=True)"),
    known("silent broadcast", DW, "self.dW[...] = (self.x.T @ dout).sum(axis=0)"),
    known("upstream gradient ignored", DW, "self.dW[...] = self.x.sum(axis=0)[:, None]"),
    known("upstream gradient ignored", DX, "return np.ones_like(dout) @ self.W.T"),
    known("upstream gradient ignored", DB, "self.db[...] = len(dout)"),
    known("upstream gradient ignored", DB, "self.db[...] = 1"),
    known("wrong product", DX, "return self.x"),
    known("wrong product", DX, "return dout"),
    broken("accumulated", DW, DW.replace("=", "+=")),
    broken("accumulated", DB, DB.replace("] =", "] +=")),
    broken("accumulated", DW, DW.replace("=", "+="), DB, DB.replace("] =", "] +=")),
    own(*REBOUND, DW, "self.dW = self.x.T @ dout", DB, "self.db = dout.sum(axis=0)"),
    own(*REBOUND, DW, "self.dW = self.x.T @ dout"),
    own(*REBOUND, DB, "self.db = dout.sum(axis=0)"),
    own(*UNFROZEN, "if param_grads:\n            self.dW", "if True:\n            self.dW"),
    own(*UNFROZEN, "    if param_grads:\n            self.dW", "    self.db[...] = dout.sum(axis=0)\n        if param_grads:\n            self.dW"),
    own("not frozen", "with param_grads=False the gradients were set to zero: they are to stay as they are", UNFROZEN[2], "        if param_grads:\n            self.dW", "        self.dW[...] = self.db[...] = 0\n        if param_grads:\n            self.dW"),
    own("no dx while frozen", "with param_grads=False nothing is returned", "the gradient still passes: return dx in any case", "    if param_grads:\n            self.dW", "    if not param_grads:\n            return None\n        if True:\n            self.dW"),
    own("flag the wrong way round", "the gradients are filled if param_grads is False, and left alone if it is True", "if param_grads: fill dW and db", "if param_grads:\n            self.dW", "if not param_grads:\n            self.dW"),
    own("return missing", "backward gives nothing back", "return dout @ self.W.T", DX, "dout @ self.W.T"),
    own("stale cache", BROKEN["stale"][1], BROKEN["stale"][2], "        self.x = x\n        return x @ self.W", "        if not hasattr(self, 'x'):\n            self.x = x\n        return x @ self.W"),
    own("stale cache", BROKEN["neighbor"][1], BROKEN["neighbor"][2], "        self.x = x\n        return x @ self.W", "        type(self).x = x\n        return x @ self.W"),
    own("wrong array kept", "forward keeps out, and dW needs x", "W[i, o] is felt through x[n, i]: dW = xᵀ dout", "        self.x = x\n        return x @ self.W + self.b", "        self.x = x @ self.W + self.b\n        return self.x"),
    broken("parameters", DX, "dx = dout @ self.W.T\n        self.W -= 0.1 * self.dW\n        return dx"),
    broken("in place", DB, DB + "\n            dout /= len(dout)"),
]
BEND, BEND_DX = "return np.where(x > 0, x, self.alpha * x)", "return np.where(self.x > 0, dout, self.alpha * dout)"
LEAKY_RELU = [
    own("wrong slope on one side", "alpha is on the side of the positive x", "out = x where x > 0, alpha·x elsewhere", BEND, "return np.where(x > 0, self.alpha * x, x)"),
    own("wrong slope on one side", "this is a ReLU: negative x become 0", "out = alpha·x where x is negative", BEND, "return np.maximum(x, 0)"),
    own("wrong slope on one side", "alpha in place of alpha·x: a constant where x is negative", "out = alpha·x where x is negative", BEND, "return np.where(x > 0, x, self.alpha)"),
    own("wrong slope on one side", "negative x become positive", "out = alpha·x where x is negative", BEND, "return np.where(x > 0, x, -self.alpha * x)"),
    own("wrong slope on one side", "alpha is subtracted", "out = alpha·x where x is negative", BEND, "return np.where(x > 0, x, x - self.alpha)"),
    own("no bend", "out is x", "out = x where x > 0, alpha·x elsewhere", BEND, "return x.copy()"),
    own("no bend", "everything is multiplied by alpha", "out = x where x > 0, alpha·x elsewhere", BEND, "return self.alpha * x"),
    own("both pieces added", "x and alpha·x are added where x > 0", "out = x where x > 0, alpha·x elsewhere", BEND, "return np.maximum(x, 0) + self.alpha * x"),
    own("slope returned", "forward returns the slope, 1 or alpha, not out", "out = x · slope", BEND, "return np.where(x > 0, 1, self.alpha)"),
    own("slope written down", "0.2 stands where alpha belongs", "self.alpha", BEND, "return np.where(x > 0, x, 0.2 * x)"),
    own("slope written down", "0.2 stands where alpha belongs", "self.alpha", BEND_DX, "return np.where(self.x > 0, dout, 0.2 * dout)"),
    own("slope written down", "0.01 stands where alpha belongs", "self.alpha", BEND, "return np.where(x > 0, x, 0.01 * x)"),
    own("slope written down", "0.01 stands where alpha belongs", "self.alpha", BEND_DX, "return np.where(self.x > 0, dout, 0.01 * dout)"),
    broken("in place", BEND, "x[x <= 0] *= self.alpha\n        return x"),
    known("activation mask inverted", BEND_DX, "return np.where(self.x > 0, self.alpha * dout, dout)"),
    known("activation mask missing", BEND_DX, "return dout"),
    known("activation mask missing", BEND_DX, "return self.alpha * dout"),
    known("upstream gradient ignored", BEND_DX, "return np.where(self.x > 0, 1, self.alpha)"),
    known("wrong slope on one side", BEND_DX, "return np.where(self.x > 0, dout, 0)"),
    known("wrong slope on one side", BEND_DX, "return np.where(self.x > 0, dout, -self.alpha * dout)"),
    known("wrong slope on one side", BEND_DX, "return np.where(self.x > 0, dout, self.alpha)"),
    known("wrong slope on one side", BEND_DX, "return np.where(self.x > 0, dout, dout / self.alpha)"),
    known("wrong slope on one side", BEND_DX, "return np.where(self.x > 0, dout, (1 - self.alpha) * dout)"),
    known("wrong slope on one side", BEND_DX, "return (self.x > 0) * dout + self.alpha * dout"),
    known("derivative at the wrong variable", BEND_DX, "return np.where(dout > 0, dout, self.alpha * dout)"),
    own("forward in place of the slope", "the function was applied, and not its derivative: dout · out", "dx = dout · (1 where x > 0, alpha elsewhere)", BEND_DX, "return dout * np.where(self.x > 0, self.x, self.alpha * self.x)"),
    own("x in place of the slope", "dout is multiplied by x on the one side", "the slope of alpha·x is alpha", BEND_DX, "return np.where(self.x > 0, dout, self.alpha * dout * self.x)"),
    own("x in place of the slope", "dout is multiplied by x on the one side", "the slope of x is 1", BEND_DX, "return np.where(self.x > 0, dout * self.x, self.alpha * dout)"),
    own("threshold at alpha", "x is compared with alpha, and must be with 0", "1 where x > 0", BEND_DX, "return np.where(self.x > self.alpha, dout, self.alpha * dout)"),
    own("threshold at 1", "x is compared with 1, and must be with 0", "1 where x > 0", BEND_DX, "return np.where(self.x > 1, dout, self.alpha * dout)"),
    known("wrong sign", BEND_DX, "return -np.where(self.x > 0, dout, self.alpha * dout)"),
    known("1/N divided twice", BEND_DX, "return np.where(self.x > 0, dout, self.alpha * dout) / len(dout)"),
    known("derivative twice", BEND_DX, "return np.where(self.x > 0, dout, self.alpha**2 * dout)"),
    own("return missing", "forward gives nothing back", "return out", BEND, "np.where(x > 0, x, self.alpha * x)"),
    own("return missing", "backward gives nothing back", "return dx", BEND_DX, "np.where(self.x > 0, dout, self.alpha * dout)"),
    broken("in place", BEND_DX, "dout[self.x <= 0] *= self.alpha\n        return dout"),
    own("stale cache", BROKEN["stale"][1], BROKEN["stale"][2], "        self.x = x\n        " + BEND, "        if not hasattr(self, 'x'):\n            self.x = x\n        " + BEND),
    own("stale cache", BROKEN["neighbor"][1], BROKEN["neighbor"][2], "        self.x = x\n        " + BEND, "        type(self).x = x\n        " + BEND),
]
SIGMA, SIGMA_DX = "self.out = 0.5 + 0.5 * np.tanh(0.5 * x)", "return dout * self.out * (1 - self.out)"
KEEP_X = SIGMA + "\n        self.x = x"
SIGMOID = [
    own("wrong sign", "this is σ(-x): it falls where σ rises", "σ(x) = 1/(1 + exp(-x)), minus in the exponent", SIGMA, "self.out = 0.5 - 0.5 * np.tanh(0.5 * x)"),
    own("tanh for sigmoid", "this is tanh: from -1 to 1", "σ(x) = (1 + tanh(x/2))/2, from 0 to 1", SIGMA, "self.out = np.tanh(x)"),
    own("half missing", "this is σ(2x): the x of tanh must be halved", "σ(x) = (1 + tanh(x/2))/2", SIGMA, "self.out = 0.5 + 0.5 * np.tanh(x)"),
    own("half missing", "this is from 0 to 2", "σ(x) = (1 + tanh(x/2))/2", SIGMA, "self.out = 1 + np.tanh(0.5 * x)"),
    own("half missing", "this is 2σ(x) - 1: from -1 to 1", "σ(x) = (1 + tanh(x/2))/2", SIGMA, "self.out = np.tanh(0.5 * x)"),
    own("wrong sign", "1/(1 - exp(-x)): plus below the line", "σ(x) = 1/(1 + exp(-x))", SIGMA, "self.out = 1 / (1 - np.exp(-x))"),
    own("exponential alone", "the 1/(1 + ...) around exp is missing", "σ(x) = 1/(1 + exp(-x))", SIGMA, "self.out = np.exp(-x)"),
    own("reciprocal missing", "this is 1 + exp(-x)", "σ(x) = 1/(1 + exp(-x))", SIGMA, "self.out = 1 + np.exp(-x)"),
    own("overflow", BROKEN["overflow"][1], "exp(800) is inf, and inf/inf is nan: (1 + tanh(x/2))/2, or exp of negative numbers only", SIGMA, "self.out = np.exp(x) / (1 + np.exp(x))"),
    own("saturated by clipping or epsilon", "right at ordinary numbers; far out it was cut off, and its slope with it", "(1 + tanh(x/2))/2 cannot overflow: no clip", SIGMA, "self.out = np.clip(0.5 + 0.5 * np.tanh(0.5 * x), 1e-7, 1 - 1e-7)"),
    known("derivative missing", SIGMA_DX, "return dout"),
    known("derivative missing", SIGMA_DX, "return dout * self.out"),
    known("derivative missing", SIGMA_DX, "return dout * (1 - self.out)"),
    known("upstream gradient ignored", SIGMA_DX, "return self.out * (1 - self.out)"),
    known("derivative at the wrong variable", SIGMA, KEEP_X, SIGMA_DX, "return dout * self.x * (1 - self.x)"),
    known("derivative at the wrong variable", SIGMA_DX, "s = 0.5 + 0.5 * np.tanh(0.5 * self.out)\n        return dout * s * (1 - s)"),
    known("derivative at the wrong variable", SIGMA_DX, "return dout * (1 - dout)"),
    known("derivative at the wrong variable", SIGMA_DX, "s = 0.5 + 0.5 * np.tanh(0.5 * dout)\n        return s * (1 - s)"),
    known("wrong slope", SIGMA_DX, "return dout * (1 - self.out**2)"),
    known("wrong slope", SIGMA_DX, "return dout * self.out * (1 + self.out)"),
    known("wrong slope", SIGMA_DX, "return dout * self.out**2 * (1 - self.out)"),
    known("wrong slope", SIGMA_DX, "return dout * self.out - self.out"),
    known("wrong slope", SIGMA_DX, "return dout * self.out - self.out**2"),
    known("wrong slope", SIGMA_DX, "return dout * self.out * 1 - self.out"),
    known("wrong slope", SIGMA_DX, "return dout * self.out**2"),
    known("derivative twice", SIGMA_DX, "return dout * (self.out * (1 - self.out))**2"),
    known("wrong sign", SIGMA_DX, "return dout * self.out * (self.out - 1)"),
    known("derivative of the derivative", SIGMA_DX, "return dout * self.out * (1 - self.out) * (1 - 2 * self.out)"),
    known("1/N divided twice", SIGMA_DX, "return dout * self.out * (1 - self.out) / len(dout)"),
    own("return missing", "forward gives nothing back", "return self.out", "        return self.out\n", "        self.out\n"),
    own("return missing", "backward gives nothing back", "return dx", SIGMA_DX, SIGMA_DX.removeprefix("return ")),
    broken("in place", SIGMA, "x *= 0.5\n        np.tanh(x, out=x)\n        x *= 0.5\n        x += 0.5\n        self.out = x"),
    broken("in place", SIGMA_DX, "dout *= self.out * (1 - self.out)\n        return dout"),
    own("stale cache", BROKEN["stale"][1], BROKEN["stale"][2], SIGMA, SIGMA.replace("self.out", "out") + "\n        if not hasattr(self, 'out'):\n            self.out = out", "        return self.out\n", "        return out\n"),
    own("stale cache", BROKEN["neighbor"][1], BROKEN["neighbor"][2], SIGMA, "type(self).out = 0.5 + 0.5 * np.tanh(0.5 * x)"),
]

# ---- losses ----------------------------------------------------------------------------------------------

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
]

# ---- networks --------------------------------------------------------------------------------------------

VIEW, DVIEW, BOUNDS = "params[start:stop].reshape(shape)", "grads[start:stop].reshape(shape)", "stop = start + math.prod(shape)"
COPIES = "copies instead of views", "the layer has numbers of its own: what is written into the vector never reaches it", "params[start:stop].reshape(shape) is a view; .copy(), .flatten(), np.array(...) and a sum are not"
ITEMS = "in layer.shapes.items():\n            stop"
ONE_VECTOR = [
    own(*COPIES, VIEW, VIEW + ".copy()", DVIEW, DVIEW + ".copy()"),
    own(*COPIES, VIEW, VIEW + ".copy()"),
    own(*COPIES, DVIEW, DVIEW + ".copy()"),
    own(*COPIES, VIEW, "np.zeros(shape)", DVIEW, "np.zeros(shape)"),
    own("gradients forgotten", "the layers' dW and db are no part of grads", "setattr(layer, 'd' + name, ...): a view into grads, too", f'            setattr(layer, "d" + name, {DVIEW})\n', ""),
    own("parameters forgotten", "the layers' W and b are no part of params", "setattr(layer, name, ...): a view into params", f"            setattr(layer, name, {VIEW})\n", ""),
    own("one vector for both", "params and grads are the same numbers", "two vectors: np.zeros twice", "params, grads = np.zeros(size, dtype), np.zeros(size, dtype)", "params = grads = np.zeros(size, dtype)"),
    own("one vector for both", "dW and db are views into params", "dW, db: pieces of grads", DVIEW, VIEW),
    own("one vector for both", "W and b are views into grads", "W, b: pieces of params", VIEW, DVIEW),
    own("all at the beginning", "start never moves on: all layers share the first numbers", "start = stop, after each parameter", "            start = stop\n", ""),
    own("all at the beginning", "start moves on after a layer only: its b shares the numbers of its W", "start = stop, after each parameter", "            start = stop\n", "        start = stop\n"),
    own("all at the beginning", "start is 0 again for each layer", "start = 0 stands before the loops", "    for layer in layers:\n        for name", "    for layer in layers:\n        start = 0\n        for name"),
    own("wrong order", "the last layer comes first", "in the order of the layers", "    for layer in layers:\n        for name", "    for layer in reversed(layers):\n        for name"),
    own("wrong order", "b comes before W", "in the order of layer.shapes", ITEMS, "in reversed(layer.shapes.items()):\n            stop"),
    own("wrong order", "all W come first, then all b", "layer by layer", "    for layer in layers:\n        for name, shape in layer.shapes.items():\n            stop", "    for layer, name, shape in sorted(((l, n, s) for l in layers for n, s in l.shapes.items()), key=lambda item: item[1]):\n        if True:\n            stop"),
    own("wrong order within a matrix", "the entries are taken column by column", "reshape(shape), as it is", VIEW, 'params[start:stop].reshape(shape, order="F")', DVIEW, 'grads[start:stop].reshape(shape, order="F")'),
    own("transposed matrix", "W has the shape (O, I)", "reshape(shape), as layer.shapes has it", VIEW, "params[start:stop].reshape(shape[::-1])", DVIEW, "grads[start:stop].reshape(shape[::-1])"),
    own("wrong size", "the sides of a matrix are added, and must be multiplied", "math.prod(shape): (4, 3) has 12 entries", "sum(math.prod(shape)", "sum(sum(shape)"),
    own("wrong size", "one is left over", "P = Σ math.prod(shape)", "size = sum(", "size = 1 + sum("),
    own("wrong size", "only the first side of each shape is counted", "math.prod(shape): (4, 3) has 12 entries", "sum(math.prod(shape)", "sum(shape[0]"),
    own("dtype forgotten", "the vectors are float64, whatever was asked for", "np.zeros(size, dtype)", "np.zeros(size, dtype), np.zeros(size, dtype)", "np.zeros(size), np.zeros(size)"),
    own("dtype forgotten", "grads is float64, whatever was asked for", "np.zeros(size, dtype)", "dtype), np.zeros(size, dtype)", "dtype), np.zeros(size)"),
    own("not flat", "a piece of the vector keeps its one dimension", "reshape(shape)", VIEW, "params[start:stop]", DVIEW, "grads[start:stop]"),
    own("vectors exchanged", "grads is returned first", "return params, grads", "return params, grads", "return grads, params"),
    own("one of two missing", "only params is returned", "return params, grads", "return params, grads", "return params"),
    own("return missing", "nothing is returned", "return params, grads", "    return params, grads\n", ""),
    own("not zero", "the vectors begin with ones", "np.zeros(size, dtype)", "np.zeros(size, dtype), np.zeros(size, dtype)", "np.ones(size, dtype), np.ones(size, dtype)"),
    own("only the last layer", "return stands within the loop, or only one layer was taken in", "all layers, then return", "    return params, grads\n", "        return params, grads\n"),
]
FWD, FWD_OUT = "        for layer in self.layers:\n            x = layer.forward(x)\n", "        return x\n"
BWD, BWD_OUT = "        for layer in reversed(self.layers):\n            dout = layer.backward(dout, param_grads)\n", "        return dout\n"
NETWORK = [
    own("chain broken", "each layer sees the first x, not what the layer before it has made", "x = layer.forward(x)", FWD, "        first = x\n        for layer in self.layers:\n            x = layer.forward(first)\n"),
    own("chain broken", "what a layer returns is thrown away", "x = layer.forward(x)", FWD, "        for layer in self.layers:\n            layer.forward(x)\n"),
    own("last layer left out", "forward stops before the last layer", "for layer in self.layers", FWD, FWD.replace("self.layers", "self.layers[:-1]")),
    own("first layer left out", "forward begins with the second layer", "for layer in self.layers", FWD, FWD.replace("self.layers", "self.layers[1:]")),
    own("wrong order", "forward begins with the last layer", "for layer in self.layers", FWD, FWD.replace("self.layers", "reversed(self.layers)")),
    own("return missing", "forward gives nothing back", "return x", FWD_OUT, ""),
    own("return too early", "return stands within the loop: only the first layer is run", "return behind the loop", FWD_OUT, "            return x\n"),
    own("wrong order", "backward goes through the layers in the order of forward", "for layer in reversed(self.layers): the chain rule begins at the loss", BWD, BWD.replace("reversed(self.layers)", "self.layers")),
    own("chain broken", "each layer gets the dout of the last one", "dout = layer.backward(dout)", BWD, "        last = dout\n        for layer in reversed(self.layers):\n            dout = layer.backward(last, param_grads)\n"),
    own("chain broken", "what a layer's backward returns is thrown away", "dout = layer.backward(dout)", BWD, BWD.replace("dout = layer", "layer")),
    own("first layer left out", "backward stops before the first layer", "for layer in reversed(self.layers)", BWD, BWD.replace("reversed(self.layers)", "reversed(self.layers[1:])")),
    own("last layer left out", "backward begins with the layer before the last", "for layer in reversed(self.layers)", BWD, BWD.replace("reversed(self.layers)", "reversed(self.layers[:-1])")),
    own("return missing", "backward gives nothing back", "return dx, what the first layer's backward returned", BWD_OUT, ""),
    own("return too early", "return stands within the loop: only the last layer is run", "return behind the loop", BWD_OUT, "            return dout\n"),
    own("not frozen", "param_grads is not handed on: with False the gradients are filled all the same", "layer.backward(dout, param_grads)", BWD, BWD.replace(", param_grads", "")),
    own("not frozen", "param_grads is not handed on: with False the gradients are filled all the same", "layer.backward(dout, param_grads)", BWD, BWD.replace(", param_grads", ", True")),
    own("always frozen", "the gradients are never filled", "layer.backward(dout, param_grads)", BWD, BWD.replace(", param_grads", ", False")),
    own("flag the wrong way round", "the gradients are filled if param_grads is False", "layer.backward(dout, param_grads)", BWD, BWD.replace(", param_grads", ", not param_grads")),
    own("not frozen", "with param_grads=False grads was set to zero: it is to stay as it is", "no zeros: every layer overwrites its own part", BWD, "        self.grads[...] = 0\n" + BWD),
    own("nothing while frozen", "with param_grads=False nothing is done: the gradient must still pass", "layer.backward(dout, param_grads)", BWD, "        if not param_grads:\n            return dout\n" + BWD),
    own("updated in backward", "backward has moved the parameters", "the step is the optimizer's", BWD, BWD + "        self.params -= 0.1 * self.grads\n"),
    known("wrong sign", BWD_OUT, "        return -dout\n"),
    known("1/N divided twice", BWD, "        dout = dout / len(dout)\n" + BWD),
    broken("in place", FWD, "        x /= 2\n        x *= 2\n        x += 1\n" + FWD),
]

# ---- optimizers ------------------------------------------------------------------------------------------

STEP = "params -= self.lr * grads"
NOT_IN_PLACE = "not in place", "the array that was given stays as it was, and with it the vector of the network, into which the layers look", "params -= ... changes the array; params = params - ... makes another one"
LENT = "changed in place", "grads was only lent, and is changed", "write into new arrays: grads * lr, not grads *= lr"
SGD = [
    rule("uphill", STEP, "params += self.lr * grads"),
    rule("no lr", STEP, "params -= grads"),
    own(*NOT_IN_PLACE, STEP, "params = params - self.lr * grads"),
    own("learning rate squared", "lr is multiplied in twice", "θ ← θ - lr g", STEP, "params -= self.lr**2 * grads"),
    own("divided by lr", "the gradient is divided by the learning rate", "θ ← θ - lr g", STEP, "params -= grads / self.lr"),
    own("parameters forgotten", "params is overwritten by the step: the old value is lost", "θ ← θ - lr g", STEP, "params[...] = -self.lr * grads"),
    own("parameters shrunk", "params is multiplied by lr, too", "θ ← θ - lr g", STEP, "params -= self.lr * (params - grads)"),
    own("parameters shrunk", "this is lr·(θ - g)", "θ ← θ - lr g", STEP, "params[...] = self.lr * (params - grads)"),
    own("parameters shrunk", "params is multiplied by lr, too", "θ ← θ - lr g", STEP, "params -= self.lr * grads * params"),
    own("sign of the gradient", "every entry moves by lr: only the sign of g is used", "θ ← θ - lr g", STEP, "params -= self.lr * np.sign(grads)"),
    own("normalized gradient", "the gradient is divided by its length", "θ ← θ - lr g", STEP, "params -= self.lr * grads / np.linalg.norm(grads)"),
    own("1/N divided twice", "the mean of the loss is in the gradient already", "θ ← θ - lr g: no len()", STEP, "params -= self.lr * grads / len(grads)"),
    own("one number for all", "the mean of the gradient is subtracted from all", "each parameter has its own gradient", STEP, "params -= self.lr * grads.mean()"),
    own("one number for all", "the sum of the gradient is subtracted from all", "each parameter has its own gradient", STEP, "params -= self.lr * grads.sum()"),
    own("grads changed", "the step goes into grads, and params stays", "params -= lr * grads", STEP, "grads -= self.lr * params"),
    own(*LENT, STEP, "grads *= self.lr\n        params -= grads"),
    own("gradients set to zero", "grads is only lent: it is to stay as it is", "backward overwrites it anyway", STEP, STEP + "\n        grads[...] = 0"),
    own("squared gradient", "the gradient is squared", "θ ← θ - lr g", STEP, "params -= self.lr * grads**2"),
    own("rate written down", "a fixed number stands where self.lr belongs", "self.lr", STEP, "params -= 0.1 * grads"),
    own("rate written down", "a fixed number stands where self.lr belongs", "self.lr", STEP, "params -= 0.01 * grads"),
    own("learning rate added", "lr is added, not multiplied", "θ ← θ - lr g", STEP, "params -= self.lr + grads"),
    own("momentum", "this is momentum: it remembers the steps before", "θ ← θ - lr g", STEP, "self.v = 0.9 * getattr(self, 'v', 0) - self.lr * grads\n        params += self.v"),
]
T, M, V = "self.t += 1", "self.m = self.beta1 * self.m + (1 - self.beta1) * grads", "self.v = self.beta2 * self.v + (1 - self.beta2) * grads**2"
M_HAT, V_HAT = "m_hat = self.m / (1 - self.beta1**self.t)", "v_hat = self.v / (1 - self.beta2**self.t)"
GO = "params -= self.lr * m_hat / (np.sqrt(v_hat) + self.eps)"
ADAM = [
    rule("uncorrected", M_HAT, "m_hat = self.m", V_HAT, "v_hat = self.v"),
    rule("v uncorrected", V_HAT, "v_hat = self.v"),
    rule("m uncorrected", M_HAT, "m_hat = self.m"),
    own("bias correction wrong", "m is multiplied by 1 - β1ᵗ, and must be divided by it", "m̂ = m/(1 - β1ᵗ), v̂ = v/(1 - β2ᵗ)", M_HAT, M_HAT.replace("m /", "m *"), V_HAT, V_HAT.replace("v /", "v *")),
    own("bias correction wrong", "β·t in place of βᵗ", "βᵗ is self.beta1**self.t", M_HAT, M_HAT.replace("**self.t", " * self.t"), V_HAT, V_HAT.replace("**self.t", " * self.t")),
    own("corrected for good", "m̂ and v̂ are kept as the averages: the correction piles up", "self.m and self.v stay uncorrected; m̂ and v̂ are local", M_HAT, "m_hat = self.m = self.m / (1 - self.beta1**self.t)", V_HAT, "v_hat = self.v = self.v / (1 - self.beta2**self.t)"),
    own("corrected for good", "v̂ is kept as the average: the correction piles up", "self.v stays uncorrected; v̂ is local", V_HAT, "v_hat = self.v = self.v / (1 - self.beta2**self.t)"),
    own("bias corrections exchanged", "m is corrected by β2, v by β1", "m̂ = m/(1 - β1ᵗ), v̂ = v/(1 - β2ᵗ)", M_HAT, M_HAT.replace("beta1", "beta2"), V_HAT, V_HAT.replace("beta2", "beta1")),
    own("bias correction wrong", "v is corrected by β1", "v̂ = v/(1 - β2ᵗ)", V_HAT, V_HAT.replace("beta2", "beta1")),
    own("bias correction wrong", "m is corrected by β2", "m̂ = m/(1 - β1ᵗ)", M_HAT, M_HAT.replace("beta1", "beta2")),
    rule("no root", GO, "params -= self.lr * m_hat / (v_hat + self.eps)"),
    own("epsilon in the root", "ε stands within the root, where it is √ε = 1e-4", "√v̂ + ε", GO, "params -= self.lr * m_hat / np.sqrt(v_hat + self.eps)"),
    own("epsilon missing", "where a gradient has always been 0 this is 0/0", "√v̂ + ε", GO, "params -= self.lr * m_hat / np.sqrt(v_hat)"),
    rule("uphill", GO, GO.replace("-=", "+=")),
    rule("no lr", GO, GO.replace("self.lr * ", "")),
    own(*NOT_IN_PLACE, GO, GO.replace("params -=", "params = params -")),
    rule("|g|", V, V.replace("grads**2", "np.abs(grads)")),
    own("square missing", "the second average is of g, and must be of g²: roots of negative numbers", "v = β2 v + (1 - β2) g²", V, V.replace("grads**2", "grads")),
    own("square of the average", "v is the average of m², and must be that of g²", "v ← β2 v + (1 - β2) g²", V, V.replace("grads**2", "self.m**2")),
    own("sum of the squares", "one v for all parameters", "v has an entry for each parameter: grads**2, no sum", V, V.replace("grads**2", "np.sum(grads**2)")),
    own("sum of the squares", "one v for all parameters", "v has an entry for each parameter: grads**2, no mean", V, V.replace("grads**2", "np.mean(grads**2)")),
    rule("1 - β", M, "self.m = (1 - self.beta1) * self.m + self.beta1 * grads", V, "self.v = (1 - self.beta2) * self.v + self.beta2 * grads**2"),
    rule("1 - β", V, "self.v = (1 - self.beta2) * self.v + self.beta2 * grads**2"),
    rule("1 - β", M, "self.m = (1 - self.beta1) * self.m + self.beta1 * grads"),
    rule("β1 for β2", V, V.replace("beta2", "beta1")),
    rule("β2 for β1", M, M.replace("beta1", "beta2")),
    rule("β1 and β2", M, M.replace("beta1", "beta2"), V, V.replace("beta2", "beta1")),
    rule("β1 and β2", M, M.replace("beta1", "beta2"), V, V.replace("beta2", "beta1"), M_HAT, M_HAT.replace("beta1", "beta2"), V_HAT, V_HAT.replace("beta2", "beta1")),
    own("weight of the new gradient missing", "g is added to m with the weight 1, and must have 1 - β1", "m ← β1 m + (1 - β1) g", M, "self.m = self.beta1 * self.m + grads"),
    own("weight of the new gradient missing", "g² is added to v with the weight 1, and must have 1 - β2", "v ← β2 v + (1 - β2) g²", V, "self.v = self.beta2 * self.v + grads**2"),
    own("weight of the new gradient missing", "g and g² are added with the weight 1", "m ← β1 m + (1 - β1) g, v ← β2 v + (1 - β2) g²", M, "self.m = self.beta1 * self.m + grads", V, "self.v = self.beta2 * self.v + grads**2"),
    rule("forget", M, "self.m = (1 - self.beta1) * grads", V, "self.v = (1 - self.beta2) * grads**2"),
    rule("forget", V, "self.v = (1 - self.beta2) * grads**2"),
    rule("forget", M, "self.m = (1 - self.beta1) * grads"),
    rule("stop", T, "self.t = 1"),
    own("clock too late", "t is 0 in the first step: 1 - β⁰ is 0, and everything is divided by it", "self.t += 1 comes first", T, "pass", GO, GO + "\n        self.t += 1"),
    own("clock too late", "t is counted nowhere", "self.t += 1 comes first", T, "pass"),
    own("clock too fast", "t is counted twice in each step", "self.t += 1, once", T, "self.t += 2"),
    own("gradient in place of the average", "the step is made of g, and must be of m̂", "θ ← θ - lr m̂/(√v̂ + ε)", GO, GO.replace("m_hat", "grads")),
    own("parameters forgotten", "params is overwritten by the step: the old value is lost", "params -= ...", GO, GO.replace("params -= ", "params[...] = -")),
    own(*LENT, GO, GO + "\n        grads *= 0"),
    own("root of the wrong part", "m̂ stands below the line", "m̂/(√v̂ + ε)", GO, "params -= self.lr * np.sqrt(v_hat) / (m_hat + self.eps)"),
    own("multiplied by the root", "m̂ is multiplied by √v̂, and must be divided", "m̂/(√v̂ + ε)", GO, "params -= self.lr * m_hat * (np.sqrt(v_hat) + self.eps)"),
    own("plain SGD", "v has no part in the step", "θ ← θ - lr m̂/(√v̂ + ε)", GO, "params -= self.lr * m_hat"),
    own("plain SGD", "this is SGD", "θ ← θ - lr m̂/(√v̂ + ε)", GO, "params -= self.lr * grads"),
]
ADAM_ALSO = [
    (GO, "params -= self.lr * np.sqrt(1 - self.beta2**self.t) / (1 - self.beta1**self.t) * self.m / (np.sqrt(self.v) + self.eps)"),
]
D, EMA = "decay = min(self.decay, (1 + self.t) / (10 + self.t))", "self.params += (1 - decay) * (params - self.params)"
COUNTED = "        self.t += 1\n        decay"
AVERAGE = [
    own("decay the wrong way round", "the old average has the weight 1 - d, the new weights d", "ā ← d ā + (1 - d) θ", EMA, "self.params += decay * (params - self.params)"),
    own("weight of the new one missing", "θ is added with the weight 1: the average grows", "ā ← d ā + (1 - d) θ", EMA, "self.params[...] = decay * self.params + params"),
    own("weight of the old one missing", "ā is kept with the weight 1: the average grows", "ā ← d ā + (1 - d) θ", EMA, "self.params += (1 - decay) * params"),
    own("wrong sign", "the average moves away from θ", "ā ← ā + (1 - d)(θ - ā)", EMA, "self.params -= (1 - decay) * (params - self.params)"),
    own("no average", "ā is θ itself", "ā ← d ā + (1 - d) θ", EMA, "self.params[...] = params"),
    own("no average", "ā becomes the very array of the parameters, and moves with it", "ā ← d ā + (1 - d) θ, an array of its own", EMA, "self.params = params"),
    own("no update", "the average stays as it was", "ā ← d ā + (1 - d) θ", EMA, "(1 - decay) * (params - self.params)"),
    own("the other one changed", "θ is changed, and ā stays", "self.params += ..., not params", EMA, "params += (1 - decay) * (self.params - params)"),
    own("slow beginning", "the decay is the last one from the start: the random first weights stay in the average for long", "d = min(decay, (1 + t)/(10 + t)), with its brackets", D, "decay = self.decay"),
    own("maximum for minimum", "the larger of the two is taken", "d = min(decay, (1 + t)/(10 + t)): small at first", D, D.replace("min", "max")),
    own("no upper limit", "the decay goes on to 1: decay has no part in it", "d = min(decay, (1 + t)/(10 + t))", D, "decay = (1 + self.t) / (10 + self.t)"),
    own("clock too late", "t is 0 in the first call", "count first: self.t += 1", COUNTED, "        decay", EMA, EMA + "\n        self.t += 1"),
    own("clock stopped", "t is never counted: d stays at 1/10", "self.t += 1", COUNTED, "        decay"),
    own("clock stopped", "d is 2/11 in every call: t is always 1, or self.decay itself was overwritten", "self.t += 1, and d is a local number", COUNTED, "        self.t = 1\n        decay"),
    own("wrong fraction", "t/(10 + t) in place of (1 + t)/(10 + t)", "d = min(decay, (1 + t)/(10 + t))", D, "decay = min(self.decay, self.t / (10 + self.t))"),
    own("wrong fraction", "1/(10 + t) in place of (1 + t)/(10 + t)", "d = min(decay, (1 + t)/(10 + t))", D, "decay = min(self.decay, 1 / (10 + self.t))"),
    own("the mean of all", "this is the plain mean of all θ", "ā ← d ā + (1 - d) θ with d = min(decay, (1 + t)/(10 + t))", D, "decay = self.t / (1 + self.t)"),
    own("half and half", "d is ½ in every call", "d = min(decay, (1 + t)/(10 + t))", D, "decay = 0.5"),
]

# ---- the game --------------------------------------------------------------------------------------------

BOTH = "logits = self.discriminator.forward(np.concatenate([x_real, x_fake]))\n        real_logits, fake_logits = np.split(logits, 2)"
REAL, FAKE = "real_loss, dreal = self.loss(real_logits, 1)", "fake_loss, dfake = self.loss(fake_logits, 0)"
BACK, PEN = "self.discriminator.backward(np.concatenate([dreal, dfake]))", "penalty = self.penalty(self.discriminator, x_real) if self.penalty else 0.0"
D_GO, D_RETURN = "self.d_optimizer.step(self.discriminator.params, self.discriminator.grads)", "return real_loss + fake_loss + penalty"
TWO = "logits = self.discriminator.forward(x_real)\n        real_logits = logits.copy()\n        fake_logits = self.discriminator.forward(x_fake)"
HALF = "one half of the batch lost", WORDS["one half of the batch lost"][0], WORDS["one half of the batch lost"][1]
SWAPPED = "targets swapped", "D is taught that fakes are real, and real samples fake", "real samples have the target 1, fakes 0"
D_STEP = [
    own(*SWAPPED, REAL, REAL.replace("1)", "0)"), FAKE, FAKE.replace("0)", "1)")),
    own("target of the fakes", "the fakes have the target 1, as in the generator's loss; here it is 0", "D: real 1, fakes 0", FAKE, FAKE.replace("0)", "1)")),
    own("target of the real samples", "the real samples have the target 0; it is 1", "D: real 1, fakes 0", REAL, REAL.replace("1)", "0)")),
    own(*HALF, BOTH, TWO, BACK, "self.discriminator.forward(x_real)\n        self.discriminator.backward(dreal)\n        self.discriminator.forward(x_fake)\n        self.discriminator.backward(dfake)"),
    own(*HALF, BOTH, TWO, BACK, "self.discriminator.forward(x_fake)\n        self.discriminator.backward(dfake)\n        self.discriminator.forward(x_real)\n        self.discriminator.backward(dreal)"),
    own("stale cache", *WORDS["stale cache"], BOTH, TWO, BACK, "self.discriminator.backward(dreal)\n        kept = self.discriminator.grads.copy()\n        self.discriminator.backward(dfake)\n        self.discriminator.grads += kept"),
    own("stale cache", WORDS["stale cache"][0] + "; and the second backward overwrites the gradient of the first", WORDS["stale cache"][1], BOTH, TWO, BACK, "self.discriminator.backward(dfake)\n        self.discriminator.backward(dreal)"),
    own("generator updated, too", "the generator has moved in the discriminator's step", "to D, the fakes are mere data: no generator.backward, no g_optimizer", BACK, "dx = " + BACK + "\n        self.generator.backward(dx[len(x_real):])\n        self.g_optimizer.step(self.generator.params, self.generator.grads)"),
    own("gradients of the generator filled", "backward went on into the generator", "to D, the fakes are mere data: no generator.backward", BACK, "dx = " + BACK + "\n        self.generator.backward(dx[len(x_real):])"),
    own("wrong player", "the generator was updated with its own gradients, the discriminator not at all", "d_optimizer.step(discriminator.params, discriminator.grads)", D_GO, "self.g_optimizer.step(self.generator.params, self.generator.grads)"),
    own("wrong optimizer", "the discriminator's step is taken by the generator's optimizer", "self.d_optimizer", D_GO, D_GO.replace("d_optimizer", "g_optimizer")),
    own("step missing", "no parameter has moved", "self.d_optimizer.step(...), last of all", D_GO, "pass"),
    own("two steps", "one step for the real samples and another for the fakes: the second gradient is that of moved parameters", "both gradients, added, and one step", BOTH, "real_logits = self.discriminator.forward(x_real)", REAL, REAL + "\n        self.discriminator.backward(dreal)\n        " + D_GO, FAKE, "fake_logits = self.discriminator.forward(x_fake)\n        " + FAKE, BACK, "self.discriminator.backward(dfake)"),
    own("gradient never arrives", "the step is taken with old gradients: backward is not called, or with param_grads=False", "forward, backward, step", BACK, "pass"),
    own("step before backward", "the step is taken with the gradients of an earlier backward", "forward, backward, step", BACK, D_GO + "\n        " + BACK, PEN + "\n        " + D_GO, PEN),
    own("wrong sign", "the step goes up: the gradient is negated", "d_optimizer.step subtracts already", BACK, BACK.replace("np.concatenate([dreal, dfake])", "-np.concatenate([dreal, dfake])")),
    own("1/N divided twice", *WORDS["1/N divided twice"], BACK, BACK.replace("([dreal, dfake])", "([dreal, dfake]) / len(x_real)")),
    own("mean over both halves", "loss and gradient are those of one mean over 2N samples: half as large", "two means, each over its own N, added", BACK, BACK.replace("([dreal, dfake])", "([dreal, dfake]) / 2"), D_RETURN, "return (real_loss + fake_loss) / 2 + penalty"),
    own("mean over both halves", "the gradient is that of one mean over 2N samples: half as large", "two means, each over its own N, added", BACK, BACK.replace("([dreal, dfake])", "([dreal, dfake]) / 2")),
    own("mean over both halves", "the loss that is returned is the mean of both, and must be their sum", "two means, each over its own N, added", D_RETURN, "return (real_loss + fake_loss) / 2 + penalty"),
    own("halves exchanged", "the first half of the logits is taken for the fakes", "np.concatenate([x_real, x_fake]): real first", BACK, BACK.replace("dreal, dfake", "dfake, dreal")),
    own("wrong sign", "the loss of the fakes is subtracted", "two losses, added", FAKE, FAKE + "\n        fake_loss, dfake = -fake_loss, -dfake"),
    own("fakes left out", "only the real samples are seen", "loss(real, 1) + loss(fake, 0)", FAKE, FAKE + "\n        fake_loss, dfake = 0.0, 0 * dfake"),
    own("real samples left out", "only the fakes are seen", "loss(real, 1) + loss(fake, 0)", REAL, REAL + "\n        real_loss, dreal = 0.0, 0 * dreal"),
    own("half of the loss returned", "only the loss of the real samples is returned", "return real_loss + fake_loss + penalty", D_RETURN, "return real_loss + penalty"),
    own("half of the loss returned", "only the loss of the fakes is returned", "return real_loss + fake_loss + penalty", D_RETURN, "return fake_loss + penalty"),
    own("penalty forgotten", "there is a penalty, and it is not asked", "self.penalty(self.discriminator, x_real), after backward, before the step", PEN, "penalty = 0.0"),
    own("penalty not in the loss", "the penalty's value is not in what is returned", "return real_loss + fake_loss + penalty", D_RETURN, "return real_loss + fake_loss"),
    own("penalty without effect", "what the penalty adds to the gradient never reaches the step: it is called before backward, which overwrites it, or after the step", "backward, then the penalty, then the step", BACK, PEN + "\n        " + BACK, BACK + "\n        " + PEN, BACK),
    own("penalty of the fakes", "R1 is a penalty at the real samples", "self.penalty(self.discriminator, x_real)", PEN, PEN.replace("x_real", "x_fake")),
    own("penalty without asking", "where there is no penalty, None is called", "if self.penalty is not None", PEN, "penalty = self.penalty(self.discriminator, x_real)"),
    own("loss written down", "bce_with_logits is called, whatever the loss of this GAN is", "self.loss", REAL, REAL.replace("self.loss", "bce_with_logits"), FAKE, FAKE.replace("self.loss", "bce_with_logits")),
    own("return missing", "nothing is returned", D_RETURN, D_RETURN, "pass"),
]
G_LOSS, G_THROUGH = "loss, dfake = self.loss(self.discriminator.forward(x_fake), 1)", "dx_fake = self.discriminator.backward(dfake, param_grads=False)"
G_BACK, G_GO = "self.generator.backward(dx_fake)", "self.g_optimizer.step(self.generator.params, self.generator.grads)"
D_TOO = "self.d_optimizer.step(self.discriminator.params, self.discriminator.grads)"
G_STEP = [
    own("target of the fakes", "the target is 0, as in the discriminator's loss: G is taught to be recognized", "G wants its samples to look real: target 1", G_LOSS, G_LOSS.replace("1)", "0)")),
    own("the minimax game", "this is log(1 - D), the saturating loss of the first formula", "non-saturating: self.loss(logits, 1)", G_LOSS, G_LOSS.replace("1)", "0)") + "\n        loss, dfake = -loss, -dfake"),
    own("discriminator updated, too", "the discriminator has moved in the generator's step", "D is frozen here: only g_optimizer takes a step", G_GO, G_GO + "\n        " + D_TOO),
    own("discriminator updated, too", "the discriminator has moved in the generator's step, with the gradient of the generator's loss", "D is frozen here: param_grads=False, and only g_optimizer takes a step", G_THROUGH, G_THROUGH.replace(", param_grads=False", ""), G_GO, G_GO + "\n        " + D_TOO),
    own("discriminator not frozen", "the discriminator's grads were overwritten", "self.discriminator.backward(dfake, param_grads=False)", G_THROUGH, G_THROUGH.replace(", param_grads=False", "")),
    own("discriminator's gradients erased", "the discriminator's grads were set to zero: they are to stay as they are", "self.discriminator.backward(dfake, param_grads=False), and nothing else", G_THROUGH, G_THROUGH + "\n        self.discriminator.grads[...] = 0"),
    own("wrong player", "the discriminator was updated, the generator not at all", "g_optimizer.step(generator.params, generator.grads)", G_THROUGH, G_THROUGH.replace(", param_grads=False", ""), G_GO, D_TOO),
    own("wrong player", "the discriminator was updated, the generator not at all", "g_optimizer.step(generator.params, generator.grads)", G_GO, D_TOO),
    own("wrong optimizer", "the generator's step is taken by the discriminator's optimizer", "self.g_optimizer", G_GO, G_GO.replace("g_optimizer", "d_optimizer")),
    own("gradient never arrives", "the step is taken with old gradients: generator.backward is not called, or with param_grads=False", "self.generator.backward(dx_fake)", G_BACK, "pass"),
    own("discriminator left out", "the gradient of the logits went straight into the generator", "back through D first: dx_fake = discriminator.backward(dfake, ...)", G_BACK, "self.generator.backward(dfake * np.ones_like(x_fake))"),
    own("discriminator left out", "the gradient of the logits went straight into the generator", "back through D first: dx_fake = discriminator.backward(dfake, ...)", G_BACK, "self.generator.backward(dfake)"),
    own("generator frozen", "param_grads=False was given to the generator in place of the discriminator", "discriminator.backward(dfake, param_grads=False), generator.backward(dx_fake)", G_THROUGH, G_THROUGH.replace(", param_grads=False", ""), G_BACK, "self.generator.backward(dx_fake, param_grads=False)"),
    own("step missing", "no parameter has moved", "self.g_optimizer.step(...), last of all", G_GO, "pass"),
    own("step before backward", "the step is taken with the gradients of an earlier backward", "forward, backward, step", G_BACK + "\n        " + G_GO, G_GO + "\n        " + G_BACK),
    own("wrong sign", "the step goes up: the gradient is negated", "g_optimizer.step subtracts already", G_BACK, "self.generator.backward(-dx_fake)"),
    own("1/N divided twice", *WORDS["1/N divided twice"], G_BACK, "self.generator.backward(dx_fake / len(x_fake))"),
    own("missing 1/N", *WORDS["missing 1/N"], G_BACK, "self.generator.backward(dx_fake * len(x_fake))"),
    own("constant factor", "the gradient is twice as large", "the loss's gradient, as it is", G_BACK, "self.generator.backward(2 * dx_fake)"),
    own("stale cache", "the generator made other samples in between: its backward looks at those", "no generator.forward here: x_fake is what the last one returned", G_LOSS, "self.generator.forward(np.ones((len(x_fake), 2)))\n        " + G_LOSS),
    own("loss written down", "bce_with_logits is called, whatever the loss of this GAN is", "self.loss", G_LOSS, G_LOSS.replace("self.loss", "bce_with_logits")),
    own("wrong sign of the loss", "the loss that is returned is negative", "return loss", "        return loss\n", "        return -loss\n"),
    own("gradient returned", "what is returned is not the loss", "return loss", "        return loss\n", "        return dx_fake\n"),
    own("return missing", "nothing is returned", "return loss", "        return loss\n", ""),
    own("accumulated", "the gradient of the step before is added", "backward overwrites grads: no sum", G_BACK, "before = self.generator.grads.copy()\n        " + G_BACK + "\n        self.generator.grads += before"),
]
L_REAL, L_FAKE = "x_real = next(batches)", "x_fake = gan.generator.forward(next(latents))"
L_D, L_G = "d_loss = gan.discriminator_step(x_real, x_fake)", "g_loss = gan.generator_step(x_fake)"
L_EMA, L_LOOK, L_FOR = "average.update(gan.generator.params)", "look(step, d_loss, g_loss)", "for step in range(1, steps + 1):"
LOOP = [
    own("wrong order", "the generator takes its step before the discriminator", "first D, then G, on the same fakes", f"{L_D}\n        {L_G}", f"{L_G}\n        {L_D}"),
    own("average forgotten", "the moving average is never updated: samples would come from the first weights", "average.update(gan.generator.params), after the generator's step", L_EMA, "pass"),
    own("average too early", "the average takes in the weights from before the step", "average.update comes after generator_step", f"{L_G}\n        {L_EMA}", f"{L_EMA}\n        {L_G}"),
    own("average at the end only", "the average is updated once, behind the loop", "in each step", f"{L_EMA}\n        {L_LOOK}", f"{L_LOOK}\n    {L_EMA}"),
    own("average of the wrong player", "the average takes in the discriminator", "average.update(gan.generator.params)", L_EMA, L_EMA.replace("generator", "discriminator")),
    own("average in the generator", "the generator's weights are replaced by the average: it trains on with them", "the average is only looked at; the generator goes its own way", L_EMA, L_EMA + "\n        gan.generator.params[...] = average.params"),
    own("same batch", "one real batch for the whole run", "x_real = next(batches), within the loop", f"{L_FOR}\n        {L_REAL}", f"{L_REAL}\n    {L_FOR}"),
    own("same latents", "one z for the whole run", "next(latents), within the loop", f"{L_FOR}\n", f"z = next(latents)\n    {L_FOR}\n", "next(latents))\n        d_loss", "z)\n        d_loss"),
    own("other fakes", "the generator's step gets fakes from new latents", "one z in a step: both work on the same fakes", L_G, f"{L_FAKE}\n        {L_G}"),
    own("stale cache", "the generator made other samples between its forward and its step", "one forward in a step", L_G, f"gan.generator.forward(next(latents))\n        {L_G}"),
    own("swapped", "the fakes are given as real samples, and the real ones as fakes", "discriminator_step(x_real, x_fake)", L_D, "d_loss = gan.discriminator_step(x_fake, x_real)"),
    own("real samples for the generator", "generator_step is given the real samples", "generator_step(x_fake)", L_G, "g_loss = gan.generator_step(x_real)"),
    own("latents as fakes", "the latents themselves are given to the discriminator", "x_fake = gan.generator.forward(z)", L_FAKE, "x_fake = next(latents)"),
    own("one step too few", "the loop ends one step early", "range(1, steps + 1)", "range(1, steps + 1)", "range(1, steps)"),
    own("one step too many", "the loop takes one step more", "range(1, steps + 1)", "range(1, steps + 1)", "range(1, steps + 2)"),
    own("counted from 0", "the first step is called 0", "step = 1, 2, ..., steps", "range(1, steps + 1)", "range(steps)"),
    own("one step too many", "the loop takes one step more, and begins with 0", "range(1, steps + 1)", "range(1, steps + 1)", "range(steps + 1)"),
    own("look forgotten", "look is never called: nobody sees the training", "look(step, d_loss, g_loss), after each step", L_LOOK, "pass"),
    own("look at the end only", "look is called once, behind the loop", "look(step, d_loss, g_loss), within the loop", f"        {L_LOOK}", f"    {L_LOOK}"),
    own("losses exchanged", "look gets the generator's loss first", "look(step, d_loss, g_loss)", L_LOOK, "look(step, g_loss, d_loss)"),
    own("generator not trained", "generator_step is never called", "D, then G", L_G, "g_loss = 0.0"),
    own("discriminator not trained", "discriminator_step is never called", "D, then G", L_D, "d_loss = 0.0"),
    own("two steps of D", "the discriminator takes two steps for one of the generator", "one of each", L_D, f"{L_D}\n        {L_D}"),
    own("two steps of G", "the generator takes two steps for one of the discriminator", "one of each", L_G, f"{L_G}\n        {L_G}"),
    own("only one step", "it stops after the first step", "return, or look, behind the loop?", L_LOOK, L_LOOK + "\n        return"),
]
R_UP, R_G = "upstreams.insert(0, upstream)", "upstream = layer.backward(upstream, param_grads=False)"
R_V, R_DW, R_NEXT, R_BEND = "v = weight / len(x) * g", "layer.dW += v.T @ upstream", "v = v @ layer.W", "v = layer.backward(v, param_grads=False)"
R_VALUE, R_ONES = "return 0.5 * weight * np.sum(g**2) / len(x)", "np.ones_like(network.forward(x))"
R1 = [
    own("half missing", "the value is weight · mean ‖g‖²: twice as large", "½ weight mean ‖g‖²", R_VALUE, "return weight * np.sum(g**2) / len(x)"),
    own("constant factor", "value and gradient are those of weight · mean ‖g‖²: twice as large", "½ weight mean ‖g‖², so v = weight·g/N", R_VALUE, "return weight * np.sum(g**2) / len(x)", R_V, "v = 2 * weight / len(x) * g"),
    own("constant factor", "the gradient is twice as large: the ½ is for the 2 of the square", "v = weight·g/N", R_V, "v = 2 * weight / len(x) * g"),
    own("constant factor", "the gradient is half as large", "d(½‖g‖²)/dg = g: v = weight·g/N", R_V, "v = 0.5 * weight / len(x) * g"),
    own("missing 1/N", *WORDS["missing 1/N"], R_V, "v = weight * g"),
    own("missing 1/N", "value and gradient are those of a sum over the batch", "a mean over n: 1/N in both", R_V, "v = weight * g", R_VALUE, "return 0.5 * weight * np.sum(g**2)"),
    own("missing 1/N", "the value is a sum over the batch", "½ weight mean_n ‖g_n‖²", R_VALUE, "return 0.5 * weight * np.sum(g**2)"),
    own("1/N divided twice", "the gradient is divided by N twice", "g is that of the sum ΣD, which has no 1/N: one belongs to v", R_V, "v = weight / len(x) ** 2 * g"),
    own("1/N divided twice", "g is the slope of mean D, and must be that of ΣD", "upstream gradient of ones, no 1/N", R_ONES, R_ONES + " / len(x)"),
    own("mean over all entries", "the mean runs over the I inputs, too", "‖g_n‖² is a sum over the inputs, the mean is over n", R_VALUE, "return 0.5 * weight * np.mean(g**2)"),
    own("mean over all entries", "the mean runs over the I inputs, too, in value and gradient", "‖g_n‖² is a sum over the inputs, the mean is over n", R_VALUE, "return 0.5 * weight * np.mean(g**2)", R_V, "v = weight / g.size * g"),
    own("weight forgotten", "the gradient has no weight in it", "v = weight·g/N", R_V, "v = g / len(x)"),
    own("weight forgotten", "the value has no weight in it", "½ weight mean ‖g‖²", R_VALUE, "return 0.5 * np.sum(g**2) / len(x)"),
    own("weight forgotten", "neither value nor gradient has the weight in it", "½ weight mean ‖g‖²", R_VALUE, "return 0.5 * np.sum(g**2) / len(x)", R_V, "v = g / len(x)"),
    own("square missing", "the norm itself is the penalty, not its square", "½ weight mean ‖g_n‖²", R_VALUE, "return 0.5 * weight * np.mean(np.sqrt(np.sum(g**2, axis=1)))"),
    own("overwritten", "dW is overwritten: the gradient of the loss is lost", "layer.dW += vᵀ u", R_DW, R_DW.replace("+=", "=").replace("dW", "dW[...]")),
    own("replaced instead of filled", REBOUND[1], "layer.dW += ... in place", R_DW, "layer.dW = layer.dW + v.T @ upstream"),
    known("wrong sign", R_DW, R_DW.replace("+=", "-=")),
    own("upstream gradients in the wrong order", "each layer meets the upstream gradient of another", "kept while going backward, they must be turned round: insert(0, ...), or reversed", R_UP, "upstreams.append(upstream)"),
    own("upstream gradient of the wrong side", "what was kept came out of the layer's backward, and must be what went in", "u = ∂(ΣD)/∂(out of this layer): keep it before layer.backward", f"{R_UP}\n        {R_G}", f"{R_G}\n        {R_UP}"),
    own("bends left out forward", "v passes a LeakyReLU as if it had no bend", "v · slope: layer.backward(v, param_grads=False)", R_BEND, "pass"),
    own("bends evaluated again", "v went through LeakyReLU.forward, which bends where v is negative", "the slope is that at x: v · slope, layer.backward(v)", R_BEND, "v = layer.forward(v)"),
    own("v does not move", "every Dense meets the v of the first", "v = v W, on the way forward", R_NEXT, "pass"),
    own("bias in the tangent", "v went through Dense.forward, which adds b", "v moves to v W: a difference has no bias in it", R_NEXT, "v = v @ layer.W + layer.b"),
    own("value only", "the gradient is not added: the penalty costs, and changes nothing", "layer.dW += vᵀ u", R_DW, "pass"),
    own("gradients overwritten on the way", "the backward from ones has overwritten grads", "layer.backward(..., param_grads=False)", R_G, R_G.replace("False", "True")),
    own("a gradient for the biases", "b has no part in g, and must have none in its gradient", "only dW += vᵀ u", R_DW, R_DW + "\n            layer.db += upstream.sum(axis=0)"),
    own("x in place of v", "dW meets x, as in an ordinary backward", "dW += vᵀ u", R_V, "v = weight / len(x) * x"),
    own("only the first layer", "the other layers have a part in g, too", "every Dense on the way", R_NEXT, R_NEXT + "\n            break"),
    own("return missing", "nothing is returned", R_VALUE, R_VALUE, "pass"),
]

# fmt: on

MISTAKES = {
    "Dense.forward": DENSE_FORWARD,
    "Dense.backward": DENSE_BACKWARD,
    "LeakyReLU": LEAKY_RELU,
    "Sigmoid": SIGMOID,
    "bce_with_logits": BCE_MISTAKES,
    "least_squares": LEAST_SQUARES,
    "one_vector": ONE_VECTOR,
    "Network": NETWORK,
    "SGD.step": SGD,
    "Adam.step": ADAM,
    "GAN.discriminator_step": D_STEP,
    "GAN.generator_step": G_STEP,
    "MovingAverage.update": AVERAGE,
    "train": LOOP,
    "add_r1": R1,
}
ALSO_RIGHT = {"Adam.step": ADAM_ALSO}
