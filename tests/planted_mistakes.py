"""Deliberately wrong layers, losses, penalties and steps: each must be rejected, and named.

    python tests/planted_mistakes.py

prints what the checker and the doctor say about all of them. Each is right but for the one thing
that its docstring says; ``PLANTED`` lists them with the names that the doctor must give.
"""

from __future__ import annotations

import numpy as np

from tinygan import gan, gradient_penalty, losses, objectives
from tinygan.diagnosis import diagnose
from tinygan.gradcheck import check_gradients

PLANTED = []  # (target, the doctor's names for it, options of the check)


def planted(*names, **options):
    """Adds the class or function below it to the list, with what the doctor must say about it."""

    def add(target):
        PLANTED.append((target, names, options))
        return target

    return add


# ---- right ones, as a learner might write them ---------------------------------------------------


class Dense:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.zeros((n_in, n_out)), np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


class ScaleAndShift:
    """A gain and an offset for each input."""

    def __init__(self, n_in):
        self.W, self.b = np.zeros(n_in), np.zeros(n_in)

    def forward(self, x):
        self.x = x
        return x * self.W + self.b

    def backward(self, dout):
        self.dW = np.sum(self.x * dout, axis=0)
        self.db = dout.sum(axis=0)
        return dout * self.W


class LeakyReLU:
    alpha = 0.2

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.alpha * x)

    def backward(self, dout):
        return dout * np.where(self.x > 0, 1, self.alpha)


class ReLU(LeakyReLU):
    alpha = 0.0


class Sigmoid:
    def forward(self, x):
        self.x, self.out = x, 1 / (1 + np.exp(-x))
        return self.out

    def backward(self, dout):
        return dout * self.out * (1 - self.out)


class Tanh:
    def forward(self, x):
        self.x, self.out = x, np.tanh(x)
        return self.out

    def backward(self, dout):
        return dout * (1 - self.out**2)


class SiLU:
    def forward(self, x):
        self.x, self.p = x, 1 / (1 + np.exp(-x))
        return x * self.p

    def backward(self, dout):
        return dout * (self.p + self.x * self.p * (1 - self.p))


class DenseReLU(Dense):
    """Two layers in one, with dictionaries."""

    def __init__(self, n_in, n_out):
        self.params = {"W": np.zeros((n_in, n_out)), "b": np.zeros(n_out)}
        self.grads = {}

    def forward(self, x):
        self.x, self.s = x, x @ self.params["W"] + self.params["b"]
        return np.maximum(0, self.s)

    def backward(self, dout):
        ds = self.mask(dout)
        self.grads["W"], self.grads["b"] = self.x.T @ ds, ds.sum(axis=0)
        return ds @ self.params["W"].T

    def mask(self, dout):
        return dout * (self.s > 0)


def mean_squares(out, target):
    return 0.5 * np.mean((out - target) ** 2), (out - target) / out.size


def bce(p, target):
    loss = -np.mean(target * np.log(p) + (1 - target) * np.log(1 - p))
    return loss, ((1 - target) / (1 - p) - target / p) / p.size


def bce_with_logits(logits, target):
    loss = np.mean(np.logaddexp(0, logits) - target * logits)
    return loss, (0.5 * (1 + np.tanh(logits / 2)) - target) / logits.size


def d_loss(real_logits, fake_logits):
    real, dreal = bce_with_logits(real_logits, np.ones_like(real_logits))
    fake, dfake = bce_with_logits(fake_logits, np.zeros_like(fake_logits))
    return real + fake, dreal, dfake


RIGHT = [Dense, ScaleAndShift, LeakyReLU, ReLU, Sigmoid, Tanh, SiLU, DenseReLU]
RIGHT += [mean_squares, bce, bce_with_logits, d_loss]


# ---- signs and factors ---------------------------------------------------------------------------


@planted("wrong sign")
class NegativeTanh(Tanh):
    """tanh' = tanh² - 1"""

    def backward(self, dout):
        return dout * (self.out**2 - 1)


@planted("wrong sign")
class NegativeBias(Dense):
    """db = -Σ dout, all else right"""

    def backward(self, dout):
        dx = super().backward(dout)
        self.db = -dout.sum(axis=0)
        return dx


