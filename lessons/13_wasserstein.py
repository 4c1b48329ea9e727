"""Lesson 13: Wasserstein. A distance that does not saturate, clipping, and the penalty, differentiated by hand."""

# %% setup
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from tinygan.gan import GAN
from tinygan.gradcheck import numeric_gradient, relative_error
from tinygan.gradient_penalty import R1, WGANGP, add_gradient_penalty
from tinygan.layers import Dense, LeakyReLU, Tanh
from tinygan.network import Network
from tinygan.objectives import NonSaturating, Wasserstein
from tinygan.optimizers import Adam
from tinygan.synthetic import ring

QUICK = bool(os.environ.get("LESSON_QUICK"))  # the tests' form: same code, fewer steps
IMAGES = Path(os.environ.get("LESSON_IMAGES") or "runs/lessons")  # where the pictures go
IMAGES.mkdir(parents=True, exist_ok=True)
draw = np.random.default_rng(0).standard_normal


def mlp(n_in, hidden=64, depth=3, seed=0):
    layers = [Dense(n_in, hidden), LeakyReLU()]
    for _ in range(depth - 1):
        layers += [Dense(hidden, hidden), LeakyReLU()]
    return Network([*layers, Dense(hidden, 1, "xavier")], np.random.default_rng(seed))


# %% two distances
x, dx = np.linspace(-10, 10, 20_001, retstep=True)


def js_and_w(p, q):
    """Jensen-Shannon divergence, and ∫ |P - Q| of the distribution functions: Wasserstein in one dimension."""
    logs = [np.where(f > 0, f * np.log(np.maximum(2 * f, 1e-300) / np.maximum(p + q, 1e-300)), 0) for f in (p, q)]
    return 0.5 * dx * np.sum(logs), dx * np.abs(np.cumsum(p - q) * dx).sum()


print("two Gaussians of width 0.2 at distance t")
print("t           " + "".join(f"{t:9}" for t in (0.0, 0.2, 0.5, 1.0, 2.0, 4.0)))
pairs = []
for t in (0.0, 0.2, 0.5, 1.0, 2.0, 4.0):
    p, q = (np.exp(-0.5 * ((x - m) / 0.2) ** 2) / (0.2 * np.sqrt(2 * np.pi)) for m in (0, t))
    pairs.append(js_and_w(p, q))
    assert abs(pairs[-1][1] - t) < 1e-6
for name, row in zip(("JS", "Wasserstein"), zip(*pairs, strict=True), strict=True):
    print(f"{name:12}" + "".join(f"{v:9.4f}" for v in row))

# %% what G receives
STEPS = (0, 5, 10, 20) if QUICK else (0, 100, 300, 1000)
print("far apart, G frozen: length of G's gradient after so many steps of D, and what D's loss says")
print("                      " + "".join(f"{n:>10}" for n in STEPS) + "   minus D's loss")
for name, game, penalty in (
    ("non-saturating", NonSaturating(), None),
    ("critic with penalty", Wasserstein(), WGANGP(np.random.default_rng(0))),
):
    gan = GAN(Network([Dense(2, 2)], np.random.default_rng(0)), mlp(2), game, None, Adam(1e-3, 0.5), penalty)
    gan.generator.params[:] = [0.5, 0, 0, 0.5, 5, 0]  # G(z) = (5, 0) + z/2, as in lesson 08
    lengths = []
    for step in range(STEPS[-1] + 1):
        x_real, z = draw((2, 256, 2), np.float32)
        if step in STEPS:
            gan.generator_gradients(gan.generator.forward(z))
            lengths.append(np.linalg.norm(gan.generator.layers[0].db))
        loss = gan.discriminator_step(x_real / 2, gan.generator.forward(z)).loss
    print(f"{name:22}" + "".join(f"{f'~{v:.2f}':>10}" for v in lengths) + f"{f'~{-loss:.2f}':>17}")

