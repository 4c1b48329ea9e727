"""Lesson 03: activations. What bends are for, which slopes keep a network alive, and a trap around caches."""

# %% setup
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from tinygan.gradcheck import numeric_gradient, relative_error
from tinygan.layers import Dense, LeakyReLU, Sigmoid, Tanh
from tinygan.losses import least_squares
from tinygan.network import Network
from tinygan.optimizers import SGD

QUICK = bool(os.environ.get("LESSON_QUICK"))  # the tests' form: same code, fewer steps
IMAGES = Path(os.environ.get("LESSON_IMAGES") or "runs/lessons")  # where the pictures go
IMAGES.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(0)

# %% two Dense are one
first, second = rng.normal(size=(4, 3)), rng.normal(size=(3, 2))
x = rng.normal(size=(5, 4))
error = relative_error((x @ first) @ second, x @ (first @ second))
print(f"(x W1) W2 against x (W1 W2): relative error ~{error:.0e}")
assert error < 1e-14

# %% three bends make a hat
x = np.linspace(-1, 3, 9)[:, None]
units_of_hat = np.maximum(0, x @ [[1, 1, 1]] + [0, -1, -2])  # a Dense and a ReLU: (9, 3)
hat = units_of_hat @ [[1], [-2], [1]]  # another Dense: (9, 1)
print("x      ", x[:, 0])
print("unit 1 ", units_of_hat[:, 0])
print("unit 2 ", units_of_hat[:, 1])
print("unit 3 ", units_of_hat[:, 2])
print("hat    ", hat[:, 0])

# %% inside or outside
points = rng.uniform(-1, 1, (400, 2))
inside = (np.sum(points**2, axis=1, keepdims=True) < 0.64).astype(float)  # 1 inside of a circle, 0 outside


def train(net, steps=2000, lr=0.3):
    """Take so many steps; return the share of the points that are then on the right side of 1/2."""
    optimizer = SGD(lr)
    for _ in range(20 if QUICK else steps):
        _, dout = least_squares(net.forward(points), inside)
        net.backward(dout, input_grad=False)
        optimizer.step(net.params, net.grads)
    return np.mean((net.forward(points) > 0.5) == inside)


def network(*layers, seed):
    return Network(layers, np.random.default_rng(seed), np.float64)


nets = {
    "one Dense": [network(Dense(2, 1), seed=seed) for seed in range(4)],
    "two Dense": [network(Dense(2, 16), Dense(16, 1), seed=seed) for seed in range(4)],
}
for units in (2, 3, 4, 16):
    nets[f"{units} bent units"] = [
        network(Dense(2, units), LeakyReLU(0.2), Dense(units, 1), seed=seed) for seed in range(4)
    ]
print("right answers for four seeds")
for name, four in nets.items():
    right = [train(net) for net in four]
    print(f"{name:13}   " + "   ".join(f"~{100 * share:.0f} %" for share in right))
    nets[name] = four[np.argmax(right)]

fig, axes = plt.subplots(1, 4, figsize=(10.5, 2.7), layout="constrained")
axes[0].plot(x, units_of_hat * [1, -2, 1], "--", lw=1)
axes[0].plot(x, hat, "k", lw=2)
axes[0].set(title="three bends and their sum", xlabel="x", ylim=(-2.2, 2.2))
side = np.linspace(-1, 1, 101)
plane = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
for ax, name in zip(axes[1:], ("two Dense", "3 bent units", "16 bent units"), strict=True):
    ax.scatter(*points.T, c=inside[:, 0], cmap="coolwarm", s=5)
    ax.contour(side, side, nets[name].forward(plane).reshape(101, 101), [0.5], colors="k")
    hidden = nets[name].layers[0].forward(plane).T.reshape(-1, 101, 101)
    for unit in hidden if "bent" in name else []:
        ax.contour(side, side, unit, [0], colors="0.5", linestyles=":", linewidths=0.7)
    ax.set(title=name, xticks=[], yticks=[], aspect="equal")
fig.savefig(IMAGES / "03_bends.png", dpi=110)
plt.close(fig)

# %% the three activations
formulas = {
    LeakyReLU(0.2): (lambda x: np.where(x > 0, x, 0.2 * x), lambda x: np.where(x > 0, 1, 0.2)),
    Sigmoid(): (lambda x: 1 / (1 + np.exp(-x)), lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2),
    Tanh(): (np.tanh, lambda x: 1 / np.cosh(x) ** 2),
}
x = np.linspace(-5, 5, 500)[None]  # one row: (1, 500); no entry is 0, where LeakyReLU has no slope
fig, axes = plt.subplots(1, 3, figsize=(8, 2.6), layout="constrained")
print("layer            largest slope   slope at 5   slope at -5")
for (layer, (formula, slope)), ax in zip(formulas.items(), axes, strict=True):
    out = layer.forward(x)
    dx = layer.backward(np.ones_like(x))
    assert np.allclose(out, formula(x), rtol=1e-12) and np.allclose(dx, slope(x), rtol=1e-9)
    print(f"{str(layer):<14}   {dx.max():.4f}          {dx[0, -1]:.4f}       {dx[0, 0]:.4f}")
    ax.plot(x[0], out[0], label="out")
    ax.plot(x[0], dx[0], "--", label="slope")
    ax.set(title=str(layer), xlabel="x", ylim=(-1.3, 1.9))
    ax.grid(alpha=0.3)