@planted("wrong sign")
def subtracted_the_wrong_way(out, target):
    """(target - out)/N for ½(out - target)²"""
    loss, gradient = mean_squares(out, target)
    return loss, -gradient


@planted("wrong sign", "missing 1/N")
def sign_and_batch_size(logits, target):
    """t - σ(s), neither the sign nor the 1/N"""
    loss, gradient = bce_with_logits(logits, target)
    return loss, -gradient * logits.size


@planted("missing 1/N")
def mean_with_the_gradient_of_a_sum(logits, target):
    """reports a mean, differentiates a sum"""
    loss, gradient = bce_with_logits(logits, target)
    return loss, gradient * logits.size


@planted("missing 1/N")
def mean_over_outputs_only(out, target):
    """divides the gradient by O, not by N·O"""
    loss, gradient = mean_squares(out, target)
    return loss, gradient * len(out)


@planted("1/N divided twice")
class BatchSizeInTheLayer(Dense):
    """divides dW and db by N, which the loss has done already"""

    def backward(self, dout):
        dx = super().backward(dout)
        self.dW /= len(dout)
        self.db /= len(dout)
        return dx


@planted("1/N divided twice")
def batch_size_twice(logits, target):
    """(σ(s) - t)/N/N"""
    loss, gradient = bce_with_logits(logits, target)
    return loss, gradient / len(logits)


@planted("loss is a sum")
def squares_summed(out, target):
    """calls itself MSE, and is Σ: value and gradient agree, and both grow with the batch"""
    loss, gradient = mean_squares(out, target)
    return loss * out.size, gradient * out.size


@planted("loss is a sum")
def sum_with_the_gradient_of_a_mean(out, target):
    """reports a sum, differentiates a mean"""
    loss, gradient = mean_squares(out, target)
    return loss * out.size, gradient


@planted("constant factor")
def forgot_the_half(out, target):
    """2(out - target)/N for ½ mean (out - target)²"""
    loss, gradient = mean_squares(out, target)
    return loss, 2 * gradient


@planted("constant factor")
class TenthOfAPercent(Dense):
    """dW too large by 0.1 %"""

    def backward(self, dout):
        dx = super().backward(dout)
        self.dW *= 1.001
        return dx


@planted("constant factor")
class TwentiethOfAPercent(Sigmoid):
    """dx too large by 0.05 %, the error that autograd's tests plant"""

    def backward(self, dout):
        return 1.0005 * super().backward(dout)


@planted("constant factor")
class MeanOverOutputs(Dense):
    """dW divided by O"""

    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = self.dW / dout.shape[1]
        return dx


@planted("constant factor")
def divided_by_the_length(out, target):
    """divides by len(out), N, where the mean is over N·O entries"""
    loss, gradient = mean_squares(out, target)
    return loss, gradient * out.shape[1]


@planted("1/N divided twice")
class InputGradientAveraged(Dense):
    """dx divided by N"""

    def backward(self, dout):
        return super().backward(dout) / len(dout)


# ---- weights and biases --------------------------------------------------------------------------


@planted("transposed weight")
class WeightNotTransposed(Dense):
    """dx = dout W, which runs only where W is square"""

    def backward(self, dout):
        super().backward(dout)
        return dout @ self.W


@planted("transposed result")
class GradientTransposed(Dense):
    """dW = doutᵀ x"""

    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = dout.T @ self.x
        return dx


@planted("transposed weight")
class SquareWeightNotTransposed(Dense):
    """made without sizes: W is 7 by 7, and dx = dout W never complains"""

    def __init__(self):
        super().__init__(7, 7)

    def backward(self, dout):
        super().backward(dout)
        return dout @ self.W


@planted("wrong product")
class TransposeForgotten(Dense):
    """dW = x dout, which fits only where N = I = O"""

    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = self.x @ dout
        return dx


@planted("transposed result")
class InputGradientTransposed(Dense):
    """dx = W doutᵀ"""

    def backward(self, dout):
        super().backward(dout)
        return self.W @ dout.T


