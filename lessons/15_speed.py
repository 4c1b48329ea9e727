"""Lesson 15: speed. From a loop over numbers to BLAS, each step with its factor; a profile; the roof."""

# %% setup
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one core, so that steps can be compared; before NumPy

import cProfile
import pstats
import timeit
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from tinygan.layers import Dense, LeakyReLU, Sigmoid
from tinygan.losses import bce_with_logits, sigmoid
from tinygan.optimizers import Adam
from tinygan.recipes import Config, build_gan

QUICK = bool(os.environ.get("LESSON_QUICK"))  # the tests' form: same code, fewer repetitions
IMAGES = Path(os.environ.get("LESSON_IMAGES") or "runs/lessons")  # where the pictures go
IMAGES.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(0)


def clock(call, budget=0.02 if QUICK else 1.5):
    """Milliseconds of one call: the best of many short rounds, as whatever else a machine does only adds."""
    once = timeit.timeit(call, number=1)  # the first call warms up, and does not count
    number = max(1, int(0.002 / once))
    return 1000 * min(timeit.repeat(call, number=number, repeat=2 + int(budget / number / once))) / number


def ladder(title, rungs, flop):
    """A table of {name: (call, share of the whole that it does)}, each compared with the one before."""
    print(f"{title:28}   ms         × the line above   GFLOP/s")
    before = None
    for name, (call, share) in rungs.items():
        ms = clock(call) / share
        print(f"{name:28}   ~{ms:<8.2f}   {f'~{before / ms:.1f}' if before else '':16}   ~{1e-6 * flop / ms:.2g}")
        before = ms


# %% one product
def three_loops(x, W):
    (N, I), O = x.shape, W.shape[1]
    out = np.zeros((N, O))
    for n in range(N):
        for o in range(O):
            for i in range(I):
                out[n, o] += x[n, i] * W[i, o]
    return out


x, W = rng.standard_normal((64, 784)), rng.standard_normal((784, 128))
x32, W32 = x.astype(np.float32), W.astype(np.float32)
products = {
    "three loops": (lambda: three_loops(x[:1], W[:, :16]), 1 / 512),  # all entries take as long: 16 are enough
    "the same loops, in C": (lambda: np.einsum("ni,io->no", x, W), 1),
    "BLAS, row by row": (lambda: [row @ W for row in x], 1),
    "BLAS, all rows": (lambda: x @ W, 1),
    "BLAS, in float32": (lambda: x32 @ W32, 1),
}
for call, _ in products.values():
    assert np.allclose(out := np.array(call()), (x @ W)[: len(out), : out.shape[1]], rtol=1e-3, atol=1e-3)
ladder("(64, 784) @ (784, 128)", products, flop=2 * 64 * 784 * 128)

# %% the peak
squares = [rng.standard_normal((n, n), dtype=np.float32) for n in (256, 512, 1024)]
peak = max(2e-6 * len(big) ** 3 / clock(lambda big=big: big @ big) for big in squares)
print(f"the peak: ~{peak:.0f} GFLOP/s\nrows of x   GFLOP/s   of the peak")
rows, speeds, x_many = 4 ** np.arange(5), [], rng.standard_normal((256, 784), dtype=np.float32)
for n in rows:
    speeds.append(2e-6 * n * 784 * 128 / clock(lambda n=n: x_many[:n] @ W32))
    print(f"{n:<9}   ~{speeds[-1]:<6.0f}   ~{100 * speeds[-1] / peak:.0f} %")

fig, ax = plt.subplots(figsize=(6, 2.8), layout="constrained")
ax.axhline(peak, color="k", ls="--", lw=1, label="the peak")
ax.semilogx(rows, speeds, "C0o-", label="x @ W, x (n, 784), W (784, 128), float32")
ax.set(xlabel="rows n", ylabel="GFLOP/s", ylim=(0, None))
ax.legend(fontsize=8, loc="lower right")
fig.savefig(IMAGES / "15_rows.png", dpi=110)