axes[1].legend(fontsize=8, loc="upper left")
fig.savefig(IMAGES / "03_functions.png", dpi=110)
plt.close(fig)

# %% a naive sigmoid overflows
with np.errstate(over="ignore"):
    print("exp(1000) in float32:", np.exp(np.float32(1000)))
print("Sigmoid of -1000, 0, 1000:", Sigmoid().forward(np.array([[-1000.0, 0.0, 1000.0]]))[0])

# %% units that die
print("         units with a gradient,   right answers (three seeds)")
print("alpha    of 16                    after 2000 steps   after 6000 steps")
for alpha in (0.0, 0.01, 0.2):
    nets = [network(Dense(2, 16), LeakyReLU(alpha), Dense(16, 1), seed=seed) for seed in range(3)]
    reached = []
    for net in nets:
        net.layers[0].b[:] = -2  # as after a step that was much too large
        net.backward(least_squares(net.forward(points), inside)[1])
        reached.append(f"{np.count_nonzero(net.layers[0].db):2}")
    shares = [" ".join(f"~{100 * train(net, steps):.0f} %" for net in nets) for steps in (2000, 4000)]
    print(f"{alpha:<5}    {' '.join(reached):25}" + "     ".join(shares))

# %% one layer, there and back
print("               mean square, forward    mean square, backward   O/I    length², backward")
for n_in, n_out in [(200, 200), (400, 100), (100, 400), (784, 128)]:
    net = network(Dense(n_in, n_out, "he"), LeakyReLU(0.2), seed=0)
    x, dout = rng.normal(size=(500, n_in)), rng.normal(size=(500, n_out))
    forward = np.mean(net.forward(x) ** 2) / np.mean(x**2)
    backward = np.mean(net.backward(dout) ** 2) / np.mean(dout**2)
    print(f"{n_in} -> {n_out}".ljust(15) + f"{forward:.2f}                    {backward:.2f}", end="")
    print(f"                    {n_out / n_in:.2f}   {backward * n_in / n_out:.2f}")

# %% the vanishing gradient
WIDTH, DEPTH = 100, 20
print("d     Sigmoid   (1/4)^d   Tanh      LeakyReLU")
passed = []
for activation, init in [(Sigmoid, "xavier"), (Tanh, "xavier"), (LeakyReLU, "he")]:  # LeakyReLU(0.2)
    net = network(*[layer for _ in range(DEPTH) for layer in (Dense(WIDTH, WIDTH, init), activation())], seed=2)
    net.forward(rng.normal(size=(64, WIDTH)))
    dout = rng.normal(size=(64, WIDTH))
    lengths = [np.linalg.norm(dout)]
    for layer in reversed(net.layers):
        dout = layer.backward(dout)
        lengths.append(np.linalg.norm(dout))
    passed.append(np.array(lengths)[::2] / lengths[0])  # through a Dense and its activation
for d in (1, 2, 5, 10, 20):
    sigmoid, tanh, leaky = (lengths[d] for lengths in passed)
    print(f"{d:<2}    {sigmoid:.1e}   {0.25**d:.1e}   {tanh:.1e}   {leaky:.2f}")
    assert sigmoid < 1.05 * 0.25**d

# %% who learns
print("             right after 1000 steps   weights moved by: first layer   last layer")
for activation, init in [(Sigmoid, "xavier"), (LeakyReLU, "he")]:
    layers = [layer for i in (2, *[20] * 7) for layer in (Dense(i, 20, init), activation())]
    net = network(*layers, Dense(20, 1, "xavier"), seed=1)
    ends = net.layers[0], net.layers[-1]
    before = [layer.W.copy() for layer in ends]
    share = train(net, 1000, lr=0.1)
    moved = [np.linalg.norm(layer.W - W) / np.linalg.norm(W) for layer, W in zip(ends, before, strict=True)]
    print(
        "{:9}    ~{:.0f} %                    ~{:.0e}                         ~{:.0e}".format(
            activation.__name__, 100 * share, *moved
        )
    )

# %% a gradient to compare with
x, target = rng.normal(size=(6, 3)), rng.uniform(size=(6, 2))
x_fake = rng.normal(size=(6, 3))
net = network(Dense(3, 2), Sigmoid(), seed=0)
measured = numeric_gradient(lambda: least_squares(net.forward(x), target)[0], net.params)

p = net.forward(x)
net.backward((p - target) / p.size)  # the derivative of ½ mean((p - target)²)
print(f"relative error ~{relative_error(net.grads, measured):.0e}")

# %% the same, in place
p = net.forward(x)
p -= target
p /= p.size
net.backward(p)
print(f"relative error {relative_error(net.grads, measured):.2f}")

# %% two forwards, then a backward
p = net.forward(x)
dout = (p - target) / p.size
net.forward(x_fake)
net.backward(dout)
print(f"relative error {relative_error(net.grads, measured):.2f}")