@planted("wrong product")
class GainByMatrixProduct(ScaleAndShift):
    """dW = xᵀ dout, where x and dout are to be multiplied entry by entry"""

    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = self.x.T @ dout
        return dx


@planted("not summed over the batch")
class GainNotSummed(ScaleAndShift):
    """dW = x · dout, (N, I)"""

    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = self.x * dout
        return dx


@planted("not summed over the batch")
class WeightNotSummed(Dense):
    """dW[n, i, o] = x[n, i] dout[n, o]"""

    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = self.x[:, :, None] * dout[:, None]
        return dx


@planted("summed over everything")
class GainSummedOverEverything(ScaleAndShift):
    """dW = Σ over both axes"""

    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = np.sum(self.x * dout)
        return dx


@planted("summed over everything")
def gradient_averaged(logits, target):
    """the mean of the gradient, as if it were a loss"""
    loss, gradient = bce_with_logits(logits, target)
    return loss, np.mean(gradient)


@planted("summed over the wrong axis")
class GainSummedOverInputs(ScaleAndShift):
    """dW with axis=1"""

    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = np.sum(self.x * dout, axis=1)
        return dx


@planted("summed over the wrong axis")
class InputGradientSummed(ScaleAndShift):
    """a sum in dx, where none belongs"""

    def backward(self, dout):
        return super().backward(dout).sum(axis=1)


@planted("keepdims")
class BiasKeepsDimensions(Dense):
    """db with keepdims=True, (1, O)"""

    def backward(self, dout):
        dx = super().backward(dout)
        self.db = dout.sum(axis=0, keepdims=True)
        return dx


@planted("wrong shape")
class OuterProduct(ScaleAndShift):
    """np.outer of two matrices"""

    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = np.outer(self.x, dout)
        return dx


@planted("not every sample counted")
class LastSampleForgotten(Dense):
    """a loop that ends one too early"""

    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = self.x[:-1].T @ dout[:-1]
        return dx


@planted("wrong product")
class GainWithoutWeight(ScaleAndShift):
    """dx = dout, without W"""

    def backward(self, dout):
        super().backward(dout)
        return 1 * dout


@planted("wrong product")
class GainWithoutInput(ScaleAndShift):
    """dW = Σ dout, without x"""

    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = dout.sum(axis=0)
        return dx


@planted("not every sample counted")
class WeightOfTheLastSample(Dense):
    """a loop over the samples with = where += was meant"""

    def backward(self, dout):
        dx = super().backward(dout)
        for x, d in zip(self.x, dout, strict=True):
            self.dW = np.outer(x, d)
        return dx


@planted("bias averaged")
class BiasAveraged(Dense):
    """db = mean of dout over the batch"""

    def backward(self, dout):
        dx = super().backward(dout)
        self.db = dout.mean(axis=0)
        return dx


@planted("summed over everything")
class BiasSummedOverEverything(Dense):
    """db = Σ over both axes, a number"""

    def backward(self, dout):
        dx = super().backward(dout)
        self.db = dout.sum()
        return dx


@planted("summed over everything")
class BiasFilledWithOneSum(Dense):
    """the same, written into an array"""

    def backward(self, dout):
        dx = super().backward(dout)
        self.db = np.full(self.b.shape, dout.sum())
        return dx


@planted("not summed over the batch")
class BiasNotSummed(Dense):
    """db = dout, (N, O)"""

    def backward(self, dout):
        dx = super().backward(dout)
        self.db = dout
        return dx


@planted("not every sample counted")
class BiasOfTheLastSample(Dense):
    """a loop over the batch with = where += was meant"""

    def backward(self, dout):
        dx = super().backward(dout)
        for row in dout:
            self.db = row.copy()
        return dx


@planted("summed over the wrong axis")
class BiasSummedOverOutputs(Dense):
    """axis=1"""

    def backward(self, dout):
        dx = super().backward(dout)
        self.db = dout.sum(axis=1)
        return dx


