"""The pictures (given): a line that says where the training is, and at its end digits, curves and a film."""

import sys
import time

import matplotlib

matplotlib.use("Agg")  # no window
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter

ROWS, FRAMES = 200, 40


class Album:
    """What is seen of a training.

    gan, average     as they are trained; ``shown`` is a generator of its own, which draws with the average's weights
    steps, epoch     how long it takes; how many steps make an epoch
    """

    def __init__(self, folder, name, gan, average, shown, steps, epoch):
        self.folder, self.name, self.gan, self.average, self.shown = folder, name, gan, average, shown
        self.steps, self.epoch, self.start = steps, epoch, time.perf_counter()
        self.z = np.random.default_rng(1).standard_normal((64, shown.layers[0].W.shape[0])).astype(np.float32)
        self.rows, self.sums, self.frames = [], np.zeros(3), [(0, self.draw(self.z))]
        self.marks = set(np.unique(np.geomspace(max(1, steps / 1000), steps, FRAMES).astype(int)))

    def seen(self, batches):
        """Hand on the batches, and remember the last one."""
        for self.x_real in batches:
            yield self.x_real

    def draw(self, z):
        """Return what the averaged generator makes of these latents."""
        self.shown.params[...] = self.average.params
        return self.shown.forward(z).copy()

    def look(self, step, d_loss, g_loss):
        """Take in one step; now and then show a line, and keep a picture."""
        self.sums += 1, d_loss, g_loss
        if not np.isfinite(d_loss + g_loss):
            sys.exit(f"\nstep {step:,}: a loss is {d_loss + g_loss}, not a number: check your code, or lower LR")
        if step % max(1, self.steps // ROWS) == 0 or step == self.steps:
            self.rows.append((step, *self.sums[1:] / self.sums[0], *self.scores()))
            self.sums[:] = 0
            self.say()
        if step in self.marks:
            self.frames.append((step, self.draw(self.z)))

    def scores(self):
        """Return how real the discriminator takes real samples and fakes to be, mean probabilities."""
        fakes = self.gan.generator.forward(np.random.default_rng(2).standard_normal((64, self.z.shape[1]), np.float32))
        logits = (self.gan.discriminator.forward(x).copy() for x in (self.x_real, fakes))
        return [float(np.mean(0.5 + 0.5 * np.tanh(0.5 * each))) for each in logits]

    def say(self):
        """Write the line; on a terminal always the same one."""
        step, d_loss, g_loss, d_real, d_fake = self.rows[-1]
        left = int((time.perf_counter() - self.start) * (self.steps - step) / step)
        line = (
            f"step {step:,}/{self.steps:,}  {left // 60}:{left % 60:02d} left  epoch {step / self.epoch:.1f}  "
            f"loss D {d_loss:.3f} G {g_loss:.3f}  D(real) {d_real:.2f}  D(fake) {d_fake:.2f}"
        )
        if sys.stdout.isatty():
            print(f"\r{line:<100}", end="\n" if step == self.steps else "", flush=True)
        elif len(self.rows) % (ROWS // 10) == 0:
            print(line, flush=True)

    def finish(self):
        """Write weights and pictures, and say where they are."""
        self.folder.mkdir(parents=True, exist_ok=True)
        # ``tinygan race`` measures what these weights draw.
        np.savez(self.folder / "generator.npz", params=self.average.params, data=self.name, steps=self.steps)
        plt.imsave(self.folder / "samples.png", tiles(self.frames[-1][1]), cmap="gray", vmin=0, vmax=1)
        self.save_curves()
        self.save_film()
        seconds = time.perf_counter() - self.start
        print(
            f"{self.steps:,} steps on {self.name} in {seconds:.0f} s; samples.png, curves.png, film.gif: {self.folder}"
        )

    def save_curves(self):
        """Draw the losses, and what the discriminator says."""
        steps, d_loss, g_loss, d_real, d_fake = np.transpose(self.rows)
        fig, (above, below) = plt.subplots(2, sharex=True, figsize=(7, 5), layout="constrained")
        above.plot(steps, d_loss, label="D")
        above.plot(steps, g_loss, label="G")
        below.plot(steps, d_real, label="D(real)")
        below.plot(steps, d_fake, label="D(fake)")
        above.set(ylabel="loss", xscale="log")
        below.set(ylabel="probability", xlabel="step")
        for ax in (above, below):
            ax.grid(alpha=0.3)
            ax.legend()
        fig.savefig(self.folder / "curves.png", dpi=110)
        plt.close(fig)

    def save_film(self):
        """Draw the same latents after more and more steps."""
        fig, ax = plt.subplots(figsize=(4, 4.3), layout="constrained")
        ax.set_axis_off()
        picture = ax.imshow(tiles(self.frames[0][1]), cmap="gray", vmin=0, vmax=1)

        def show(i):
            picture.set_data(tiles(self.frames[i][1]))
            ax.set_title(f"{self.name}, step {self.frames[i][0]:,}", fontsize=9)

        order = [*range(len(self.frames)), *[len(self.frames) - 1] * 6]
        FuncAnimation(fig, show, order).save(self.folder / "film.gif", PillowWriter(fps=6), dpi=70)
        plt.close(fig)


def tiles(images):
    """Return 64 images, (64, 784), as one picture of 8 x 8."""
    return images.reshape(8, 8, 28, 28).swapaxes(1, 2).reshape(224, 224)
