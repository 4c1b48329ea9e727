"""Lesson 06: optimizers. Six rules in a ravine and on the classifier, and what Adam hides."""

# %% setup
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from tinygan.layers import Dense, LeakyReLU
from tinygan.losses import softmax_cross_entropy
from tinygan.network import Network
from tinygan.optimizers import SGD, Adagrad, Adam, Momentum, Nesterov, RMSprop
from tinygan.recipes import load_data

QUICK = bool(os.environ.get("LESSON_QUICK"))  # the tests' form: same code, fewer steps
IMAGES = Path(os.environ.get("LESSON_IMAGES") or "runs/lessons")  # where the pictures go
IMAGES.mkdir(parents=True, exist_ok=True)
RULES = [SGD, Momentum, Nesterov, Adagrad, RMSprop, Adam]

# %% a ravine
ALONG = np.diag([1.0, 100.0])  # f(θ) = ½ θᵀHθ: curvature 1 along the floor, 100 across it
TURN = np.array([[1, -1], [1, 1]]) / np.sqrt(2)
ASKEW = TURN @ ALONG @ TURN.T  # the same ravine, turned by 45 degrees
START = np.array([-8.0, 1.0])


def descend(optimizer, H, theta, limit=1000):
    """The path (steps + 1, 2) until f has fallen to a ten thousandth (True), or is lost (False)."""
    path, goal = [theta], 1e-4 * theta @ H @ theta
    while len(path) <= limit and goal < theta @ H @ theta < 1e7 * goal:
        theta = theta.copy()
        optimizer.step(theta, H @ theta)
        path.append(theta)
    return np.array(path), theta @ H @ theta <= goal


print("lr       along: 1 - lr   across: 1 - 100 lr      steps")
for lr in (0.005, 0.01, 2 / 101, 0.021):
    path, arrived = descend(SGD(lr), ALONG, START)
    print(f"{lr:.4f}   {1 - lr:13.3f}   {1 - 100 * lr:18.3f}   {len(path) - 1 if arrived else 'diverges':>8}")

# %% a ravine, with momentum
for rule, lr in [(SGD, 0.0198), (SGD, 0.0202), (Momentum, 0.0376), (Momentum, 0.0384)]:
    path, arrived = descend(rule(lr), ALONG, START, limit=5000)
    print(f"{rule.__name__:8}   lr {lr}   " + (f"arrives after {len(path) - 1} steps" if arrived else "diverges"))


# %% a constant gradient
def moves(rule, g):
    """|θ(t) - θ(t - 1)| for t = 1, 2, ..., 100, with lr = 1 and a gradient that is always g."""
    optimizer, theta, positions = rule(1.0), np.zeros(1), [0.0]
    for _ in range(100):
        optimizer.step(theta, np.array([g]))
        positions.append(theta.item())
    return np.abs(np.diff(positions))


print("length of step t     g = 1                                         g = 100")
print("                     t = 1    t = 2   t = 10   t = 22  t = 100       t = 1  t = 100")
for rule in RULES:
    small, large = moves(rule, 1.0), moves(rule, 100.0)
    row = [small[t - 1] for t in (1, 2, 10, 22, 100)] + [large[0], large[99]]
    print("{:16} {:9.2f}{:9.2f}{:9.2f}{:9.2f}{:9.2f}   {:9.2f}{:9.2f}".format(rule.__name__, *row))

# %% six in the ravine
grid = np.stack(np.meshgrid(np.linspace(-10, 5, 199), np.linspace(-10, 5, 199)), axis=-1)
fig, axes = plt.subplots(2, 6, figsize=(11, 4.2), layout="constrained", sharex=True, sharey=True)
print("              along the axes          turned by 45 degrees")
for column, rule in zip(axes.T, RULES, strict=True):
    row = f"{rule.__name__:11}"
    for ax, H, turn in zip(column, (ALONG, ASKEW), (np.eye(2), TURN), strict=True):
        runs = [(lr, *descend(rule(lr), H, turn @ START)) for lr in np.logspace(-2.9, 1.1, 25)]
        lr, path, _ = min((run for run in runs if run[2]), key=lambda run: len(run[1]))
        row += f"   {len(path) - 1:4} steps, lr {lr:<6.2g}"
        heights = np.sqrt(np.sum(grid @ H * grid, axis=-1))
        ax.contour(grid[..., 0], grid[..., 1], heights, np.arange(2, 80, 6), colors="0.8", linewidths=0.6)
        ax.plot(*path.T, ".-", lw=0.7, ms=3)
        ax.set_title(f"{rule.__name__}, {len(path) - 1} steps", fontsize=8)
        ax.set(aspect="equal", xlim=(-10, 5), ylim=(-10, 5))
    print(row.rstrip())