@planted("summed over the wrong axis")
class BiasSummedInPlace(Dense):
    """axis=1 into an array that is there already: an error, unless N = O"""

    def backward(self, dout):
        dx = super().backward(dout)
        self.db = np.zeros_like(self.b)
        self.db[...] = dout.sum(axis=1)
        return dx


# ---- activations ---------------------------------------------------------------------------------


@planted("activation mask missing")
class MaskMissing(ReLU):
    """dx = dout"""

    def backward(self, dout):
        return dout.copy()


@planted("activation mask missing")
class LeakyMaskMissing(LeakyReLU):
    """dx = dout"""

    def backward(self, dout):
        return 1 * dout


@planted("activation mask missing")
class MaskMissingInside(DenseReLU):
    """Dense and ReLU in one layer; backward knows only of Dense"""

    def mask(self, dout):
        return dout


@planted("activation mask inverted")
class MaskInverted(ReLU):
    """dout where x <= 0"""

    def backward(self, dout):
        return dout * (self.x <= 0)


@planted("activation mask inverted")
class LeakyMaskInverted(LeakyReLU):
    """the slopes exchanged"""

    def backward(self, dout):
        return dout * np.where(self.x > 0, self.alpha, 1)


@planted("wrong slope on one side")
class MaskOfAnotherActivation(LeakyReLU):
    """LeakyReLU with the mask of ReLU"""

    def backward(self, dout):
        return dout * (self.x > 0)


@planted("derivative missing")
class SigmoidWithoutSlope(Sigmoid):
    """dx = dout"""

    def backward(self, dout):
        return 1 * dout


@planted("derivative missing")
def gradient_of_the_probability(logits, target):
    """∂L/∂p, returned for ∂L/∂s"""
    p = 0.5 * (1 + np.tanh(logits / 2))
    return bce_with_logits(logits, target)[0], np.nan_to_num((p - target) / (p * (1 - p)) / p.size, posinf=0, neginf=0)


@planted("derivative twice")
class SigmoidWithTwoSlopes(Sigmoid):
    """dx = dout σ'²"""

    def backward(self, dout):
        return super().backward(dout) * self.out * (1 - self.out)


@planted("derivative twice")
def slope_left_over(logits, target):
    """(p - t) p (1 - p): σ' has cancelled already"""
    loss, gradient = bce_with_logits(logits, target)
    p = 0.5 * (1 + np.tanh(logits / 2))
    return loss, gradient * p * (1 - p)


@planted("wrong slope")
class TanhWithoutSquare(Tanh):
    """1 - out for 1 - out²"""

    def backward(self, dout):
        return dout * (1 - self.out)


@planted("wrong slope")
class SigmoidWithoutOneMinus(Sigmoid):
    """out for out(1 - out)"""

    def backward(self, dout):
        return dout * self.out


@planted("wrong slope")
class TanhTakenForSigmoid(Tanh):
    """out(1 - out) for 1 - out²"""

    def backward(self, dout):
        return dout * self.out * (1 - self.out)


@planted("wrong slope")
class SiLUWithoutTheProductRule(SiLU):
    """x σ'(x), and not the other half"""

    def backward(self, dout):
        return dout * self.x * self.p * (1 - self.p)


@planted("derivative at the wrong variable")
class SlopeAtTheOutput(Sigmoid):
    """σ'(out), that is σ(out)(1 - σ(out))"""

    def backward(self, dout):
        s = 1 / (1 + np.exp(-self.out))
        return dout * s * (1 - s)


@planted("derivative at the wrong variable")
class SlopeFromTheInput(Sigmoid):
    """x(1 - x) for out(1 - out)"""

    def backward(self, dout):
        return dout * self.x * (1 - self.x)


@planted("derivative at the wrong variable")
class TanhFromTheInput(Tanh):
    """1 - x² for 1 - out²"""

    def backward(self, dout):
        return dout * (1 - self.x**2)


@planted("derivative at the wrong variable")
class MaskOfTheUpstream(LeakyReLU):
    """asks dout > 0 where x > 0 is meant"""

    def backward(self, dout):
        return dout * np.where(dout > 0, 1, self.alpha)


