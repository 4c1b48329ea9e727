"""Lesson 05: a stack. One vector, a loop and a reversed loop; then a classifier that reads digits with it."""

# %% setup
import os
import time
import timeit
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from tinygan.layers import Dense, LeakyReLU
from tinygan.losses import softmax_cross_entropy
from tinygan.network import Network
from tinygan.optimizers import Adam
from tinygan.recipes import load_data

QUICK = bool(os.environ.get("LESSON_QUICK"))  # the tests' form: same code, fewer steps
IMAGES = Path(os.environ.get("LESSON_IMAGES") or "runs/lessons")  # where the pictures go
IMAGES.mkdir(parents=True, exist_ok=True)

# %% one vector
rng = np.random.default_rng(0)
network = Network([Dense(3, 2), LeakyReLU(0.2), Dense(2, 1)], rng, dtype=np.float64)
print(f"{network}: P = {len(network.params)}")
start = 0
for name, (view, _) in network.views().items():
    print(f"  {name}   shape {str(view.shape):7} is params[{start}:{start + view.size}]")
    assert np.shares_memory(view, network.params)
    start += view.size

network.params[6:8] = 5
print("after params[6:8] = 5, layers[0].b is", network.layers[0].b)
network.layers[2].W[...] = 7
print("after layers[2].W[...] = 7, params[8:] is", network.params[8:])


# %% the chain rule, spelt out
def jacobian(layer, x):
    """d(out)[o] / d(x)[i] of a layer at one sample x (I,), as a matrix (O, I)."""
    if isinstance(layer, Dense):
        return layer.W.T
    return np.diag(np.where(x > 0, 1.0, layer.alpha))


def naive_backward(network, x, dout):
    """dx (I,) for one sample: all Jacobians, multiplied from the output's side."""
    matrices = []
    for layer in network.layers:
        matrices.append(jacobian(layer, x))
        x = layer.forward(x[None])[0]
    for matrix in reversed(matrices):
        dout = dout @ matrix  # a row times a matrix: never a matrix times a matrix
    return dout


network = Network([Dense(5, 4), LeakyReLU(), Dense(4, 3), LeakyReLU(), Dense(3, 2)], rng, dtype=np.float64)
x, dout = rng.normal(size=(6, 5)), rng.normal(size=(6, 2))
network.forward(x)
dx = network.backward(dout).copy()
naive = np.array([naive_backward(network, x_n, dout_n) for x_n, dout_n in zip(x, dout, strict=True)])
print(f"6 samples, 5 inputs, 2 outputs: largest difference to the naive dx ~{np.abs(dx - naive).max():.0e}")
assert np.allclose(dx, naive, rtol=1e-12)

# %% which end first
from_output = 1 * 128 + 128 * 128 + 128 * 784
from_input = 784 * 128 * 128 + 784 * 128 * 1
print("multiplications for d(logit)/dx of one sample, 784 -> 128 -> 128 -> 1")
print(f"from the output's side {from_output:,}, from the input's side {from_input:,}")

network = Network([Dense(784, 128), LeakyReLU(), Dense(128, 128), LeakyReLU(), Dense(128, 1)], rng)
x, dout = rng.random((64, 784), np.float32), np.ones((64, 1), np.float32)
forward = 100 * min(timeit.repeat(lambda: network.forward(x), number=10, repeat=5))  # ms
backward = 100 * min(timeit.repeat(lambda: network.backward(dout), number=10, repeat=5))
P = len(network.params)
print(f"one batch of 64: forward ~{forward:.2f} ms, backward ~{backward:.2f} ms")
print(f"by nudging each of the {P:,} parameters up and down: ~{2 * P * forward / 1000:.0f} s")


# %% ten answers
def naive_softmax_cross_entropy(logits, labels):
    """The definition, one entry at a time."""
    N, K = logits.shape
    loss, dlogits = 0.0, np.zeros_like(logits)
    for n in range(N):
        p = np.exp(logits[n]) / np.exp(logits[n]).sum()
        loss -= np.log(p[labels[n]]) / N
        for k in range(K):
            dlogits[n, k] = (p[k] - (k == labels[n])) / N
    return loss, dlogits


logits, labels = rng.normal(0, 3, (4, 10)), np.array([3, 1, 4, 1])
ours, naive = softmax_cross_entropy(logits, labels), naive_softmax_cross_entropy(logits, labels)
print(f"loss {ours[0]:.4f}, naive {naive[0]:.4f}; a row of the gradient sums to ~{abs(ours[1][0].sum()):.0e}")
assert np.isclose(ours[0], naive[0]) and np.allclose(ours[1], naive[1])

# %% data
train, test = (load_data("auto", split) for split in ("train", "test"))
if train.name != "mnist":
    print("MNIST is not on this machine, so drawn digits stand in for it; `tinygan train` fetches it")
print(f"{train.name}: {len(train.x):,} images to learn from, {len(test.x):,} to be tested on")

# %% a classifier
rng = np.random.default_rng(0)
network = Network([Dense(784, 256), LeakyReLU(), Dense(256, 10)], rng)
lr, batch = 2e-3, 128
steps = 200 if QUICK else 4000
optimizer = Adam(lr)
test_x = test.x.astype(np.float32) / 255

print(f"{network}, P = {len(network.params):,}")
print("step   loss of the batch   right on the test images")
begin = time.perf_counter()
for step in range(steps + 1):
    rows = rng.integers(len(train.x), size=batch)
    x = train.x[rows].astype(np.float32) / 255
    loss, dlogits = softmax_cross_entropy(network.forward(x), train.labels[rows])
    if step % (steps // 4) == 0:
        answers = network.forward(test_x).argmax(axis=1)
        right = np.mean(answers == test.labels)
        print(f"{step:<4}   ~{loss:.3f}              ~{100 * right:.1f} %")
        network.forward(x)  # so that backward goes through the batch again
    network.backward(dlogits, input_grad=False)
    optimizer.lr = lr * (1 - step / (steps + 1))  # smaller and smaller steps, so that it settles
    optimizer.step(network.params, network.grads)
seconds = time.perf_counter() - begin
print(f"~{seconds:.1f} s")
assert QUICK or right >= 0.975

# %% confusion
confusion = np.zeros((10, 10), int)
np.add.at(confusion, (test.labels, answers), 1)  # row: what it is, column: what was read
print(f"~{len(test.x) - confusion.trace()} of {len(test.x):,} read wrongly")

logits = network.forward(test_x)
sure = logits.max(axis=1) - logits[np.arange(len(logits)), test.labels]  # 0 where the answer is right
fig = plt.figure(figsize=(9, 4.4), layout="constrained")
left, right = fig.subfigures(1, 2)
ax = left.subplots()
ax.imshow(np.where(np.eye(10), 0, confusion), cmap="Reds", vmax=20)
for (row, column), count in np.ndenumerate(confusion):
    ax.text(column, row, count or "", ha="center", va="center", fontsize=7)
ax.set(xticks=range(10), yticks=range(10), xlabel="read as", ylabel="is", title="how often")
for ax, n in zip(right.subplots(5, 5).flat, np.argsort(-sure), strict=False):
    ax.imshow(test.x[n].reshape(28, 28), cmap="gray")
    ax.set_axis_off()
    ax.set_title(f"{test.labels[n]} read as {answers[n]}", fontsize=7, pad=2)
right.suptitle("the mistakes it was surest of", fontsize=10)
fig.savefig(IMAGES / "05_confusion.png", dpi=110)
plt.close(fig)
