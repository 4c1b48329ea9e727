"""Lesson 01: a slope can be measured. How well, with which step, and what spoils it."""

# %% setup
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from tinygan.gradcheck import numeric_gradient, relative_error

IMAGES = Path(os.environ.get("LESSON_IMAGES") or "runs/lessons")  # where the pictures go
IMAGES.mkdir(parents=True, exist_ok=True)


def f(x):
    return np.log(1 + np.exp(x))


def slope_of_f(x):
    return 1 / (1 + np.exp(-x))


# %% two ways to nudge
def forward_difference(f, x, h):
    return (f(x + h) - f(x)) / h


def central_difference(f, x, h):
    return (f(x + h) - f(x - h)) / (2 * h)


exact = slope_of_f(1.0)
print("step h     forward error   central error")
for h in [0.1, 0.01, 0.001, 0.0001]:
    errors = [abs(difference(f, 1.0, h) - exact) for difference in (forward_difference, central_difference)]
    print(f"{h:<8g}   {errors[0]:.2e}        {errors[1]:.2e}")

# %% smaller is not better
print("step h     central error")
for h in [1e-4, 1e-6, 1e-8, 1e-10, 1e-12, 1e-14, 1e-16]:
    print(f"{h:<8.0e}   ~{abs(central_difference(f, 1.0, h) - exact):.0e}")

eps = np.finfo(float).eps
third = abs(exact * (1 - exact) * (1 - 2 * exact))  # the size of the third derivative
best = (3 * eps * f(1.0) / (2 * third)) ** (1 / 3)
error = eps * f(1.0) / (2 * best) + best**2 * third / 6
measured = abs(central_difference(f, 1.0, best) - exact)
print(f"best step {best:.1e}: error by the formula {error:.1e}, measured ~{measured:.0e}")


# %% complex step
def complex_step(f, x, h=1e-30):
    return f(x + 1j * h).imag / h


print(f"measured   {complex_step(f, 1.0):.14f}")
print(f"exact      {exact:.14f}")
assert abs(complex_step(f, 1.0) - exact) < 1e-15

# %% the V
points, steps = np.random.default_rng(0).uniform(0.5, 2, 400), np.logspace(-18, 0, 73)


def errors_of(difference, dtype):
    """For each step the relative error, averaged over many points; all computed in ``dtype``."""
    x, exact = points.astype(dtype), slope_of_f(points)
    return np.array([np.mean(np.abs(difference(f, x, dtype(h)) - exact) / exact) for h in steps])


ways = {"forward": forward_difference, "central": central_difference}
curves = {f"{way}, {dtype.__name__}": errors_of(ways[way], dtype) for dtype in (np.float32, np.float64) for way in ways}
print("                   lowest error   at step    without constants: error   step")
for name, errors in curves.items():
    eps = np.finfo(name[-7:]).eps
    power = 1 / 3 if name.startswith("central") else 1 / 2
    print(f"{name}   ~{errors.min():.0e}         ~{steps[errors.argmin()]:.0e}", end="")
    print(f"                        {eps ** (1 - power):.0e}     {eps**power:.0e}")

curves["complex step, float64"] = errors_of(complex_step, np.float64)
fig, ax = plt.subplots(figsize=(7.5, 4), layout="constrained")
for (name, errors), style in zip(curves.items(), ["C1--", "C1-", "C0--", "C0-", "C2-"], strict=True):
    ax.loglog(steps, errors, style, label=name)
ax.set(xlabel="step h", ylabel="mean relative error", ylim=(1e-17, 10))
ax.annotate("rounding: ~ ε/h", (1e-12, 2e-5), (3e-17, 3e-9), arrowprops={"arrowstyle": "->"})
ax.annotate("Taylor: ~ h²", (1e-3, 2e-8), (3e-5, 1e-14), arrowprops={"arrowstyle": "->"})
ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
ax.grid(alpha=0.3)
fig.savefig(IMAGES / "01_v_curve.png", dpi=110)


# %% many numbers
def measured_gradient(loss, w, h):
    """∂loss/∂w[i] for every i: nudge one number at a time, leave the others alone."""
    gradient = np.zeros_like(w)
    for i in range(len(w)):
        nudge = np.zeros_like(w)
        nudge[i] = h
        gradient[i] = (loss(w + nudge) - loss(w - nudge)) / (2 * h)
    return gradient


def example(seed):
    """w and c (200,), the loss Σ c[i] f(w[i]) as a function of w, and its gradient."""
    rng = np.random.default_rng(seed)
    w, c = rng.normal(size=200), rng.normal(size=200)
    return w, c, lambda w: np.sum(c.astype(w.dtype) * f(w)), c * slope_of_f(w)


w, c, loss, analytic = example(seed=0)
measured = measured_gradient(loss, w, 1e-5)
print("analytic", analytic[:4].round(6))
print("measured", measured[:4].round(6))
assert relative_error(measured, numeric_gradient(lambda: loss(w), w)) < 1e-8  # the package's

# %% the price
P = 784 * 128 + 128 + 128 * 128 + 128 + 128 * 1 + 1  # a discriminator for MNIST
print(f"{P:,} parameters: {2 * P:,} forward passes to measure one gradient")

# %% what an error means
one_wrong = np.where(np.arange(200) == 0, -analytic, analytic)
wrong = {
    "wrong sign": -analytic,
    "a forgotten ½": 2 * analytic,
    "one entry of 200 has the wrong sign": one_wrong,
    "1 % too large": 1.01 * analytic,
    "0.1 % too large": 1.001 * analytic,
    "an epsilon of 1e-4 in a denominator": c / (1 + np.exp(-w) + 1e-4),
}
print("relative error")
for mistake, got in wrong.items():
    print(f" {relative_error(got, measured):<8.1g}   {mistake}")
print(f"~{relative_error(analytic, measured):<8.1g}   right")
print(f"~{relative_error(analytic, measured_gradient(loss, w, 1e-2)):<8.1g}   right, measured with a step of 0.01")
in_float32 = []
for seed in range(20):
    numbers, _, their_loss, right = example(seed)
    in_float32.append(relative_error(right, measured_gradient(their_loss, numbers.astype("f"), np.float32(5e-3))))
print(f"right, measured in float32, 20 seeds: ~{min(in_float32):.0e} to ~{max(in_float32):.0e}")
print(f"worst single entry of the right one: ~{np.max(np.abs(analytic / measured - 1)):.0e}")
assert relative_error(analytic, measured) < 1e-8


# %% kinks
def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


h = 0.1
print("x       true slope   central   forward   backward")
for x0, true in [(-0.2, 0.2), (-0.05, 0.2), (0.05, 1.0), (0.2, 1.0)]:
    print(f"{x0:5.2f}   {true}          {central_difference(leaky, x0, h):.2f}", end="")
    print(f"      {forward_difference(leaky, x0, h):.2f}      {forward_difference(leaky, x0, -h):.2f}")

x = np.linspace(-0.3, 0.3, 601)
fig, axes = plt.subplots(1, 2, figsize=(7.5, 2.8), layout="constrained")
axes[0].plot(x, leaky(x))
axes[0].set(xlabel="x", title="a function with a kink")
axes[1].plot(x, central_difference(leaky, x, h), label="measured, h = 0.1")
axes[1].plot(x, np.where(x > 0, 1, 0.2), "k:", label="true")
axes[1].set(xlabel="x", title="its slope")
axes[1].legend(fontsize=8)
fig.savefig(IMAGES / "01_kink.png", dpi=110)