@planted("upstream gradient ignored")
class UpstreamIgnored(Sigmoid):
    """returns σ' and leaves the chain rule to somebody else"""

    def backward(self, dout):
        return self.out * (1 - self.out)


@planted("upstream gradient ignored")
class UpstreamIgnoredInDense(Dense):
    """right for an upstream gradient of ones, the only one that was tested"""

    def backward(self, dout):
        return super().backward(np.ones_like(dout))


@planted("clipped")
class GradientClipped(Dense):
    """dW clipped inside the layer"""

    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = np.clip(self.dW, -1, 1)
        return dx


# ---- memory --------------------------------------------------------------------------------------


@planted("gradients accumulated")
class Accumulated(Dense):
    """dW += ..., and nobody sets it to zero"""

    def __init__(self, n_in, n_out):
        super().__init__(n_in, n_out)
        self.dW, self.db = np.zeros_like(self.W), np.zeros_like(self.b)

    def backward(self, dout):
        self.dW += self.x.T @ dout
        self.db += dout.sum(axis=0)
        return dout @ self.W.T


@planted("stale cache")
class FirstInputKept(Dense):
    """stores x on the first forward only"""

    def forward(self, x):
        if not hasattr(self, "x"):
            self.x = x
        return x @ self.W + self.b


@planted("stale cache")
class CacheOfTheClass(Tanh):
    """one cache for all layers of the kind: a second forward overwrites the first"""

    cache = {}

    def forward(self, x):
        self.cache["out"] = np.tanh(x)
        return self.cache["out"]

    def backward(self, dout):
        return dout * (1 - self.cache["out"] ** 2)


@planted("changed in place")
class InputChanged(LeakyReLU):
    """x[x < 0] *= alpha, in the caller's array"""

    def forward(self, x):
        self.x = x
        x[x < 0] *= self.alpha
        return x


@planted("changed in place")
class UpstreamChanged(ReLU):
    """dout[x <= 0] = 0, in the caller's array"""

    def backward(self, dout):
        dout[self.x <= 0] = 0
        return dout


@planted("changed in place")
class CacheChanged(Dense):
    """backward scales the x that it was lent"""

    def backward(self, dout):
        dx = super().backward(dout)
        self.x *= 0.5
        return dx


@planted("changed in place")
def target_smoothed(logits, target):
    """label smoothing, in the caller's array"""
    target *= 0.9
    return bce_with_logits(logits, target)


# ---- nothing arrives -----------------------------------------------------------------------------


@planted("disconnected")
class Disconnected(Dense):
    """dx is never computed"""

    def backward(self, dout):
        super().backward(dout)
        return np.zeros_like(self.x)


@planted("disconnected")
class GradientIntoACopy(Dense):
    """fills a copy of db, and keeps the zeros"""

    def backward(self, dout):
        dx = super().backward(dout)
        self.db = np.zeros_like(self.b)
        self.db.copy()[:] = dout.sum(axis=0)
        return dx


@planted("nothing measured")
class ZeroAgainstZero(Dense):
    """forward throws b away, and so does backward: a test that compares 0 with 0 is content"""

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        dx = super().backward(dout)
        self.db = np.zeros_like(self.b)
        return dx


@planted("silent broadcast")
class ColumnStretched(Dense):
    """a sum with keepdims=True, (I, 1), that fills all columns of dW"""

    def __init__(self, n_in, n_out):
        super().__init__(n_in, n_out)
        self.dW = np.zeros_like(self.W)

    def backward(self, dout):
        self.dW[...] = (self.x.T @ dout).sum(axis=1, keepdims=True)
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


@planted("silent broadcast")
def column_against_row(logits, target):
    """σ(s) of shape (N, 1) less targets of shape (N,) gives (N, N)"""
    loss, _ = bce_with_logits(logits, target)
    return loss, (0.5 * (1 + np.tanh(logits[:, :1] / 2)) - target[:, 0]) / logits.size


@planted("silent broadcast")
class SampleStretched(Tanh):
    """dx of the first sample for all"""

    def backward(self, dout):
        dx = super().backward(dout)
        return np.zeros_like(dx) + dx[:1]


# ---- numbers -------------------------------------------------------------------------------------