# %% the surface of a critic
STEPS = 20 if QUICK else 1500
data = ring(4096, np.random.default_rng(0)).x
rules = {"clip 0.01": 0.01, "clip 0.05": 0.05, "clip 0.2": 0.2, "penalty": WGANGP(np.random.default_rng(0))}
axis = np.linspace(-1.8, 1.8, 61, dtype=np.float32)
plane = np.stack(np.meshgrid(axis, axis), axis=2).reshape(-1, 2)
fig, axes = plt.subplots(2, 4, figsize=(10, 5), layout="constrained")
print("critic of the ring against the ring with noise 0.3: what it thinks their distance is, the length of")
print("its slope at fakes (mean, smallest, largest), and the share of its weights at the bound")
for (above, below), (name, rule) in zip(axes.T, rules.items(), strict=True):
    critic, adam, game = mlp(2), Adam(1e-3, 0.0), Wasserstein()
    for _ in range(STEPS):
        x_real, x_fake = data[:256], data[256:512] + 0.3 * draw((256, 2), np.float32)
        np.random.default_rng(adam.t).shuffle(data)
        logits = critic.forward(np.concatenate([x_real, x_fake]))
        _, dreal, dfake = game.discriminator(logits[:256], logits[256:])
        critic.backward(np.concatenate([dreal, dfake]), input_grad=False)
        if name == "penalty":
            rule(critic, x_real, x_fake)
        adam.step(critic.params, critic.grads)
        if name != "penalty":
            np.clip(critic.params, -rule, rule, out=critic.params)
    x_fake = data[:2000] + 0.3 * draw((2000, 2), np.float32)
    distance = critic.forward(data).mean() - critic.forward(x_fake).mean()
    slope = np.linalg.norm(critic.backward(np.ones((2000, 1), np.float32), param_grads=False), axis=1)
    weights = np.concatenate([layer.W.ravel() for layer in critic.layers[::2]])
    bound = np.mean(np.abs(weights) > 0.999 * rule) if name != "penalty" else 0
    steepest = np.prod([np.sqrt(layer.W.size) * rule for layer in critic.layers[::2]]) if name != "penalty" else 9
    assert slope.max() <= steepest
    figures = ", ".join(f"~{v:.1e}" for v in (distance, slope.mean(), slope.min(), slope.max()))
    print(f"{name:10} {figures}   ~{bound:.2f}")
    surface = critic.forward(plane).reshape(61, 61)
    above.contourf(axis, axis, surface, 20)
    above.plot(*data[:300].T, "w.", ms=2)
    above.set(title=name, aspect="equal", xticks=(), yticks=())
    below.hist(weights, 40)
    below.set(xlabel="weights", yticks=())
    below.locator_params(axis="x", nbins=4)
fig.savefig(IMAGES / "13_surfaces.png", dpi=110)
plt.close("all")

# %% one weight at a time
w1, w2, point, v = 0.8, -1.5, 0.7, 0.3  # D(x) = w2 tanh(w1 x), the smallest critic with a bend
t = np.tanh(w1 * point)
g = w2 * w1 * (1 - t**2)
by_hand = v * np.array([w2 * (1 - t**2) - 2 * w2 * w1 * point * t * (1 - t**2), w1 * (1 - t**2)])
tiny = Network([Dense(1, 1), Tanh(), Dense(1, 1)], np.random.default_rng(0), np.float64)
tiny.params[:] = w1, 0, w2, 0
tiny.grads[:] = 0
add_gradient_penalty(tiny, np.array([[point]]), lambda slope: (v * slope.sum(), np.full_like(slope, v)))
print(f"g = {g:.6f}")
print(f"by hand: dw1 {by_hand[0]:.6f}, dw2 {by_hand[1]:.6f}")
print(f"package: dw1 {tiny.grads[0]:.6f}, dw2 {tiny.grads[2]:.6f}")
assert np.allclose(by_hand, tiny.grads[[0, 2]], rtol=1e-14)


# %% the check
def two_backwards(network, x, v, h=1e-5):
    """∂/∂θ Σ v·g with v fixed, by the difference of two ordinary gradients at x + h v and x - h v."""
    gradients = []
    for moved in (x + h * v, x - h * v):
        network.backward(np.ones_like(network.forward(moved)), input_grad=False)
        gradients.append(network.grads.copy())
    return (gradients[0] - gradients[1]) / (2 * h)


rng = np.random.default_rng(1)
critic = Network([Dense(3, 8), Tanh(), Dense(8, 6), LeakyReLU(), Dense(6, 1)], rng, np.float64)
x_real, x_fake = rng.normal(size=(2, 5, 3))
print("relative error of the gradient by hand, against")
print("            measured, every parameter   difference of two backwards")
for name, make in (("WGAN-GP", lambda: WGANGP(np.random.default_rng(3))), ("R1", R1)):
    critic.grads[:] = 0
    make()(critic, x_real, x_fake)
    ours = critic.grads.copy()
    measured = numeric_gradient(lambda make=make: make()(critic, x_real, x_fake), critic.params)
    e = np.random.default_rng(3).random((5, 1))  # the same ε as in the penalty
    points = e * x_real + (1 - e) * x_fake if name == "WGAN-GP" else x_real
    g = critic.backward(np.ones_like(critic.forward(points))).copy()
    norm = np.linalg.norm(g, axis=1, keepdims=True)
    v = 20 * (norm - 1) * g / norm / 5 if name == "WGAN-GP" else 0.1 * g / 5
    errors = relative_error(ours, measured), relative_error(ours, two_backwards(critic, points, v))
    print(f"{name:12}~{errors[0]:.0e}{'~' + format(errors[1], '.0e'):>28}")
    assert max(errors) < 1e-7
