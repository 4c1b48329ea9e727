"""What is seen of a run: a picture of it, and numbers at a point, of a weight, of a layer.

An ``Eye`` has networks of its own, into which it copies a run's parameters: looking changes nothing.

Shapes: N samples, I numbers of a sample, L latent_dim, K classes, P parameters.
"""

from __future__ import annotations

import base64

import numpy as np

from tinygan.conditions import Condition, labels_in, one_hot, with_labels
from tinygan.data import as_floats
from tinygan.gan import draw_latents, generate
from tinygan.gradcheck import numeric_gradient, relative_error
from tinygan.recipes import build_gan

FAKES = 200  # that are drawn
SIDE = 40  # of D's surface, in points
LINES = 15  # of the grid of latents, each way
VIEWS = ("fixed", "between", "direction", "gradient", "nearest")  # of images


class Eye:
    """Looks at the runs of one Config and one dataset.

    training   a Training of them, for its fixed latents and its shapes
    """

    def __init__(self, training, dataset):
        self.config, self.shape, self.images = training.config, training.shape, training.images
        self.classes, self.latents = training.classes, training.latents
        self.gan = self.networks(np.float32)
        self.batch = sample_of(dataset.x, self.config.batch)
        self.labels = sample_of(dataset.labels, self.config.batch) if self.classes else None
        if not self.images:
            low, high = float(dataset.x.min()), float(dataset.x.max())
            margin = 0.25 * (high - low)
            self.box = low - margin, high + margin
            ticks = np.linspace(*self.box, SIDE, dtype=np.float32)
            self.places = np.stack(np.meshgrid(ticks, ticks), axis=2).reshape(-1, 2)  # row by row, from below

    def networks(self, dtype):
        """Return a GAN of this Config."""
        return build_gan(self.config, self.shape, np.random.default_rng(0), dtype, self.classes)

    def take(self, arrays, gan=None, generator="generator"):
        """Take over the parameters in the arrays of a ``Training.state``."""
        gan = gan or self.gan
        gan.generator.params[:], gan.discriminator.params[:] = arrays[generator], arrays["discriminator"]
        for player, network in (("g", gan.generator), ("d", gan.discriminator)):
            if network.statistics.size:
                network.statistics[:] = arrays[f"{player}_statistics"]

    # ---- the two players --------------------------------------------------------------------------

    def judge(self, x, labels=None, gan=None):
        """Return D's logits of x (N, I); behind a ``Pack`` each sample is judged as a pack of its own copies."""
        network = (gan or self.gan).discriminator
        self.tell(network, labels, len(x))
        with network.inference():
            return network.forward(np.repeat(x, self.config.pack, axis=0)).copy()

    def tell(self, network, labels, n):
        """Tell a discriminator the labels (n,) of what it will see; class 0 where none are given."""
        for layer in network.layers:
            if isinstance(layer, Condition):
                layer.labels = one_hot(np.zeros(n, int) if labels is None else labels, self.classes, np.float32)

    def slopes(self, x, labels=None):
        """Return ∂D/∂x, (N, I), of the logits of ``judge``."""
        logits = self.judge(x, labels)
        dx = self.gan.discriminator.backward(np.ones_like(logits), param_grads=False)
        return dx.reshape(len(x), self.config.pack, -1).sum(axis=1)

    def forces(self, x, labels=None):
        """Return −N ∂L_G/∂x, (N, I): where each sample is pushed by what G pays in this game."""
        logits = self.judge(x, labels)
        _, dlogits = self.gan.objective.generator(logits)
        dx = self.gan.discriminator.backward(dlogits, param_grads=False)
        return -len(x) * dx.reshape(len(x), self.config.pack, -1).sum(axis=1)

    def labels_of(self, z):
        """Return the labels in latents (N, L + K), or None."""
        return labels_in(z, self.config.latent_dim) if self.classes else None

    # ---- pictures -----------------------------------------------------------------------------------

    def picture(self, arrays, view=None, neighbors=None):
        """Return what is drawn of a run: {name: packed array}, and the lowest and highest score of D."""
        self.take(arrays)
        return self.of_images(arrays, view or {}, neighbors) if self.images else self.of_points(arrays)

    def of_points(self, arrays):
        """Return fakes, arrows, D's surface and the grid of latents, carried along by G."""
        z = self.latents[:FAKES]
        labels = self.labels_of(z)
        fakes = generate(self.gan.generator, z)
        surface = self.gan.objective.score(self.judge(self.places)).reshape(SIDE, SIDE)
        low, high = self.ends(surface)
        grid = generate(self.gan.generator, self.grid()).reshape(-1, LINES, 2)
        seen = {
            "fakes": pack(fakes),
            "arrows": pack(self.forces(fakes, labels)),
            "surface": pack(np.clip((surface - low) / (high - low), 0, 1)),
            "scores": [float(surface.min()), float(surface.max())],
            "grid": pack(grid),
        }
        if self.config.average:
            self.gan.generator.params[:] = arrays["average"]
            seen["averaged"] = pack(generate(self.gan.generator, z))
            self.gan.generator.params[:] = arrays["generator"]
        return seen

    def ends(self, surface):
        """Return the scores at which D is sure, for fake and for real; for a critic its lowest and highest here."""
        objective = self.gan.objective
        if self.config.objective == "least-squares":
            return objective.a, objective.b
        if self.config.objective == "wasserstein":
            return float(surface.min()), max(float(surface.max()), float(surface.min()) + 1e-9)
        return 0.0, 1.0

    def grid(self):
        """Return latents on the lines of a grid from −2 to 2 in their first two numbers, the others 0."""
        ticks = np.linspace(-2, 2, LINES, dtype=np.float32)
        rows = LINES if self.config.latent_dim > 1 else 1
        z = np.zeros((rows, LINES, self.config.latent_dim), np.float32)
        z[..., 0] = ticks
        if self.config.latent_dim > 1:
            z[..., 1] = ticks[:rows, None]
        z = z.reshape(-1, self.config.latent_dim)
        return with_labels(z, np.zeros(len(z), int), self.classes) if self.classes else z

    def of_images(self, arrays, view, neighbors):
        """Return 64 images, or what D's slope or the nearest training images are to them."""
        kind, z = view.get("kind", "fixed"), self.latents
        if kind in ("between", "direction"):
            z = self.between(z) if kind == "between" else self.along(z, int(view.get("direction", 0)))
        self.gan.generator.params[:] = arrays["average"]
        x = generate(self.gan.generator, z)
        if kind == "gradient":
            return {"tints": pack(self.forces(x, self.labels_of(z)))}
        if kind == "nearest" and neighbors:
            x = as_floats(np.stack([x[:32], as_floats(neighbors(x[:32]))], axis=1).reshape(64, -1))
        return {"images": pack(x)}

    def between(self, z):
        """Return eight rows, each the way from one fixed latent to the next, (64, L + K)."""
        t = np.linspace(0, 1, 8, dtype=np.float32)[:, None]
        return np.concatenate([(1 - t) * z[i] + t * z[i + 1] for i in range(8)])

    def along(self, z, direction):
        """Return eight fixed latents, each with one of its numbers from −3 to 3, (64, L + K)."""
        moved = np.repeat(z[:8], 8, axis=0)
        moved[:, direction % self.config.latent_dim] = np.tile(np.linspace(-3, 3, 8), 8)
        return moved

    # ---- numbers ------------------------------------------------------------------------------------

    def at(self, arrays, x, y):
        """Return what D says at a point, its slope there, and where the game pushes a fake there."""
        self.take(arrays)
        point = np.array([[x, y]], np.float32)
        logit = self.judge(point)
        return {
            "logit": float(logit[0, 0]),
            "score": float(self.gan.objective.score(logit)[0, 0]),
            "slope": self.slopes(point)[0].tolist(),
            "force": self.forces(point)[0].tolist(),
        }

    def checker(self, arrays):
        """Return (GAN in float64 with these parameters, x_real, z): one batch on which derivatives are measured."""
        gan = self.networks(np.float64)
        gan.penalty = None
        self.take(arrays, gan)
        x_real = as_floats(self.batch).astype(np.float64)
        z = draw_latents(np.random.default_rng(1), len(x_real), self.config.latent_dim).astype(np.float64)
        if self.classes:
            z = with_labels(z, self.labels, self.classes)
        self.tell(gan.discriminator, self.labels, len(x_real))
        return gan, x_real, z

    def weight(self, arrays, player, name, index, h=1e-5):
        """Return a parameter, its derivative as backward has it, and the same measured (lesson 01); or ValueError.

        Of the loss of its player, without the penalty, on one batch in float64.
        """
        gan, x_real, z = self.checker(arrays)
        network = {"G": gan.generator, "D": gan.discriminator}.get(player)
        views = network.views() if network else {}
        if name not in views:
            raise ValueError(f"{player} {name}: there is no such parameter; there are {', '.join(views)}")
        values, grads = views[name]
        if not 0 <= index < values.size:
            raise ValueError(f"{player} {name}: it has the numbers 0 to {values.size - 1}, not {index}")

        def loss():
            x_fake = gan.generator.forward(z)
            if player == "G":
                return gan.generator_gradients(x_fake)
            return gan.discriminator_gradients(x_real, x_fake).loss

        value = loss()
        derivative = float(grads.flat[index])
        measured = float(numeric_gradient(loss, values.reshape(-1)[index : index + 1], h)[0])
        return {
            "loss": float(value),
            "value": float(values.flat[index]),
            "derivative": derivative,
            "measured": measured,
            "error": relative_error(np.array([derivative]), np.array([measured])),
            "shape": list(values.shape),
            "at": [int(i) for i in np.unravel_index(index, values.shape)],
        }

    def layers(self, arrays):
        """Return a list for each player: of each layer its output, its slope, its gradient, and dead units."""
        gan, x_real, z = self.checker(arrays)
        found = {}
        x_fake = gan.generator.forward(z)
        gan.discriminator_gradients(x_real, x_fake)
        found["D"] = [described(layer) for layer in gan.discriminator.layers]
        gan.generator_gradients(gan.generator.forward(z))
        found["G"] = [described(layer) for layer in gan.generator.layers]
        return found