@planted("saturated by clipping or epsilon")
def clipped_probability(logits, target):
    """a "fix" of log(0) by clipping: confident samples have no gradient"""
    p = 0.5 * (1 + np.tanh(logits / 2))
    inside = (p > 1e-7) & (p < 1 - 1e-7)
    p = np.clip(p, 1e-7, 1 - 1e-7)
    loss, dp = bce(p, target)
    return loss, dp * p * (1 - p) * inside


@planted("saturated by clipping or epsilon")
def clipped_loss_only(logits, target):
    """the same loss, with the gradient of the loss without a clip"""
    p = np.clip(0.5 * (1 + np.tanh(logits / 2)), 1e-7, 1 - 1e-7)
    return bce(p, target)[0], bce_with_logits(logits, target)[1]


@planted("epsilon in the logarithm")
def epsilon_in_the_logarithm(p, target):
    """log(p + 1e-8), and -t/p"""
    loss = -np.mean(target * np.log(p + 1e-8) + (1 - target) * np.log(1 - p + 1e-8))
    return loss, bce(p, target)[1]


@planted("epsilon in the logarithm")
def epsilon_behind_a_sigmoid(logits, target):
    """log(σ(s) + 1e-12), and (p - t)/N"""
    p = 1 / (1 + np.exp(-logits))
    loss = -np.mean(target * np.log(p + 1e-12) + (1 - target) * np.log(1 - p + 1e-12))
    return loss, (p - target) / p.size


def bce_by_definition(logits, target):
    p = 1 / (1 + np.exp(-logits))
    return -np.mean(target * np.log(p) + (1 - target) * np.log(1 - p))


@planted("epsilon in the logarithm", definition=bce_by_definition)
def epsilon_against_the_definition(logits, target):
    """the same with 1e-8, where the check knows what the loss must be"""
    p = 1 / (1 + np.exp(-logits))
    loss = -np.mean(target * np.log(p + 1e-8) + (1 - target) * np.log(1 - p + 1e-8))
    return loss, (p - target) / p.size


@planted("another loss", definition=bce_by_definition)
def squares_for_cross_entropy(logits, target):
    """the right gradient, and the value of another loss"""
    p = 0.5 * (1 + np.tanh(logits / 2))
    return np.mean((p - target) ** 2), bce_with_logits(logits, target)[1]


@planted("overflow")
def definition_as_it_stands(logits, target):
    """log(1 - σ(s)), where σ(s) is rounded to 1"""
    return bce_by_definition(logits, target), bce_with_logits(logits, target)[1]


@planted("overflow")
def quotient_of_exponentials(logits, target):
    """exp(s)/(1 + exp(s)), which is inf/inf"""
    e = np.exp(logits)
    return bce_with_logits(logits, target)[0], (e / (1 + e) - target) / e.size


@planted("overflow")
def overflowing(logits, target):
    """log(1 + exp(s)), which is infinite for s = 800"""
    loss = np.mean(np.log(1 + np.exp(logits)) - target * logits)
    return loss, bce_with_logits(logits, target)[1]


@planted("float32 noise")
class SinglePrecisionForward(Dense):
    """out passes through float32"""

    def forward(self, x):
        return super().forward(x).astype(np.float32)


@planted("float32 noise")
class SinglePrecisionInside(Tanh):
    """x passes through float32, and what comes out is float64 again"""

    def forward(self, x):
        return super().forward(x.astype(np.float32).astype(np.float64))


@planted("float32 noise")
class SinglePrecisionBackward(Tanh):
    """dx in float32, too small an error to be seen in the slopes"""

    def backward(self, dout):
        return dout.astype(np.float32) * (1 - self.out.astype(np.float32) ** 2)


@planted("not deterministic")
class Dropout(ReLU):
    """a generator of its own, which goes on"""

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def forward(self, x):
        self.keep = 2.0 * (self.rng.random(x.shape) < 0.5)
        return super().forward(x) * self.keep

    def backward(self, dout):
        return super().backward(dout * self.keep)


@planted("kink", x=np.zeros((5, 7)))
class AtTheCorner(LeakyReLU):
    """not wrong at all, but measured at x = 0"""


