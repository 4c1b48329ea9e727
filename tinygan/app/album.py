"""What can be looked at in a run's folder: pictures, the history, the choices."""

from __future__ import annotations

import csv
import gc
import json
import os

from tinygan import __version__
from tinygan.app import checkpoint
from tinygan.app.errors import UsageError
from tinygan.scoring import scores
from tinygan.training import Row


def drawing():
    """Return the module that draws, imported only now, as that takes a while; UsageError where it cannot be."""
    os.environ.pop("MPLBACKEND", None)  # with a name there that matplotlib does not know, it cannot be imported
    try:
        from tinygan import plots
    except Exception as error:  # its settings are the user's, and may be anything
        raise UsageError(f"matplotlib cannot be used ({checkpoint.reason(error)}); look at its settings") from None
    return plots


class Album:
    """The files of a run that can be made again from its checkpoint."""

    def __init__(self, run, training, dataset):
        self.plots = drawing()
        self.run, self.training, self.dataset = run, training, dataset
        self.title = title_of(dataset, training.config)
        self.background = None if training.images else dataset.x[:2000]

    def update(self):
        """Write config.json, history.csv, and those pictures of samples that are not there yet."""
        config, dataset = self.training.config.to_dict(), self.dataset
        content = {"data": dataset.name, "examples": len(dataset.x), "version": __version__, **config}
        with checkpoint.whole(self.run / "config.json") as path:
            path.write_text(json.dumps(content, indent=2) + "\n")
        with checkpoint.whole(self.run / "history.csv") as path, open(path, "w", newline="") as file:
            csv.writer(file).writerows([Row._fields, *self.training.history])
        folder = self.run / "samples"
        with checkpoint.writing(folder):
            folder.mkdir(exist_ok=True)
        for step, samples in self.training.frames:
            picture = folder / f"step_{step:07d}.png"
            if not picture.exists():
                with checkpoint.whole(picture) as path:
                    self.plots.save_samples(
                        path, samples, dataset.shape, f"{dataset.name}, step {step:,}", self.background
                    )
                gc.collect()  # figures are large and contain reference cycles: free them now

    def finish(self, floor):
        """Draw the curves and the film; ``floor`` is what perfect samples measure, (quality, captured)."""
        training = self.training
        with checkpoint.whole(self.run / "curves.png") as path:
            self.plots.save_curves(path, training.history, self.title, self.panels(floor))
        with checkpoint.whole(self.run / "film.gif") as gif, checkpoint.whole(self.run / "film.html") as html:
            shape, name = self.dataset.shape, self.dataset.name
            self.plots.save_film(gif, html, training.frames, shape, name, self.background)

    def panels(self, floor):
        """Return the panels of the curves, with their landmarks."""
        line = self.plots.Line
        d_loss, g_loss, score = self.training.gan.objective.equilibrium
        quality, captured = scores.names_of_measures(self.training.images)
        loss = {"loss": [line("d_loss", "of D", d_loss), line("g_loss", "of G", g_loss)]}
        if self.training.config.objective == "wasserstein":
            loss = {"distance": [line("d_loss", "minus D's loss", d_loss, factor=-1)]}
        penalty = {} if self.training.gan.penalty is None else {"penalty": [line("penalty", "on D's slope")]}
        return {
            quality: [line("quality", "of the samples", floor[0])],
            captured: [line("captured", "captured", floor[1])],
            **loss,
            **penalty,
            "mean score": [line("d_real", "D(real)", score), line("d_fake", "D(fake)")],
            "gradient norm": [line("d_grad", "of D"), line("g_grad", "of G")],
        }


def title_of(dataset, config):
    """Return what a run is, in one line for its curves."""
    penalty = "no penalty" if config.penalty == "none" else f"{config.penalty} {config.gamma:g}"
    beta1 = f" β1 {config.beta1:g}" if config.optimizer == "adam" else ""
    optimizer = f"{config.optimizer} {config.lr:g}{beta1}"
    return f"{dataset.name}: {config.objective}, {penalty}, {optimizer}, batch {config.batch}, seed {config.seed}"
