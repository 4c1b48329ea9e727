"""The whole GAN on one page goes the same way as the package, derivative by derivative."""

from __future__ import annotations

import ast
import gzip
import runpy
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from helpers import assert_close

from tinygan.gan import GAN
from tinygan.gradient_penalty import R1
from tinygan.layers import Sigmoid
from tinygan.network import Network, mlp
from tinygan.objectives import NonSaturating
from tinygan.optimizers import Adam

LESSONS = Path(__file__).parents[1] / "lessons"
PAGE = LESSONS / "one_page.py"
sys.path.insert(0, str(LESSONS))
import one_page  # noqa: E402

STEPS = 10


def small_game():
    """The package's GAN, and the page's two lists of arrays, views of the same first weights' copies."""
    rng = np.random.default_rng(0)
    generator = Network([*mlp((3, 5, 4, 6)), Sigmoid()], rng, np.float64)
    discriminator = Network(mlp((6, 4, 5, 1)), rng, np.float64)
    optimizers = [Adam(one_page.LR, beta1=0) for _ in range(2)]
    gan = GAN(generator, discriminator, NonSaturating(), *optimizers, R1(one_page.GAMMA, one_page.EVERY))
    twins = [[array.copy() for array, _ in net.views().values()] for net in (generator, discriminator)]
    return gan, *twins, rng


def play_both():
    """Both after the same steps on the same data: (the package's weights, the page's), each one vector a player."""
    gan, G, D, rng = small_game()
    squares = [[0 * array for array in net] for net in (G, D)]
    for t in range(1, STEPS + 1):
        x_real, z = rng.random((8, 6)), rng.normal(size=(8, 3))
        x_fake = gan.generator.forward(z)
        gan.discriminator_step(x_real, x_fake)
        gan.generator_step(x_fake)
        one_page.step(G, D, *squares, x_real, z, t)
    flat = [np.concatenate([array.ravel() for array in net]) for net in (G, D)]
    return [gan.generator.params, gan.discriminator.params], flat


def test_ten_steps_of_the_page_and_of_the_package_lead_to_the_same_weights():
    package, page = play_both()
    for player, ours, theirs in zip(("generator", "discriminator"), package, page, strict=True):
        assert_close(f"{player}'s weights after {STEPS} steps", theirs, ours, 1e-12)


def spoiled(name, function):
    """For the fixture ``monkeypatch``: this function of the page, changed."""
    original = getattr(one_page, name)
    return name, lambda *arguments: function(original, *arguments)


@pytest.mark.parametrize(
    "name, mistake",
    [
        spoiled("add_r1", lambda right, net, outs, grads: None),
        spoiled("slope", lambda right, out: 0.999 * right(out)),
        spoiled("adam", lambda right, net, grads, squares, t: right(net, grads, squares, t + 1)),
    ],
    ids=["no penalty", "a slope off by a thousandth", "Adam's step counted from 1"],
)
def test_a_mistake_on_the_page_is_noticed(name, mistake, monkeypatch):
    monkeypatch.setattr(one_page, name, mistake)
    with pytest.raises(AssertionError, match="weights after"):
        test_ten_steps_of_the_page_and_of_the_package_lead_to_the_same_weights()


def test_the_page_draws_a_picture_from_a_file_of_images(tmp_path, monkeypatch):
    """The script as it is run, with fewer steps, on a file like MNIST's."""
    images = np.random.default_rng(0).integers(0, 256, 50 * 784, dtype=np.uint8).tobytes()
    with gzip.open(tmp_path / one_page.FILE, "wb") as file:
        file.write(bytes(16) + images)
    short = PAGE.read_text(encoding="utf-8").replace("24_000\n", "3\n")
    (tmp_path / "page.py").write_text(short, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    runpy.run_path("page.py", run_name="__main__")
    assert plt.imread("digits.png").shape[:2] == (280, 280)


def test_the_page_has_at_most_a_hundred_lines_and_nothing_of_ours():
    source = PAGE.read_text(encoding="utf-8")
    assert source.count("\n") <= 100
    nodes = [*ast.walk(ast.parse(source))]
    imported = {name.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for name in node.names}
    assert imported == {"gzip", "os", "urllib", "matplotlib", "numpy"}
    assert not any(isinstance(node, ast.ImportFrom) for node in nodes)