axes[0, 0].set_ylabel("along the axes")
axes[1, 0].set_ylabel("turned by 45°")
fig.savefig(IMAGES / "06_ravine.png", dpi=110)
plt.close(fig)


# %% Adam as its paper has it
def naive_adam(params, gradient, steps, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    """Kingma and Ba 2015, algorithm 1, line by line."""
    m, v = np.zeros_like(params), np.zeros_like(params)
    for t in range(1, steps + 1):
        g = gradient(params)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        params = params - lr * m_hat / (np.sqrt(v_hat) + eps)
    return params


def ours(optimizer, factor=1):
    theta = START.copy()
    for _ in range(100):
        optimizer.step(theta, factor * (ASKEW @ theta))
    return theta


paper, package = naive_adam(START, lambda theta: ASKEW @ theta, 100, lr=0.1), ours(Adam(0.1))
print(f"after 100 steps in the turned ravine they differ by ~{np.abs(paper - package).max():.0e}")
assert np.allclose(paper, package, rtol=1e-10)

# %% data
train, test = (load_data("auto", split) for split in ("train", "test"))
if train.name != "mnist":
    print("MNIST is not on this machine, so drawn digits stand in for it; `tinygan train` fetches it")


# %% six on the classifier
def accuracy(optimizer, factor=1, steps=20 if QUICK else 400):
    """Right answers on 2000 test images after so few steps; ``factor`` is a mistake in the gradient."""
    rng = np.random.default_rng(0)
    network = Network([Dense(784, 64), LeakyReLU(), Dense(64, 10)], rng)
    for _ in range(steps):
        rows = rng.integers(len(train.x), size=64)
        logits = network.forward(train.x[rows].astype(np.float32) / 255)
        _, dlogits = softmax_cross_entropy(logits, train.labels[rows])
        network.backward(factor * dlogits, input_grad=False)
        optimizer.step(network.params, network.grads)
    logits = network.forward(test.x[:2000].astype(np.float32) / 255)
    return np.mean(logits.argmax(axis=1) == test.labels[:2000])


rates = 10.0 ** np.arange(-4, 1.1, 0.5)
with np.errstate(all="ignore"):  # too large a rate ends in nan
    right = {rule.__name__: np.array([100 * accuracy(rule(lr)) for lr in rates]) for rule in RULES}
fig, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
print("            best        at lr     rates within 5 points   rates above 75 %")
for name, shares in right.items():
    row = shares.max(), rates[shares.argmax()], np.sum(shares > shares.max() - 5), np.sum(shares > 75)
    print("{:9}   ~{:.1f} %     ~{:<6.2g}   ~{:<21}   ~{}".format(name, *row))
    ax.semilogx(rates, shares, ".-", label=name)
ax.set(xlabel="learning rate", ylabel="% right")
ax.legend(fontsize=8)
fig.savefig(IMAGES / "06_classifier.png", dpi=110)
plt.close(fig)

# %% what Adam hides
once, wrong = ours(Adam(0.1, eps=0)), ours(Adam(0.1, eps=0), factor=64)
print(f"in the ravine, 100 steps of Adam: with g {once.round(4)}, with 64 g {wrong.round(4)}")
assert np.array_equal(once, wrong)  # not almost: every bit
for rule, lr in ((SGD, 0.3), (Adam, 0.01)):
    with np.errstate(all="ignore"):
        shares = [100 * accuracy(rule(lr), factor) for factor in (1, 64)]
    print("{:4}  with g ~{:.1f} % right, with 64 g ~{:.1f} %".format(rule.__name__, *shares))