# ---- objectives, steps, penalties ----------------------------------------------------------------


@planted("targets a, b, c swapped")
class RealAndFakeSwapped(objectives.LeastSquares):
    """D pulls real to a and fake to b"""

    def discriminator(self, real_logits, fake_logits):
        real_loss, dreal = losses.least_squares(real_logits, self.a)
        fake_loss, dfake = losses.least_squares(fake_logits, self.b)
        return real_loss + fake_loss, dreal, dfake


@planted("targets a, b, c swapped")
class GeneratorPulledToB(objectives.LeastSquares):
    """G's target is b: no difference while b = c = 1"""

    def generator(self, fake_logits):
        return losses.least_squares(fake_logits, self.b)


@planted("wrong sign")
class MinimaxWithoutMinus(objectives.Minimax):
    """G's loss is negated, its gradient is not"""

    def generator(self, fake_logits):
        loss, dfake = losses.bce_with_logits(fake_logits, 0)
        return -loss, dfake


@planted("missing 1/N")
class CriticWithoutMean(objectives.Wasserstein):
    """the critic's gradient is ±1, not ±1/N"""

    def discriminator(self, real_logits, fake_logits):
        loss, dreal, dfake = super().discriminator(real_logits, fake_logits)
        return loss, np.sign(dreal), np.sign(dfake)


@planted("other player's parameters touched")
class GeneratorStepMovesBoth(gan.GAN):
    """G's step is taken by D as well"""

    def generator_step(self, x_fake):
        loss, dfake = self.objective.generator(self.discriminator.forward(x_fake))
        self.generator.backward(self.discriminator.backward(dfake), input_grad=False)
        self.g_optimizer.step(self.generator.params, self.generator.grads)
        self.d_optimizer.step(self.discriminator.params, self.discriminator.grads)
        return loss


@planted("other player's parameters touched")
class DiscriminatorNotFrozen(gan.GAN):
    """G's step leaves its gradients in D"""

    def generator_gradients(self, x_fake):
        loss, dfake = self.objective.generator(self.discriminator.forward(x_fake))
        self.generator.backward(self.discriminator.backward(dfake), input_grad=False)
        return loss


@planted("stale cache")
class SecondForwardBeforeFirstBackward(gan.GAN):
    """forward of real, forward of fake, backward of real: through the cache of fake"""

    def discriminator_gradients(self, x_real, x_fake):
        d = self.discriminator
        real_logits = d.forward(x_real).copy()
        fake_logits = d.forward(x_fake).copy()
        loss, dreal, dfake = self.objective.discriminator(real_logits, fake_logits)
        d.backward(dreal)
        of_real = d.grads.copy()
        d.backward(dfake)
        d.grads += of_real
        return gan.DiscriminatorResult(loss, 0.0, real_logits, fake_logits)


@planted("one half of the batch lost")
class SecondBackwardOverwrites(gan.GAN):
    """both halves go there and back in turn, and only the second's gradient is left"""

    def discriminator_gradients(self, x_real, x_fake):
        d = self.discriminator
        real_logits, fake_logits = d.forward(x_real).copy(), d.forward(x_fake).copy()
        loss, dreal, dfake = self.objective.discriminator(real_logits, fake_logits)
        for x, dlogits in ((x_real, dreal), (x_fake, dfake)):
            d.forward(x)
            d.backward(dlogits)
        return gan.DiscriminatorResult(loss, 0.0, real_logits, fake_logits)


@planted("disconnected")
class GeneratorNeverLearns(gan.GAN):
    """the discriminator's gradient stays in the discriminator: G's weights do not change"""

    def generator_gradients(self, x_fake):
        fake_logits = self.discriminator.forward(x_fake)
        loss, dfake = self.objective.generator(fake_logits)
        self.discriminator.backward(dfake, param_grads=False)
        return loss


@planted("wrong sign")
class GeneratorHelpsTheDiscriminator(gan.GAN):
    """G goes up its loss"""

    def generator_step(self, x_fake):
        loss = self.generator_gradients(x_fake)
        self.g_optimizer.step(self.generator.params, -self.generator.grads)
        return loss