# %% a step of D, as one writes it first
def naive_gradients(layers, x, target, slope):
    """[dW, db, dW, db, ...] of the cross-entropy, for layers [(W, b), ...]."""
    inputs = [x]
    for W, b in layers:
        out = inputs[-1] @ W + b
        inputs.append(np.where(out > 0, out, slope * out))  # the bend of the last layer is not used
    dout, grads = (sigmoid(out) - target) / len(x), []
    for x, (W, _) in zip(inputs[-2::-1], layers[::-1], strict=True):
        grads = [x.T @ dout, dout.sum(axis=0), *grads]
        dout = dout @ W.T * np.where(x > 0, 1, slope)  # at last for the images, where nobody needs it
    return grads


# %% from a loop over samples to the package
config = Config(batch=64, hidden=(128, 128), penalty="none")
images, targets = rng.random((128, 784)), np.repeat([[1.0], [0.0]], 64, axis=0)  # 64 real ones, 64 fakes


def step_of_d(dtype=np.float64, naive=True, rows=128, slope=0.2):
    """(a function that makes one step of D, D's parameters)."""
    d = build_gan(config, (28, 28), np.random.default_rng(0), dtype).discriminator
    x, target, adam = images.astype(dtype), targets.astype(dtype), Adam(2e-4, beta1=0.5)
    layers = [(layer.W, layer.b) for layer in d.layers if layer.shapes]
    memory = [(w, np.zeros_like(w), np.zeros_like(w)) for layer in layers for w in layer]

    def naive_step():
        adam.t += 1
        parts = [slice(n, n + rows) for n in range(0, 128, rows)]
        gradients = [naive_gradients(layers, x[part], target[part], slope) for part in parts]
        for (w, m, v), *grads in zip(memory, *gradients, strict=True):
            grad = sum(grads) / len(parts)
            m[...] = 0.5 * m + 0.5 * grad
            v[...] = 0.999 * v + 0.001 * grad**2
            w -= 2e-4 * (m / (1 - 0.5**adam.t)) / (np.sqrt(v / (1 - 0.999**adam.t)) + 1e-8)

    def step():
        _, dlogits = bce_with_logits(d.forward(x), target)
        d.backward(dlogits, input_grad=False)
        adam.step(d.params, d.grads)

    return naive_step if naive else step, d.params


steps = {
    "sample by sample": step_of_d(rows=1),
    "the whole batch": step_of_d(),
    "float32, it is thought": step_of_d(np.float32),
    "float32": step_of_d(np.float32, slope=np.float32(0.2)),
    "the package": step_of_d(np.float32, naive=False),
}
reference, wanted = step_of_d(naive=False)
reference()
for step, params in steps.values():
    step()
    assert np.linalg.norm(params - wanted) < (1e-9 if params.dtype == float else 1e-4) * np.linalg.norm(wanted)
d = 784 * 128 + 128 * 128 + 128 * 1  # multiplications for one sample on one way through D
ladder("one step of D", {name: (step, 1) for name, (step, _) in steps.items()}, flop=2 * 128 * (3 * d - 784 * 128))

# %% where the time goes
gan, x_real = build_gan(config, (28, 28), rng), images[:64].astype(np.float32)
z, count, profiles = rng.standard_normal((64, 100), dtype=np.float32), 2, []
for _ in range(5 if QUICK else 2000):
    with cProfile.Profile() as profile:
        for _ in range(count):
            x_fake = gan.generator.forward(z)
            gan.discriminator_step(x_real, x_fake)
            gan.generator_step(x_fake)
    profiles.append(pstats.Stats(profile))
profile = min(profiles, key=lambda profile: profile.total_tt)  # the one that was disturbed least
print("function              calls a step   µs a step   share")
layers = [method for layer in (Dense, LeakyReLU, Sigmoid) for method in (layer.forward, layer.backward)]
for function in (*layers, bce_with_logits, Adam.step):
    code = function.__code__
    calls, _, _, seconds, _ = profile.stats[code.co_filename, code.co_firstlineno, code.co_name]
    figures = calls / count, 1e6 * seconds / count, 100 * seconds / profile.total_tt
    print("{:19}   {:<12.0f}   ~{:<8.0f}   ~{:.0f} %".format(function.__qualname__, *figures))
print(f"everything                           ~{1e6 * profile.total_tt / count:.0f}")
