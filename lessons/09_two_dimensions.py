"""Lesson 09: two dimensions. What D draws, where it sends the fakes, one step at a time; modes counted, ten seeds."""

# %% setup
import os
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter

from tinygan.data import Minibatches
from tinygan.gan import draw_latents
from tinygan.losses import sigmoid
from tinygan.optimizers import MovingAverage
from tinygan.recipes import PRESETS, build_gan
from tinygan.scoring.metrics import mode_report
from tinygan.synthetic import MIXTURES, grid, ring

QUICK = bool(os.environ.get("LESSON_QUICK"))  # the tests' form: same code, fewer steps
IMAGES = Path(os.environ.get("LESSON_IMAGES") or "runs/lessons")  # where the pictures go
IMAGES.mkdir(parents=True, exist_ok=True)
BATCH = 128
DATA = {"ring": ring(20_000, np.random.default_rng(0)), "grid": grid(20_000, np.random.default_rng(0))}
z_test = draw_latents(np.random.default_rng(1), 2500, 2)

# %% two worlds
print("2,500 samples of      modes   within 3σ   KL from equal shares")
for name, world in DATA.items():
    centers, sigma = MIXTURES[name]
    blob = np.random.default_rng(2).normal(0, np.std(world.x), (2500, 2))  # as wide as the data, and nothing else
    half = world.x[world.labels < len(centers) // 2][:2500]
    for kind, samples in (("the data", world.x[:2500]), ("half of the modes", half), ("one wide blob", blob)):
        modes, share, kl = mode_report(samples, centers, sigma)[:3]
        print(f"{name}: {kind:18} {modes:2d}     {share:.3f}       {kl:.3f}")
print(f"a perfect sampler has {1 - np.exp(-9 / 2):.4f} within 3σ")


# %% a small GAN
SETTLING = replace(PRESETS["points"], hidden=(64, 64, 64), batch=BATCH, gamma=0.003, init="xavier")
PLAIN = replace(SETTLING, penalty="none", average=0.0, decay_from=1.0)  # 1.0: lr falls only after the end


class Game:
    """A GAN for points, its data and its generator's moving average; ``play`` is the loop."""

    def __init__(self, name, config, g_steps=1):
        self.config, self.rng, self.g_steps, self.step = config, np.random.default_rng(config.seed), g_steps, 0
        self.gan = build_gan(config, (2,), self.rng)
        self.average = MovingAverage(self.gan.generator.params, config.average)
        self.batches = Minibatches(DATA[name].x, BATCH, self.rng)

    def play(self, steps, total):
        for _ in range(steps):
            if self.config.decay_from == 0:  # ever smaller steps, to zero at the end
                self.gan.d_optimizer.lr = self.gan.g_optimizer.lr = self.config.lr * (1 - self.step / total)
            x_fake = self.gan.generator.forward(draw_latents(self.rng, BATCH, 2))
            self.gan.discriminator_step(self.batches.next(), x_fake)
            self.gan.generator_step(x_fake)
            for _ in range(self.g_steps - 1):
                self.gan.generator_step(self.gan.generator.forward(draw_latents(self.rng, BATCH, 2)))
            self.average.update(self.gan.generator.params)
            self.step += 1


# %% what a fake feels
def arrows(gan, x_fake):
    """Where the generator's loss pulls each fake: -N·∂loss/∂x_fake, (N, 2)."""
    _, dfake = gan.objective.generator(gan.discriminator.forward(x_fake))
    return -len(x_fake) * gan.discriminator.backward(dfake, param_grads=False)


SIDE = np.linspace(-1.6, 1.6, 81, dtype=np.float32)
PLANE = np.stack(np.meshgrid(SIDE, SIDE), axis=2).reshape(-1, 2)


def draw(ax, gan, z, title):
    """The plane as D judges it, data (black), fakes and what pulls at them (red)."""
    surface = sigmoid(gan.discriminator.forward(PLANE)).reshape(81, 81)
    x_fake = gan.generator.forward(z).copy()
    pull = arrows(gan, x_fake)
    pull *= 0.25 / np.maximum(np.linalg.norm(pull, axis=1, keepdims=True), 0.5)  # long ones are cut
    ax.clear()
    ax.contourf(SIDE, SIDE, surface, np.linspace(0, 1, 11), cmap="PuOr", alpha=0.7)
    ax.plot(*DATA["ring"].x[:200].T, "k.", markersize=1)
    ax.plot(*x_fake.T, ".", color="C3", markersize=3)
    ax.quiver(*x_fake.T, *pull.T, angles="xy", scale_units="xy", scale=1, width=0.004, color="C3")
    ax.set(xlim=(-1.6, 1.6), ylim=(-1.6, 1.6), xticks=[], yticks=[], aspect="equal")
    ax.set_title(title, fontsize=9)


# %% one step at a time
game = Game("ring", SETTLING)
game.play(30 if QUICK else 300, total=3000)
gan, x_real, z = game.gan, game.batches.next().copy(), draw_latents(game.rng, BATCH, 2)
before = gan.generator.forward(z).copy()
fig, axes = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
panels = iter(axes)
print("on one batch     D's loss   G's loss   fakes that have moved along their arrow")
turns = {"before": "", "one step of D": "D", "ten of D": 9 * "D", "then one of G": "G", "then ten of G": 9 * "G"}
for title, turn in turns.items():
    for player in turn:
        x_fake = gan.generator.forward(z)
        gan.discriminator_step(x_real, x_fake) if player == "D" else gan.generator_step(x_fake)
    if "G" not in turn:
        pull = arrows(gan, before).copy()
    x_fake = gan.generator.forward(z)
    logits = gan.discriminator.forward(np.concatenate([x_real, x_fake]))
    d_loss, g_loss = gan.objective.discriminator(*np.split(logits, 2))[0], gan.objective.generator(logits[BATCH:])[0]
    along = np.mean(np.sum((x_fake - before) * pull, axis=1) > 0)
    print(f"{title:16} ~{d_loss:.3f}     ~{g_loss:.3f}     ~{along:.2f}")
    if len(turn) != 1:
        draw(next(panels), gan, z, title)
fig.savefig(IMAGES / "09_steps.png", dpi=100)

# %% a film
STEPS, FRAMES = (24, 3) if QUICK else (1500, 30)
settling, plain = (replace(config, seed=1) for config in (SETTLING, PLAIN))
games = {"hasty": Game("ring", plain, g_steps=3), "plain": Game("ring", plain), "settling": Game("ring", settling)}
shares = {name: [] for name in games}
fig, axes = plt.subplots(1, 3, figsize=(8.4, 3.1), layout="constrained")


def show(frame):
    for ax, (name, game) in zip(axes, games.items(), strict=True):
        game.play(STEPS // FRAMES if frame else 0, STEPS)
        draw(ax, game.gan, z_test[:80], f"{name}, step {game.step}")
        shares[name].append(mode_report(game.gan.generator.forward(z_test), *MIXTURES["ring"]).counts / 2500)


animation = FuncAnimation(fig, show, FRAMES + 1, init_func=lambda: None)
animation.save(IMAGES / "09_film.gif", PillowWriter(fps=3), dpi=70)

# %% collapse as it happens
fig, axes = plt.subplots(1, 3, figsize=(8.4, 2.4), layout="constrained", sharey=True)
print("second half of the run     largest mode's share   smallest's   the largest is another one")
for ax, (name, history) in zip(axes, shares.items(), strict=True):
    picture = ax.imshow(np.transpose(history), aspect="auto", vmin=0, vmax=0.5, extent=(0, STEPS, 7.5, -0.5))
    ax.set(title=name, xlabel="step", ylabel="mode" if name == "hasty" else "")
    late = np.array(history[FRAMES // 2 :])  # (frames, modes)
    largest, smallest = late.max(axis=1).mean(), late.min(axis=1).mean()
    changes = np.count_nonzero(np.diff(late.argmax(axis=1)))
    print(f"{name:26} ~{largest:.2f}                  ~{smallest:.2f}        ~{changes} times in {len(late) - 1} looks")
fig.colorbar(picture, label="share of the fakes")
fig.savefig(IMAGES / "09_shares.png", dpi=100)

# %% ten seeds
SEEDS, STEPS = (2, 15) if QUICK else (10, 1500)
no_r1, he = replace(SETTLING, penalty="none"), replace(PLAIN, init="he")
LADDER = {"He": he, "Xavier: plain": PLAIN, "+ falling lr, EMA": no_r1, "+ R1: settling": SETTLING}
print("mean ± standard error         modes            within 3σ        KL from equal    correlation")
for name, row in ((name, row) for name in MIXTURES for row in LADDER):
    results = []
    for seed in range(SEEDS):
        game = Game(name, replace(LADDER[row], seed=seed))
        game.play(STEPS // 15, STEPS)
        early = mode_report(game.gan.generator.forward(z_test), *MIXTURES[name])
        game.play(STEPS - STEPS // 15, STEPS)
        late = mode_report(game.gan.generator.forward(z_test), *MIXTURES[name])
        game.gan.generator.params[:] = game.average.params
        shown = mode_report(game.gan.generator.forward(z_test), *MIXTURES[name])
        results.append([*shown[:3], np.corrcoef(early.counts, late.counts)[0, 1]])
    mean, error = np.mean(results, axis=0), np.std(results, axis=0, ddof=1) / SEEDS**0.5
    print(f"{name}: {row:20}  " + "    ".join(f"~{m:.2f} ± ~{e:.2f}" for m, e in zip(mean, error, strict=True)))
