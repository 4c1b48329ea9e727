"""A whole GAN on one page: NumPy, every derivative by hand, handwritten digits in about a minute.

A batch x has one sample in each row; dx, dW, db are the derivatives of the loss with respect to x, W, b.
"""

import gzip
import os
import urllib.request

import matplotlib.pyplot as plt
import numpy as np

FILE = "train-images-idx3-ubyte.gz"  # MNIST: 60,000 images of 28 x 28 bytes, behind a header of 16
BATCH, LATENT, HIDDEN, LR, GAMMA, EVERY, STEPS = 64, 100, 128, 2e-3, 1.0, 4, 24_000


def sigmoid(s):
    return 0.5 + 0.5 * np.tanh(0.5 * s)


def slope(out):  # of the LeakyReLU that made this out: 1 where out > 0, else 0.2
    return np.where(out > 0, 1, 0.2).astype(out.dtype)


def network(rng, *sizes):
    """First weights of variance 2/I (He et al. 2015), and biases of zero: [W₁, b₁, W₂, b₂, ...]."""
    pairs = zip(sizes, sizes[1:])
    return sum(([rng.normal(0, (2 / i) ** 0.5, (i, o)).astype("f"), np.zeros(o, "f")] for i, o in pairs), [])


def forward(net, x):
    """[x, out of the first layer, ...]: out = x W + b, with a LeakyReLU behind all but the last."""
    outs = [x]
    for W, b in zip(net[::2], net[1::2]):
        s = outs[-1] @ W + b
        outs.append(s if b is net[-1] else np.maximum(s, 0.2 * s))
    return outs


def backward(net, outs, dout):
    """[dW₁, db₁, ...] and dx: each W is felt through x, each b through 1, each x through W."""
    grads = []
    for W, x in zip(net[-2::-2], outs[-2::-1]):
        grads = [x.T @ dout, dout.sum(axis=0), *grads]
        dx = dout @ W.T
        dout = dx * slope(x)  # and through the LeakyReLU that made x
    return grads, dx


def add_r1(net, outs, grads):
    """Add the gradient of ½γ mean ‖g‖², where g = dD/dx = ((((1 W₃ᵀ) · slope₂) W₂ᵀ) · slope₁) W₁ᵀ."""
    rights, right = [], np.ones_like(outs[-1])
    for W, x in zip(net[-2::-2], outs[-2::-1]):
        rights = [right, *rights]
        g = right @ W.T
        right = g * slope(x)
    left = EVERY * GAMMA / len(g) * g  # d(loss)/dg. Each W stands once in g, between a left and a right part.
    for W, dW, right, out in zip(net[::2], grads[::2], rights, outs[1:]):
        dW += left.T @ right
        left = (left @ W) * slope(out)


def adam(net, grads, squares, t):
    """Adam with β1 = 0: v is a moving average of g², and θ moves by -lr g/√v."""
    for theta, g, v in zip(net, grads, squares):
        v += 0.001 * (g * g - v)
        theta -= LR * g / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)


def step(G, D, g_squares, d_squares, x_real, z, t):
    g_outs = forward(G, z)
    x_fake, n = sigmoid(g_outs[-1]), len(z)
    # D pays -log σ(s) for a real sample with logit s, and -log(1 - σ(s)) for a fake one.
    outs = forward(D, np.concatenate([x_real, x_fake]))
    p = sigmoid(outs[-1])
    grads, _ = backward(D, outs, np.concatenate([p[:n] - 1, p[n:]]) / n)
    if t % EVERY == 1:  # R1 on the real samples, rarely but strongly
        add_r1(D, [out[:n] for out in outs], grads)
    adam(D, grads, d_squares, t)
    # G pays -log σ(s) for its samples. D only hands the gradient on to them.
    outs = forward(D, x_fake)
    _, dx_fake = backward(D, outs, (sigmoid(outs[-1]) - 1) / n)
    grads, _ = backward(G, g_outs, dx_fake * x_fake * (1 - x_fake))
    adam(G, grads, g_squares, t)


if __name__ == "__main__":
    if not os.path.exists(FILE):
        urllib.request.urlretrieve("https://storage.googleapis.com/cvdf-datasets/mnist/" + FILE, FILE)
    images = np.frombuffer(gzip.open(FILE).read(), np.uint8, offset=16).reshape(-1, 784)
    rng = np.random.default_rng(0)
    G, D = network(rng, LATENT, HIDDEN, HIDDEN, 784), network(rng, 784, HIDDEN, HIDDEN, 1)
    g_squares, d_squares, shown = [0 * a for a in G], [0 * a for a in D], [a.copy() for a in G]
    for t in range(1, STEPS + 1):
        x_real = images[rng.integers(len(images), size=BATCH)].astype("f") / 255
        step(G, D, g_squares, d_squares, x_real, rng.standard_normal((BATCH, LATENT), "f"), t)
        for mean, now in zip(shown, G):  # the generator that is shown: a moving average
            mean += (1 - min(0.999, (1 + t) / (10 + t))) * (now - mean)
    digits = sigmoid(forward(shown, rng.standard_normal((100, LATENT), "f"))[-1])
    plt.imsave("digits.png", digits.reshape(10, 10, 28, 28).swapaxes(1, 2).reshape(280, 280), cmap="gray")
