"""Lesson 02: Dense. Its three gradients, each from one entry; where 1/N lives; what mistakes look like."""

# %% setup
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap

from tinygan.gradcheck import numeric_gradient, relative_error
from tinygan.layers import Dense
from tinygan.losses import least_squares
from tinygan.network import Network

IMAGES = Path(os.environ.get("LESSON_IMAGES") or "runs/lessons")  # where the pictures go
IMAGES.mkdir(parents=True, exist_ok=True)

rng = np.random.default_rng(0)
N, I, O = 5, 3, 2
dense = Dense(I, O)
network = Network([dense], rng, dtype=np.float64)  # gives the layer its W, b, dW, db
x, dout = rng.normal(size=(N, I)), rng.normal(size=(N, O))


# %% forward, number by number
def naive_forward(x, W, b):
    (N, I), O = x.shape, len(b)
    out = np.zeros((N, O))
    for n in range(N):
        for o in range(O):
            out[n, o] = b[o]
            for i in range(I):
                out[n, o] += x[n, i] * W[i, o]
    return out


out = dense.forward(x)
assert np.allclose(out, naive_forward(x, dense.W, dense.b), rtol=1e-14)
print("x", x.shape, " W", dense.W.shape, " b", dense.b.shape, " out", out.shape)


# %% backward, number by number
def naive_backward(x, W, dout):
    (N, I), O = x.shape, dout.shape[1]
    dW, db, dx = np.zeros((I, O)), np.zeros(O), np.zeros((N, I))
    for n in range(N):
        for o in range(O):
            db[o] += dout[n, o]
            for i in range(I):
                dW[i, o] += x[n, i] * dout[n, o]
                dx[n, i] += dout[n, o] * W[i, o]
    return dW, db, dx


dx = dense.backward(dout)
gradients = {"dW": dense.dW, "db": dense.db, "dx": dx}
for (name, got), naive in zip(gradients.items(), naive_backward(x, dense.W, dout), strict=True):
    assert np.allclose(got, naive, rtol=1e-13)
    print(f"{name}  shape {str(got.shape):<7}  the package's equals the loops'")


# %% with numbers
small = Network([Dense(2, 2)], np.random.default_rng(0), dtype=np.float64).layers[0]
small.W[...] = [[2, 0], [1, -1]]
small.b[...] = [1, 0]
small_x, small_dout = np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([[1.0, -1.0], [2.0, 3.0]])
before = np.sum(small_dout * small.forward(small_x))
print("out", small.forward(small_x).tolist())
print("dx ", small.backward(small_dout).tolist())
print("dW ", small.dW.tolist())
print("db ", small.db.tolist())
small.W[0, 1] += 0.1
after = np.sum(small_dout * small.forward(small_x))
print(f"loss {before:.1f}, and {after:.1f} after W[0, 1] has grown by 0.1: a slope of {(after - before) / 0.1:.1f}")


# %% measured
def loss():
    return np.sum(dout * dense.forward(x))  # a loss whose d(loss)/d(out) is dout


print("     size   relative error")
for name, got, nudged in [("dW", dense.dW, dense.W), ("db", dense.db, dense.b), ("dx", dx, x)]:
    error = relative_error(got, numeric_gradient(loss, nudged))
    print(f"{name}   {got.size:>4}   ~{error:.0e}")
    assert error < 1e-8

# %% picture
fig, axes = plt.subplots(3, 3, figsize=(7, 6), layout="constrained")


def grid(ax, shape, name, rows=None, columns=None, color="C0"):
    """A matrix as boxes, with some rows or columns (both: one entry) in color."""
    lit = np.zeros(shape)
    lit[slice(None) if rows is None else rows, slice(None) if columns is None else columns] = 1
    ax.pcolormesh(lit, cmap=ListedColormap(["white", color]), edgecolors="0.6", vmin=0, vmax=1)
    ax.set(xlim=(-0.1, 5.1), ylim=(5.1, -0.1), aspect="equal")
    ax.set_axis_off()
    ax.set_title(name, fontsize=10, loc="left")


grid(axes[0, 0], (N, I), "x (N, I): column i", columns=1)
grid(axes[0, 1], (N, O), "·  dout (N, O): column o", columns=0)
grid(axes[0, 2], (I, O), "=  dW (I, O): one entry", rows=1, columns=0, color="C3")
grid(axes[1, 0], (N, 1), "ones (N, 1)")
grid(axes[1, 1], (N, O), "·  dout (N, O): column o", columns=0)
grid(axes[1, 2], (1, O), "=  db (O,): one entry", columns=0, color="C3")
grid(axes[2, 0], (N, O), "dout (N, O): row n", rows=3)
grid(axes[2, 1], (I, O), "·  W (I, O): row i", rows=1)
grid(axes[2, 2], (N, I), "=  dx (N, I): one entry", rows=3, columns=1, color="C3")
fig.savefig(IMAGES / "02_who_feels_what.png", dpi=100)

# %% the same batch twice
target = rng.normal(size=(N, O))
print("copies of the batch   ‖dW‖, loss a mean   ‖dW‖, loss a sum")
for copies in (1, 2, 4):
    many_x, many_targets = np.tile(x, (copies, 1)), np.tile(target, (copies, 1))
    _, dmean = least_squares(dense.forward(many_x), many_targets)
    dense.backward(dmean)
    mean_norm = np.linalg.norm(dense.dW)
    dense.backward(dmean * dmean.size)  # without the 1/(N·O): the gradient of the sum
    print(f"{copies}                     {mean_norm:.4f}              {np.linalg.norm(dense.dW):.4f}")


# %% divided twice
class DividesAgain(Dense):
    """The mistake: the loss has its 1/N already."""

    def backward(self, dout, param_grads=True, input_grad=True):
        dx = super().backward(dout, param_grads, input_grad)
        self.dW /= len(dout)
        self.db /= len(dout)
        return dx


print("N     got / measured")
wrong = Network([DividesAgain(I, O)], rng, np.float64)
for n in (4, 16, 64):
    batch = rng.normal(size=(n, I)), rng.normal(size=(n, O))

    def loss_and_dout(batch=batch):
        return least_squares(wrong.forward(batch[0]), batch[1])

    wrong.backward(loss_and_dout()[1])
    measured = numeric_gradient(lambda: loss_and_dout()[0], wrong.params)
    print(f"{n:<3}   {np.mean(wrong.grads / measured):.4f}")
