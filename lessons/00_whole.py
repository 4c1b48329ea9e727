"""Lesson 00: the whole. A straight line fitted by descent, and the two networks of a GAN in one drawing."""

# %% setup
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import FancyBboxPatch

from tinygan.layers import Dense, Sigmoid
from tinygan.losses import least_squares
from tinygan.network import Network, mlp
from tinygan.optimizers import SGD
from tinygan.synthetic import digits

IMAGES = Path(os.environ.get("LESSON_IMAGES") or "runs/lessons")  # where the pictures go
IMAGES.mkdir(parents=True, exist_ok=True)

# %% a line, by descent
x = np.array([1.0, 2.0, 3.0])
target = np.array([2.0, 5.0, 5.0])
w, b, lr = 0.0, 0.0, 0.1
lines, losses = [], []
print("step       w       b      dw      db    loss")
for step in range(501):
    out = w * x + b
    loss = 0.5 * np.mean((out - target) ** 2)
    dw = np.mean((out - target) * x)
    db = np.mean(out - target)
    lines.append((w, b))
    losses.append(loss)
    if step in (0, 1, 2, 3, 10, 100, 500):
        print(f"{step:4} {w:7.3f} {b:7.3f} {dw:7.3f} {db:7.3f} {loss:7.4f}")
    w = w - lr * dw
    b = b - lr * db

# %% the same line, with the package
network = Network([Dense(1, 1)], np.random.default_rng(0), np.float64)
network.params[:] = 0, 0  # w and b
optimizer = SGD(lr)
for _ in range(501):
    out = network.forward(x[:, None])
    loss, dout = least_squares(out, target[:, None])
    network.backward(dout)
    optimizer.step(network.params, network.grads)
print("w and b after 501 steps:", network.params.round(3))
assert np.allclose(network.params, [w, b])

# %% picture of the line
fig, (left, right) = plt.subplots(1, 2, figsize=(7.5, 2.8), layout="constrained")
left.plot(x, target, "ko", label="the three points")
ends = np.array([0.5, 3.5])
for step in (0, 1, 2, 10, 500):
    w, b = lines[step]
    left.plot(ends, w * ends + b, label=f"step {step}")
left.set(xlabel="x", ylabel="out = w x + b")
left.legend(fontsize=7)
right.plot(losses[:31], ".-")
right.axhline(0.25, color="k", ls=":", label="the lowest that a line can have")
right.set(xlabel="step", ylabel="loss", ylim=(0, 9.5))
right.legend(fontsize=8)
fig.savefig(IMAGES / "00_line.png", dpi=110)
plt.close(fig)

# %% picture of the two networks
rng = np.random.default_rng(3)
z = rng.standard_normal((1, 100), np.float32)
untrained = Network([*mlp([100, 128, 784]), Sigmoid()], rng)
pictures = {"z": z.reshape(10, 10), "x_fake": untrained.forward(z).reshape(28, 28)}
pictures["x_real"] = digits(1, rng).x[0].reshape(28, 28)
fig = plt.figure(figsize=(9, 4.2))
ax = fig.add_axes((0, 0, 1, 1), xlim=(0, 90), ylim=(0, 42))
ax.set_axis_off()


def box(x, y, width, text, color, size=10):
    ax.add_patch(FancyBboxPatch((x, y), width, 7, boxstyle="round", fc=color, ec="0.3"))
    ax.text(x + width / 2, y + 3.5, text, ha="center", va="center", fontsize=size)


def arrow(start, end, color="k", style="-"):
    ax.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": color, "ls": style, "lw": 1.5})


def picture(name, x, y, label):
    inset = fig.add_axes((x / 90, y / 42, 8 / 90, 8 / 42))
    inset.imshow(pictures[name], cmap="gray")
    inset.set_axis_off()
    ax.text(x + 4, y - 1.6, label, ha="center", va="center", fontsize=9)


picture("x_real", 29, 29, "x_real, from the data")
picture("z", 3, 11, "z, random numbers")
picture("x_fake", 29, 11, "x_fake, made by G")
box(14, 11.5, 11, "generator\nG", "#cfe3f7")
box(44, 20, 12, "discriminator\nD", "#f9dcc4")
ax.text(65, 23.5, "one number:\nhigh says real,\nlow says fake", ha="center", va="center", fontsize=9)
box(71, 32, 17, "D pays if it is\nlow for x_real or\nhigh for x_fake", "#f9dcc4", 8)
box(71, 8, 17, "G pays if it is\nlow for x_fake", "#cfe3f7", 8)
for start, end in [
    ((11.2, 15), (13.4, 15)),
    ((25.8, 15), (28.8, 15)),
    ((37.4, 33), (46, 27.8)),
    ((37.4, 16), (46, 19.4)),
]:
    arrow(start, end)
for start, end in [((56.8, 23.5), (60, 23.5)), ((68, 26.4), (73, 31.4)), ((68, 20.4), (73, 15.8))]:
    arrow(start, end)
arrow((70.2, 35.5), (52, 27.8), "C3", "--")
for start, end in [((70.2, 11), (53, 19.4)), ((48, 19.4), (37.4, 12.6)), ((28.8, 12.6), (25.8, 12.6))]:
    arrow(start, end, "C0", "--")
ax.text(3, 4, "black: forward, from z and x_real to the two losses", fontsize=9)
ax.text(
    3,
    1.4,
    "dashed: backward. D's loss changes the weights of D (red); G's loss, through D, those of G (blue)",
    fontsize=9,
)
fig.savefig(IMAGES / "00_two_networks.png", dpi=110)
plt.close(fig)
