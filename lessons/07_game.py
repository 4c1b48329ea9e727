"""Lesson 07: the game. A step, what the best D knows, players who chase each other, a GAN in one dimension."""

# %% setup
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter

from tinygan.gan import GAN
from tinygan.gradcheck import relative_error
from tinygan.gradient_penalty import R1
from tinygan.layers import Dense, LeakyReLU
from tinygan.losses import sigmoid
from tinygan.network import Network
from tinygan.objectives import NonSaturating
from tinygan.optimizers import SGD, Adam

QUICK = bool(os.environ.get("LESSON_QUICK"))  # the tests' form: same code, fewer steps
IMAGES = Path(os.environ.get("LESSON_IMAGES") or "runs/lessons")  # where the pictures go
IMAGES.mkdir(parents=True, exist_ok=True)
EDGES = np.linspace(-5, 5, 101)
X = (EDGES[1:] + EDGES[:-1]) / 2  # the middles of 100 bins of width 0.1
COLUMN = X[:, None].astype(np.float32)
rng = np.random.default_rng(0)


def normal(mean, std):
    return np.exp(-0.5 * ((X - mean) / std) ** 2) / (std * np.sqrt(2 * np.pi))


def draw_real(n):
    return (rng.choice([-1.5, 1.5], (n, 1)) + 0.4 * rng.standard_normal((n, 1))).astype(np.float32)


def draw_z(n):
    return rng.standard_normal((n, 1), dtype=np.float32)


def mlp():
    network = Network([Dense(1, 32), LeakyReLU(), Dense(32, 32), LeakyReLU(), Dense(32, 1)], rng)
    network.layers[0].b[...] = rng.uniform(-3, 3, 32)  # zeros would put all bends at x = 0
    return network


def js(p, q):
    """The Jensen-Shannon divergence of two densities, as a sum over bins of width 0.1; 0 log 0 is 0."""
    ratios = [np.where(f > 0, 2 * f / np.maximum(p + q, 1e-300), 1) for f in (p, q)]
    return 0.1 * np.sum(p * np.log(ratios[0]) + q * np.log(ratios[1])) / 2


P, Q = (normal(-1.5, 0.4) + normal(1.5, 0.4)) / 2, normal(0.5, 1)  # densities of draw_real, and of a G


# %% a step, plainly
def plain_step(G, D, g_optimizer, d_optimizer, x_real, z):
    n = len(z)
    x_fake = G.forward(z)

    # D's half: it pays -log σ(s) for a real sample with the logit s, -log(1 - σ(s)) for a fake one.
    s = D.forward(np.concatenate([x_real, x_fake]))
    target = np.concatenate([np.ones((n, 1)), np.zeros((n, 1))])
    D.backward((sigmoid(s) - target) / n, input_grad=False)  # ends at D's first layer: nothing for G
    d_optimizer.step(D.params, D.grads)

    # G's half: it pays -log σ(s) for a fake, judged by the D of now.
    s = D.forward(x_fake)
    dx_fake = D.backward((sigmoid(s) - 1) / n, param_grads=False)  # through D, which learns nothing
    G.backward(dx_fake, input_grad=False)
    g_optimizer.step(G.params, G.grads)


gan = GAN(mlp(), mlp(), NonSaturating(), SGD(0.01), SGD(0.01))
G, D = mlp(), mlp()
G.params[:], D.params[:] = gan.generator.params, gan.discriminator.params
x_real, z = draw_real(256), draw_z(256)
plain_step(G, D, SGD(0.01), SGD(0.01), x_real, z)
x_fake = gan.generator.forward(z)
gan.discriminator_step(x_real, x_fake)
gan.generator_step(x_fake)
for name, plain, package in [("generator", G, gan.generator), ("discriminator", D, gan.discriminator)]:
    error = relative_error(plain.params, package.params)
    print(f"{name:13} after the plain step and after the package's: relative error ~{error:.0e}")
    assert error < 1e-6


# %% a trained D
def train_d(D, draw_fake, draw_real=draw_real, steps=100 if QUICK else 3000):
    """Only D's half of the game, against fakes that stay as they are; returns the losses of both."""
    gan = GAN(None, D, NonSaturating(), None, Adam(5e-3))
    for step in range(steps):
        gan.d_optimizer.lr = 5e-3 * (1 - step / steps)
        gan.discriminator_step(draw_real(256), draw_fake(256))
    x_fake = draw_fake(20_000)
    d_loss = gan.discriminator_gradients(draw_real(20_000), x_fake).loss
    return d_loss, gan.objective.generator(D.forward(x_fake))[0]


discriminator = mlp()
d_loss, _ = train_d(discriminator, lambda n: 0.5 + draw_z(n))
D, best = sigmoid(discriminator.forward(COLUMN))[:, 0], P / (P + Q)
distance, lowest = 0.1 * np.sum((P + Q) / 2 * np.abs(D - best)), np.log(4) - 2 * js(P, Q)
print(f"|D - D*|, on average over real and fake samples: ~{distance:.3f}")
print(f"D's loss ~{d_loss:.3f}; log 4 - 2 JS = {lowest:.3f}")
assert QUICK or (distance < 0.02 and abs(d_loss - lowest) < 0.02)

fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.fill_between(X, P, color="0.8", label="data p")
ax.plot(X, Q, "C3", label="fakes q")
ax.plot(X, D, "C0", label="trained D")
ax.plot(X, best, "k--", lw=1, label="D* = p/(p + q)")
ax.set(xlim=(-4, 4), ylim=(0, 1.2), xlabel="x")
ax.legend(fontsize=8, ncol=2)
fig.savefig(IMAGES / "07_best_d.png", dpi=110)