@planted("another loss")
class ReportsAnotherLoss(gan.GAN):
    """goes down the loss of its objective, and prints half of it"""

    def generator_gradients(self, x_fake):
        return super().generator_gradients(x_fake) / 2


def r1(network, x, weight):
    """The parts of R1, for spoiling."""
    return gradient_penalty.add_gradient_penalty(
        network, x, lambda g: (0.5 * weight * np.sum(g * g) / len(g), weight * g / len(g))
    )


@planted("curvature missing")
class StraightPenalty(gradient_penalty.R1):
    """σ'' and tanh'' forgotten: the way back through the tangent knows only slopes"""

    def __call__(self, discriminator, x_real, x_fake):
        def straight(layer):
            return lambda dout_v, dout=None: type(layer).tangent_backward(layer, 0 * dout_v, dout)

        bent = [layer for layer in discriminator.layers if not layer.shapes]
        for layer in bent:
            layer.tangent_backward = straight(layer)
        value = super().__call__(discriminator, x_real, x_fake)
        for layer in bent:
            del layer.tangent_backward
        return value


@planted("disconnected")
class PenaltyWithoutBias(gradient_penalty.R1):
    """db left out on the way back: biases move the slope of a curved activation, too"""

    def __call__(self, discriminator, x_real, x_fake):
        views = discriminator.views().items()
        biases = [(grad, grad.copy()) for name, (_, grad) in views if name.endswith("b")]
        value = super().__call__(discriminator, x_real, x_fake)
        for grad, before in biases:
            grad[...] = before
        return value


class SpoiledGradient(gradient_penalty.R1):
    """R1 whose gradient, not whose value, is multiplied by ``factor(N)``."""

    def __call__(self, discriminator, x_real, x_fake):
        before = discriminator.grads.copy()
        value = super().__call__(discriminator, x_real, x_fake)
        discriminator.grads[:] = before + self.factor(len(x_real)) * (discriminator.grads - before)
        return value


@planted("missing 1/N")
class PenaltySummed(SpoiledGradient):
    """the value a mean, the gradient a sum"""

    def factor(self, n):
        return n


@planted("constant factor")
class PenaltyWithoutHalf(SpoiledGradient):
    """½ in the value, not in the gradient"""

    def factor(self, n):
        return 2


@planted("constant factor")
class LazyGradientTooWeak(SpoiledGradient):
    """the value counts every-fold, the gradient does not"""

    def __init__(self):
        super().__init__(every=4)

    def factor(self, n):
        return 1 / 4


@planted("lazy penalty of the wrong strength")
class LazyPenaltyTooWeak(gradient_penalty.R1):
    """computed on every k-th step, and counted once"""

    def __call__(self, discriminator, x_real, x_fake):
        self.calls += 1
        if (self.calls - 1) % self.every:
            return 0.0
        return r1(discriminator, x_real, self.gamma)


@planted("wrong sign")
class PenaltyRewardsSlope(SpoiledGradient):
    """its gradient is subtracted"""

    def factor(self, n):
        return -1


# ---- the table -----------------------------------------------------------------------------------


def verdict(target, **options):
    """(Report, the doctor's names for what is wrong)."""
    report = check_gradients(target, **options)
    return report, tuple(finding.name for finding in diagnose(report))


def table():
    """Lines: mistake, what it is, what the checker found, what the doctor says, whether that is right."""
    for target, names, options in PLANTED:
        report, found = verdict(target, **options)
        worst = max((row for row in report.rows if not row.passed), key=lambda row: row.error, default=None)
        if report.passed:
            how = "ACCEPTED"
        elif worst is None:
            how = "stopped with an error"
        else:
            how = f"{worst.name} {worst.error:.1e}"
        mark = "" if sorted(found) == sorted(names) else f"   WRONG, should be {names}"
        yield f"{target.__name__:<32} {how:<44} {', '.join(found) or 'no name'}{mark}"


if __name__ == "__main__":
    print(f"{'mistake':<32} {'rejected by':<44} the doctor's name for it")
    for line in table():
        print(line)