def described(layer):
    """Return what a layer did with its last batch, as histograms."""
    said = {"layer": repr(layer)}
    out = layer.__dict__.get("out", layer._work.get("out"))
    if out is not None:
        said["out"] = histogram(out)
    if hasattr(layer, "slope"):
        slope = layer.slope()
        said["slope"] = histogram(slope)
        active = (layer.x > 0).any(axis=0)
        said["units"], said["dead"] = active.size, int((~active).sum())
    for name in layer.shapes:
        said[f"d{name}"] = histogram(getattr(layer, f"d{name}"))
    return said


def histogram(values, bins=24):
    """Return how often values lie where: counts between low and high, their mean and their norm."""
    counts, edges = np.histogram(values, bins)
    return {
        "counts": counts.tolist(),
        "low": float(edges[0]),
        "high": float(edges[-1]),
        "mean": float(np.mean(values)),
        "norm": float(np.linalg.norm(values)),
    }


def sample_of(x, n):
    """Return n rows of x, evenly spread, in another order than theirs."""
    return x[np.random.default_rng(3).integers(len(x), size=n)]


def pack(array):
    """Return an array for the browser: its shape, and 16-bit numbers with the factor that makes them floats."""
    array = np.nan_to_num(np.asarray(array, np.float32), posinf=0.0, neginf=0.0)
    scale = float(np.abs(array).max(initial=0.0)) / 32767 or 1.0
    values = np.round(array / scale).astype("<i2")
    return {"shape": list(array.shape), "scale": scale, "i2": base64.b64encode(values.tobytes()).decode()}