# %% x times y
def play(in_turn=True, momentum=0.0, friction=0.0, steps=100):
    """f = x·y from (1, 0) in steps of 0.2: y climbs, x descends. The rows (x, y), (steps + 1, 2)."""
    path, vx, vy = [(1.0, 0.0)], 0.0, 0.0
    for _ in range(steps):
        x, y = path[-1]
        vy = momentum * vy + x - friction * y
        y_new = y + 0.2 * vy
        vx = momentum * vx + (y_new if in_turn else y)
        path.append((x - 0.2 * vx, y_new))
    return np.array(path)


LOOKS = [0, 4, 8, 12, 16, 32, 48]
fig, axes = plt.subplots(1, 3, figsize=(9, 3.6), layout="constrained", sharex=True, sharey=True)
u, v = np.meshgrid(np.linspace(-2.5, 2.5, 11), np.linspace(-2.5, 2.5, 11))
print("f = x·y, distance after " + " ".join(f"{n:<5}" for n in LOOKS) + " steps")
paths = {"both at once": play(in_turn=False), "in turn": play(), "with friction": play(friction=0.5)}
for ax, (title, path) in zip(axes, paths.items(), strict=True):
    print(f"{title:24}" + " ".join(f"{d:.3f}" for d in np.hypot(*path[LOOKS].T)))
    ax.quiver(u, v, -v, u, color="0.7")
    ax.plot(*path[:49].T, ".-")
    ax.set(title=title, xlabel="x, which descends", ylabel="y, which climbs", aspect="equal")
    ax.label_outer()
fig.savefig(IMAGES / "07_xy.png", dpi=110)
x, y = paths["in turn"][LOOKS].T
print(f"{'x² + y² + 0.2 x·y':24}" + " ".join(f"{q:.3f}" for q in x**2 + y**2 + 0.2 * x * y))

# %% momentum and friction
print("momentum   friction   distance after 100 steps")
for momentum, friction in [(0.5, 0), (0.1, 0), (0, 0), (-0.3, 0), (0, 0.5)]:
    distance = np.hypot(*play(momentum=momentum, friction=friction)[-1])
    print(f"{momentum:8}   {friction:8}   {distance:.3g}")

# %% a GAN in one dimension
STEPS, FRAMES = (40, 4) if QUICK else (3000, 30)
KINDS = {"plain": (0.5, None), "no momentum": (0, None), "R1": (0.5, R1(0.1)), "calm": (0, R1(0.1))}
z_shown, films = draw_z(20_000), {}
for name, (beta1, penalty) in KINDS.items():
    for seed in range(3):
        rng = np.random.default_rng(seed)
        gan = GAN(mlp(), mlp(), NonSaturating(), Adam(1e-3, beta1), Adam(5e-3, beta1), penalty)
        history = films[name, seed] = []
        for step in range(STEPS + 1):
            x_fake = gan.generator.forward(draw_z(256))
            d_loss = gan.discriminator_step(draw_real(256), x_fake).loss
            g_loss = gan.generator_step(x_fake)
            if step % (STEPS // FRAMES) == 0:
                q = np.histogram(gan.generator.forward(z_shown), EDGES, density=True)[0]
                history.append((step, d_loss, g_loss, js(P, q), q, sigmoid(gan.discriminator.forward(COLUMN))))

# %% their losses
print("mean of the second half, for three seeds")
print(" " * 14 + "".join(f"{head:25}" for head in ("D's loss", "G's loss", "JS")) + "log 4 - 2 JS")
for name in KINDS:
    means = np.array([np.mean([r[1:4] for r in films[name, seed][FRAMES // 2 :]], axis=0) for seed in range(3)]).T
    columns = [*means, np.log(4) - 2 * means[2]]
    print(f"{name:14}" + "    ".join(" ".join(f"~{v:.3f}" for v in column) for column in columns))


# %% a film
def show(i):
    for ax, name in zip(axes, ("plain", "calm"), strict=True):
        step, *numbers, q, D = films[name, 1][i]
        ax.clear()
        ax.fill_between(X, P, color="0.8")
        ax.stairs(q, EDGES, color="C3")
        ax.plot(X, D, "C0")
        ax.set_title("{}, step {}\nlosses {:.3f}, {:.3f}; JS {:.3f}".format(name, step, *numbers), fontsize=9)
        ax.set(xlim=(-4, 4), ylim=(0, 1.2), xlabel="x")


fig, axes = plt.subplots(1, 2, figsize=(7, 3), layout="constrained")
FuncAnimation(fig, show, FRAMES + 1).save(IMAGES / "07_film.gif", PillowWriter(fps=5), dpi=70)


# %% same losses
few, gap = draw_real(50), js(P, normal(0, 0.3))
print("generator    JS(p, q)   discriminator         D's loss   G's loss")
for g, divergence, d, losses in (
    ("perfect", 0, "large", train_d(mlp(), draw_real)),
    ("in the gap", gap, "a line", train_d(Network([Dense(1, 1)], rng), lambda n: 0.3 * draw_z(n))),
    ("in the gap", gap, "large", train_d(mlp(), lambda n: 0.3 * draw_z(n))),
    ("perfect", 0, "large, on 50 points", train_d(mlp(), draw_real, lambda n: rng.choice(few, n))),
):
    print("{:12} {:.3f}      {:21} ~{:.3f}     ~{:.3f}".format(g, divergence, d, *losses))
