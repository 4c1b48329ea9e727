"""Lesson 15: speed. From a loop over numbers to BLAS, each step with its factor; a profile; the roof."""

# %% setup
import os
import time
import timeit
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from tinygan.losses import sigmoid
from tinygan.recipes import Config, build_gan

QUICK = bool(os.environ.get("LESSON_QUICK"))  # the tests' form: same code, fewer repetitions
IMAGES = Path(os.environ.get("LESSON_IMAGES") or Path(__file__).parent / "images")
rng = np.random.default_rng(0)


def clock(call, budget=0.01 if QUICK else 0.5):
    """Seconds of one call: the best of five rounds, since whatever else a machine does only adds."""
    once = timeit.timeit(call, number=1)  # the first call warms up, and does not count
    number = max(1, int(budget / 5 / once))
    return min(timeit.repeat(call, number=number, repeat=5)) / number


# %% one product
def number_by_number(x, W):
    out = [[0.0] * len(W[0]) for _ in x]
    for n in range(len(x)):
        for o in range(len(W[0])):
            for i in range(len(W)):
                out[n][o] += x[n][i] * W[i][o]
    return out


x, W = rng.standard_normal((64, 784)), rng.standard_normal((784, 128))
x32, W32, few = x.astype(np.float32), W.astype(np.float32), x[: 1 if QUICK else 4]
ladder = {  # what to do with how many rows; in the slow ones every row takes as long as any other
    "three loops, over arrays": (lambda: number_by_number(few, W), len(few)),
    "three loops, over lists": (lambda: number_by_number(few.tolist(), W.tolist()), len(few)),
    "three loops, in C": (lambda: np.einsum("ni,io->no", x, W), 64),
    "BLAS, row by row": (lambda: [row @ W for row in x], 64),
    "BLAS, all rows": (lambda: x @ W, 64),
    "BLAS, all rows, float32": (lambda: x32 @ W32, 64),
}
print("(64, 784) @ (784, 128)         ms        × the line above    GFLOP/s")
before, products = None, {}
for name, (call, rows) in ladder.items():
    assert np.allclose(call(), (x @ W)[:rows], rtol=1e-3, atol=1e-3)
    products[name] = ms = 1000 * clock(call) * 64 / rows
    factor = f"~{before / ms:.1f}" if before else ""
    print(f"{name:26}   ~{ms:<8.3g}   {factor:17}   ~{2e-6 * 64 * 784 * 128 / ms:.2g}")
    before = ms

# %% the roof
big = rng.standard_normal((512 if QUICK else 2048,) * 2, dtype=np.float32)
peak = 2 * len(big) ** 3 / clock(lambda: big @ big)
vector = np.ones(2**18, np.float32)  # 1 MB, as large as the weights of a network, so it lies in a cache
bandwidth = 2 * vector.nbytes / clock(lambda: np.negative(vector, out=vector))  # read once, written once
print(f"peak ~{peak / 1e9:.0f} GFLOP/s, passes over memory ~{bandwidth / 1e9:.0f} GB/s")
print("rows   FLOP per byte   GFLOP/s")
rows = 2 ** np.arange(0, 11, 2)
works, speeds = [], []
for n in rows:
    x_n = rng.standard_normal((n, 784), dtype=np.float32)
    flop, moved = 2 * n * 784 * 128, 4 * (784 * 128 + n * 784 + n * 128)
    works.append(flop / moved)
    speeds.append(flop / clock(lambda x_n=x_n: x_n @ W32) / 1e9)
    print(f"{n:<4}   {works[-1]:<13.1f}   ~{speeds[-1]:.0f}")

fig, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
work = np.geomspace(0.1, 300)
ax.loglog(work, np.minimum(peak, work * bandwidth) / 1e9, "k--", lw=1, label="the roof")
ax.loglog(works, speeds, "C0o", label="product with a (784, 128) matrix")
for n, x_n, y_n in zip(rows, works, speeds, strict=True):
    ax.annotate(f"{n}", (x_n, y_n), (0, -12), textcoords="offset points", fontsize=8, ha="center")
ax.set(xlabel="work: FLOP per byte moved", ylabel="GFLOP/s", title="the number of rows stands at each point")
ax.title.set_fontsize(9)
ax.legend(fontsize=8)
fig.savefig(IMAGES / "15_roof.png", dpi=110)


# %% a training step as one writes it first
def forward(layers, x, slope):
    """[x, ..., out]: what goes into each Dense layer, and what comes out of the last."""
    ways = [x]
    for i, (W, b) in enumerate(layers):
        out = ways[-1] @ W + b
        ways.append(np.where(out > 0, out, slope * out) if i < len(layers) - 1 else out)
    return ways


def backward(layers, ways, dout, slope):
    """[dW, db, dW, db, ...] and dx."""
    grads = []
    for i, (W, _) in reversed(list(enumerate(layers))):
        grads = [ways[i].T @ dout, dout.sum(axis=0), *grads]
        dout = dout @ W.T
        if i > 0:
            dout = dout * np.where(ways[i] > 0, 1, slope)
    return grads, dout


def d_gradients(g, d, slope, x_real, z):
    both = []
    for x, target in (x_real, 1), (sigmoid(forward(g, z, slope)[-1]), 0):
        ways = forward(d, x, slope)
        both.append(backward(d, ways, (sigmoid(ways[-1]) - target) / len(x), slope)[0])
    return [a + b for a, b in zip(*both, strict=True)]


def g_gradients(g, d, slope, z):
    ways = forward(g, z, slope)
    x_fake = sigmoid(ways[-1])
    d_ways = forward(d, x_fake, slope)
    _, dx = backward(d, d_ways, (sigmoid(d_ways[-1]) - 1) / len(z), slope)
    return backward(g, ways, dx * x_fake * (1 - x_fake), slope)[0]


def adam(layers, grads, memory, t, lr=2e-4, beta1=0.5, beta2=0.999):
    for w, grad, (m, v) in zip([w for layer in layers for w in layer], grads, memory, strict=True):
        m[...] = beta1 * m + (1 - beta1) * grad
        v[...] = beta2 * v + (1 - beta2) * grad**2
        w -= lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + 1e-8)


def naive_gan(slope=0.2, dtype=np.float64, rows=64):
    """A function that makes one step; it looks at so many rows of the batch at once."""
    gan = build_gan(CONFIG, 784, np.random.default_rng(0), dtype)
    g, d = ([(layer.W, layer.b) for layer in n.layers if layer.shapes] for n in (gan.generator, gan.discriminator))
    memories = [[np.zeros((2, *w.shape), dtype) for layer in n for w in layer] for n in (g, d)]
    t = 0

    def averaged(gradients, *arrays):
        parts = [gradients(g, d, slope, *(a[n : n + rows] for a in arrays)) for n in range(0, 64, rows)]
        return [sum(part) / len(parts) for part in zip(*parts, strict=True)]

    def step(x_real, z_d, z_g):
        nonlocal t
        t += 1
        adam(d, averaged(d_gradients, x_real, z_d), memories[1], t)
        adam(g, averaged(g_gradients, z_g), memories[0], t)
        return gan.generator.params  # whose views the layers are

    return step
