"""Lesson 03: activations. What they are for, which slopes keep a network alive, and a trap around caches."""

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

IMAGES = Path(os.environ.get("LESSON_IMAGES") or "runs/lessons")  # where the pictures go
IMAGES.mkdir(parents=True, exist_ok=True)

rng = np.random.default_rng(0)

# %% two Dense are one
first, second = rng.normal(size=(4, 3)), rng.normal(size=(3, 2))
x = rng.normal(size=(5, 4))
error = relative_error((x @ first) @ second, x @ (first @ second))
print(f"(x W1) W2 against x (W1 W2): relative error ~{error:.0e}")
assert error < 1e-14

# %% three functions and their slopes
formulas = {
    LeakyReLU(0.2): (lambda x: np.where(x > 0, x, 0.2 * x), lambda x: np.where(x > 0, 1, 0.2)),
    Sigmoid(): (lambda x: 1 / (1 + np.exp(-x)), lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2),
    Tanh(): (np.tanh, lambda x: 1 / np.cosh(x) ** 2),
}
x = np.linspace(-5, 5, 500)[None]  # one row: (1, 500); no entry is 0, where LeakyReLU has no slope
fig, axes = plt.subplots(1, 3, figsize=(8, 2.6), layout="constrained")
print("layer            largest slope   slope at 5   slope at -5")
for (layer, (formula, slope)), ax in zip(formulas.items(), axes, strict=True):
    out, dx = layer.forward(x), layer.backward(np.ones_like(x))
    assert np.allclose(out, formula(x), rtol=1e-12) and np.allclose(dx, slope(x), rtol=1e-9)
    print(f"{str(layer):<14}   {dx.max():.4f}          {dx[0, -1]:.4f}       {dx[0, 0]:.4f}")
    ax.plot(x[0], out[0], label="out")
    ax.plot(x[0], dx[0], "--", label="slope")
    ax.set(title=str(layer), xlabel="x", ylim=(-1.3, 1.9))
    ax.grid(alpha=0.3)
axes[1].legend(fontsize=8, loc="upper left")
fig.savefig(IMAGES / "03_functions.png", dpi=110)

# %% a naive sigmoid overflows
with np.errstate(over="ignore"):
    print("exp(1000) in float32:", np.exp(np.float32(1000)))
print("Sigmoid of -1000, 0, 1000:", Sigmoid().forward(np.array([[-1000.0, 0.0, 1000.0]]))[0])

# %% units that die
data_x = np.linspace(-1, 1, 64)[:, None]
data_y = np.sin(4 * data_x)
curves = {}
print("alpha   units with a gradient   loss at first   after 2000 steps")
for alpha in (0.0, 0.01, 0.2):
    hidden = Dense(1, 32)
    net = Network([hidden, LeakyReLU(alpha), Dense(32, 1)], np.random.default_rng(1), np.float64)
    hidden.b[:] = -3  # as after a step that was much too large
    optimizer, losses = SGD(lr=0.2), []
    for step in range(2000):
        loss, dout = least_squares(net.forward(data_x), data_y)
        net.backward(dout, input_grad=False)
        if step == 0:
            reached = np.count_nonzero(hidden.db)
        optimizer.step(net.params, net.grads)
        losses.append(loss)
    curves[alpha] = net.forward(data_x).copy()
    print(f"{alpha:<5}   {reached:>2} of 32                {losses[0]:.3f}           {losses[-1]:.3f}")
fig, ax = plt.subplots(figsize=(7, 2.8), layout="constrained")
ax.plot(data_x, data_y, "k:", label="target")
for alpha, curve in curves.items():
    ax.plot(data_x, curve, label=f"alpha = {alpha}")
ax.set(xlabel="x", ylabel="out of the network")
ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
fig.savefig(IMAGES / "03_dead_units.png", dpi=110)

# %% the vanishing gradient
WIDTH, SAMPLES, DEPTH = 100, 64, 20
norms = {}
for activation, init in [(Sigmoid, "xavier"), (Tanh, "xavier"), (LeakyReLU, "he")]:  # LeakyReLU(0.2)
    layers = [layer for _ in range(DEPTH) for layer in (Dense(WIDTH, WIDTH, init), activation())]
    net = Network(layers, np.random.default_rng(2), np.float64)
    net.forward(rng.normal(size=(SAMPLES, WIDTH)))
    dout = rng.normal(size=(SAMPLES, WIDTH))
    start, norm = np.linalg.norm(dout), []
    for k, layer in enumerate(reversed(net.layers), 1):
        dout = layer.backward(dout)
        if k % 2 == 0:  # through a Dense and its activation
            norm.append(np.linalg.norm(dout) / start)
    norms[activation.__name__] = np.array(norm)
print("d     Sigmoid   (1/4)^d   Tanh      LeakyReLU   (1 + 0.2²)^(d/2)")
for d in (1, 2, 5, 10, 20):
    sigmoid, tanh, leaky = (norm[d - 1] for norm in norms.values())
    powers = 0.25**d, 1.04 ** (d / 2)
    print(f"{d:<2}    {sigmoid:.1e}   {powers[0]:.1e}   {tanh:.1e}   {leaky:.2f}        {powers[1]:.2f}")
    assert sigmoid < 1.05 * powers[0] and 0.7 < leaky / powers[1] < 1.4
fig, ax = plt.subplots(figsize=(6.5, 3.2), layout="constrained")
depths = np.arange(1, DEPTH + 1)
for name, norm in norms.items():
    ax.semilogy(depths, norm, ".-", label=name)
ax.semilogy(depths, 0.25**depths, "k:", label="(1/4)^d")
ax.set(xlabel="layers that the gradient has passed", ylabel="‖gradient‖ / ‖dout‖", xticks=[1, 5, 10, 15, 20])
ax.legend(fontsize=8)
ax.grid(alpha=0.3)
fig.savefig(IMAGES / "03_vanishing.png", dpi=110)

# %% a gradient to compare with
x, target = rng.normal(size=(6, 3)), rng.uniform(size=(6, 2))
x_fake = rng.normal(size=(6, 3))
net = Network([Dense(3, 2), Sigmoid()], rng, np.float64)
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
