"""Lesson 04: losses. Likelihood, its slope on probabilities and on logits, and what rounding does."""

# %% setup
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from tinygan.gradcheck import numeric_gradient, relative_error
from tinygan.layers import Sigmoid
from tinygan.losses import bce, bce_with_logits, least_squares, sigmoid

IMAGES = Path(os.environ.get("LESSON_IMAGES") or "runs/lessons")  # where the pictures go
IMAGES.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(0)

# %% a coin
flips = (rng.random(1000) < 0.7).astype(float)
candidates = np.arange(0.05, 1, 0.05)
prices = [bce(np.full(1000, p), flips)[0] for p in candidates]
share = flips.mean()
at_share, slope = bce(np.full(1000, share), flips)

print(f"1000 flips, {flips.sum():.0f} ones")
print("   p   loss")
for p, price in zip(candidates[11:17], prices[11:17], strict=True):
    print(f"{p:.2f}   {price:.4f}")
print(f"p = share of ones = {share:.3f}: loss {at_share:.4f}, slope {abs(slope.sum()):.4f}")
assert at_share < min(prices)


# %% one by one
def naive_bce(p, target):
    loss, dp = 0.0, np.zeros_like(p)
    for n in range(len(p)):
        loss -= (target[n] * np.log(p[n]) + (1 - target[n]) * np.log(1 - p[n])) / len(p)
        dp[n] = ((1 - target[n]) / (1 - p[n]) - target[n] / p[n]) / len(p)
    return loss, dp


def naive_bce_with_logits(s, target):
    p = 1 / (1 + np.exp(-s))
    loss, dp = naive_bce(p, target)
    return loss, dp * p * (1 - p)


s = rng.uniform(-2, 2, 7)
target = np.array([1.0, 0, 0, 1, 1, 0, 1])
print("the naive form against the package's: relative error of loss and gradient")
for naive, ours, x in ((naive_bce, bce, sigmoid(s)), (naive_bce_with_logits, bce_with_logits, s)):
    (loss, gradient), (our_loss, our_gradient) = naive(x, target), ours(x, target)
    errors = relative_error(loss, our_loss), relative_error(gradient, our_gradient)
    print(f"{ours.__name__:16} ~{errors[0]:.0e}   ~{errors[1]:.0e}")
    assert max(errors) < 1e-14

# %% what falls out
print("    s   t   slope of the loss * slope of sigmoid   sigma(s) - t")
for s_n, t_n in ((-2.0, 1.0), (0.0, 1.0), (2.0, 1.0), (2.0, 0.0), (5.0, 0.0)):
    layer, one = Sigmoid(), np.array([[s_n]])
    p = layer.forward(one)
    _, dp = bce(p, t_n)
    through = layer.backward(dp).item()
    print(f"{s_n:5.1f}  {t_n:2.0f}   {dp.item():8.4f} * {(p * (1 - p)).item():.4f} = {through:7.4f}", end="")
    print(f"               {sigmoid(one).item() - t_n:7.4f}")
    assert np.isclose(through, sigmoid(one).item() - t_n)

# %% measured
print("analytic gradient against central differences, float64")
for loss, x in ((bce, sigmoid(s)), (bce_with_logits, s), (least_squares, s)):
    measured = numeric_gradient(lambda x=x, loss=loss: loss(x, target)[0], x)
    error = relative_error(loss(x, target)[1], measured)
    print(f"{loss.__name__:16} relative error ~{error:.0e}")
    assert error < 1e-7


# %% two more ways
def clipped(s, target, eps=1e-7):
    p = 1 / (1 + np.exp(-s))
    loss, dp = bce(np.clip(p, eps, 1 - eps), target)
    dp = dp * ((p > eps) & (p < 1 - eps))  # beyond its bounds np.clip is constant: slope 0
    return loss, dp * p * (1 - p)


def sigmoid_then_bce(s, target):
    layer = Sigmoid()
    loss, dp = bce(layer.forward(s), target)
    return loss, layer.backward(dp)


# %% far out
ways = (naive_bce_with_logits, clipped, sigmoid_then_bce, bce_with_logits)
print("float32, target 0, so that the loss is close to s and its slope close to 1")
print("         loss                                   slope")
print("    s    naive  clipped  Sigmoid   logits       naive  clipped  Sigmoid   logits")
with np.errstate(all="ignore"):
    for s_n in (5, 10, 20, 50, 1000):
        results = [way(np.array([s_n], np.float32), np.zeros(1, np.float32)) for way in ways]
        loss, slope = (" ".join(f"{np.squeeze(result[i]):8.2f}" for result in results) for i in (0, 1))
        print(f"{s_n:5d} {loss}    {slope}")
    right = naive_bce_with_logits(np.float32([20]), np.ones(1, np.float32))
print(f"naive at s = 20 with target 1, where nothing is wrong: loss {right[0]}, slope {right[1].item():.2f}")


# %% a confident mistake
def sigmoid_then_squares(s, target):
    layer = Sigmoid()
    loss, dp = least_squares(layer.forward(s), target)
    return loss, layer.backward(dp)


print("float32, target 0, logit 20 at first, descent with lr 1: the logit after so many steps")
print("step                       0      10      20     100")
for loss in (clipped, sigmoid_then_bce, sigmoid_then_squares, bce_with_logits, least_squares):
    logit, path = np.array([20], np.float32), []
    for _ in range(101):
        path.append(logit.item())
        logit = logit - loss(logit, 0)[1]
    print(f"{loss.__name__:20} {path[0]:7.2f} {path[10]:7.2f} {path[20]:7.2f} {path[100]:7.2f}")

# %% picture
s = np.linspace(-25, 25, 1001, dtype=np.float32)
curves = {
    "BCE on the logit": bce_with_logits,
    "BCE, p clipped to 1e-7": clipped,
    "squares on the logit": least_squares,
    "squares of a sigmoid": sigmoid_then_squares,
}
fig, axes = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
for (name, loss), style in zip(curves.items(), ("C0-", "C3--", "C2-", "C1-."), strict=True):
    pairs = [loss(s[n : n + 1], 1) for n in range(len(s))]
    for ax, values in zip(axes, zip(*pairs, strict=True), strict=True):
        ax.plot(s, [np.squeeze(v) for v in values], style, label=name)
axes[0].set(title="loss, target 1", xlabel="logit s", ylim=(-0.5, 25.5))
axes[1].set(title="gradient, target 1", xlabel="logit s", ylim=(-1.6, 1.6))
axes[0].legend(fontsize=8, loc="upper right", framealpha=1)
for ax in axes:
    ax.grid(alpha=0.3)
fig.savefig(IMAGES / "04_losses.png", dpi=110)
plt.close(fig)
