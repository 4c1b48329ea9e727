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
        self.title = f"{dataset.name}, {training.config.objective}, seed {training.config.seed}"
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
                    self.plots.save_samples(path, samples, f"{self.title}, step {step:,}", self.background)
                gc.collect()  # figures are large and contain reference cycles: free them now

    def finish(self):
        """Draw the curves and the film."""
        with checkpoint.whole(self.run / "curves.png") as path:
            self.plots.save_curves(path, self.training.history, self.title, scores.quality_name(self.training.images))
        with checkpoint.whole(self.run / "film.gif") as gif, checkpoint.whole(self.run / "film.html") as html:
            self.plots.save_film(gif, html, self.training.frames, self.title, self.background)
