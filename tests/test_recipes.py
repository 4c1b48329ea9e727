"""Every choice of a run counts, and what is built is what was chosen."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from helpers import assert_same_bits
from small_runs import TINY, images, points, trained

from tinygan import gradient_penalty
from tinygan.layers import Dense, LeakyReLU, Sigmoid
from tinygan.network import Network
from tinygan.recipes import (
    OBJECTIVES,
    OPTIMIZERS,
    PENALTIES,
    PRESETS,
    Config,
    build_gan,
    discriminator_layers,
    generator_layers,
)

replace = dataclasses.replace
LIMITS = {"steps", "epochs", "minutes"}


def rng():
    return np.random.default_rng(0)


def test_a_config_survives_json_unchanged():
    config = replace(TINY, coding=(-1.0, 1.0, 0.0), hidden=(7,), steps=None, epochs=0.5)
    again = Config.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config and hash(again) == hash(config)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_has_one_limit_and_builds(name):
    config = PRESETS[name]
    assert sum(getattr(config, limit) is not None for limit in LIMITS) == 1
    assert config.batch % config.pack == 0
    gan = build_gan(config, (28, 28), rng())
    assert gan.generator.forward(np.zeros((2, config.latent_dim), np.float32)).shape == (2, 784)


# ---- what no run can have ------------------------------------------------------------------------

NAN, INF = float("nan"), float("inf")
REFUSED = {
    "objective": ["", "Minimax", None, 1, []],
    "coding": [(), (0.0, 1.0), (0.0, 1.0, 1.0, 1.0), (0.0, NAN, 1.0), (0.0, INF, 1.0), ("0", "1", "1"), None, 1.0],
    "penalty": ["R1", None, {}],
    "gamma": [-1e-9, -1.0, NAN, INF, None, "1", True, 10**400],
    "gamma_end": [0.0, -1.0, NAN, INF, "1"],
    "penalty_every": [0, -4, 1.0, None, "4", True],
    "latent_dim": [0, -1, 10**7 + 1, 2.0, None],
    "hidden": [(0,), (-1,), (5, 10**7 + 1), (5.0,), [5], "5", None, (1,) * 101],
    "channels": [(0,), (-1,), (5, 10**7 + 1), (5.0,), [5], "5", None, (1,) * 21],
    "batch_norm": [0, 1, "yes", None, True],  # True: there are no channels
    "centered": [0, 1, "yes", None],
    "conditional": [0, 1, "yes", None],
    "codes": [-1, 1, 1001, 2.0, None, True],
    "continuous": [-1, 4, 1001, 1.0, None],  # 4: z has three numbers
    "code_weight": [0.0, -1.0, NAN, INF, None],
    "distort": [-0.1, 2.1, NAN, None, 1.0],  # 1.0: there are no codes
    "sort": [-1, 1.0, None, 5],  # 5: there are no codes
    "workers": [0, -1, 7, 2.0, "2"],
    "init": ["He", None, ()],
    "slope": [-0.1, 1.1, NAN, None],
    "g_slope": [-0.1, 1.1, NAN],
    "batch": [0, -6, 6.0, 10**13, None, False],
    "optimizer": ["Adam", None, {}],
    "lr": [0.0, -1e-3, NAN, INF, 10**400, None],
    "beta1": [-1, 1, 1.0, 1.5, NAN, None],
    "decay_from": [-0.1, 1.1, NAN, None],
    "average": [-0.1, 1, 1.0, NAN, None],
    "d_steps": [0, -1, 1001, 10**9, 1.0, None],
    "pack": [0, -1, 1.0, 4, None],
    "steps": [0, -1, 1.5, 10**13, NAN],
    "epochs": [0, -1, -0.5, NAN, INF],
    "minutes": [0, -1, NAN, INF],
    "seed": [-1, 0.5, None, 2**128],
}
ACCEPTED = {  # at the very ends
    "coding": [(-1e12, 0, 1e12)], "gamma": [0, 10**12], "gamma_end": [None, 1e-9], "penalty_every": [1],
    "latent_dim": [1, 10**7], "channels": [(), (10**7,), (1,) * 20],
    "hidden": [(), (1,), (10**7,), (1,) * 100], "slope": [0, 1],
    "g_slope": [None, 0, 1], "batch": [6, 10**12 // 6 * 6],
    "beta1": [0, 0.999999], "decay_from": [0, 1], "average": [0, 0.999999], "d_steps": [1, 1000], "pack": [1, 6],
    "steps": [1, None, 10**12], "epochs": [5e-324, 7], "minutes": [1, 0.01], "workers": [None, 1, 6],
    "codes": [0, 2, 1000], "continuous": [0, 3], "code_weight": [1e-9, 10**12], "distort": [0], "sort": [0],
    "seed": [0, 2**128 - 1],
}  # fmt: skip


def test_every_choice_has_its_limits():
    assert set(REFUSED) == {each.name for each in dataclasses.fields(Config) if each.metadata["allowed"]}
    assert set(REFUSED) == set(Config().to_dict())


@pytest.mark.parametrize("name, value", [(name, value) for name, values in REFUSED.items() for value in values])
def test_what_no_run_can_have_is_refused_in_one_line_that_begins_with_its_name(name, value):
    with pytest.raises(ValueError) as caught:
        replace(TINY, **{name: value})
    message = str(caught.value)
    first = "batch" if (name, value) == ("pack", 4) else name
    assert message.startswith(f"{first}: ") and len(message.splitlines()) == 1 and len(message) < 200, message


@pytest.mark.parametrize("name, value", [(name, value) for name, values in ACCEPTED.items() for value in values])
def test_what_a_run_can_have_is_accepted_to_the_very_end(name, value):
    assert getattr(replace(TINY, **{name: value}), name) == value


# ---- what is built -------------------------------------------------------------------------------


def shapes(network):
    return [layer.shapes["W"] for layer in network.layers if isinstance(layer, Dense)]


def test_the_generator_leads_from_latents_through_the_hidden_layers_to_samples():
    generator = Network(generator_layers(replace(TINY, slope=0.3), (28, 28)), rng())
    assert shapes(generator) == [(3, 5), (5, 4), (4, 784)]
    assert [layer.alpha for layer in generator.layers if isinstance(layer, LeakyReLU)] == [0.3, 0.3]
    x = generator.forward(100 * np.ones((1, 3), np.float32))
    assert isinstance(generator.layers[-1], Sigmoid) and x.min() >= 0 and x.max() <= 1


def test_the_generator_of_points_is_not_bounded():
    generator = Network(generator_layers(TINY, (2,)), rng())
    assert shapes(generator) == [(3, 5), (5, 4), (4, 2)]
    assert np.abs(generator.forward(100 * np.ones((1, 3), np.float32))).max() > 1


@pytest.mark.parametrize("pack", [1, 3])
def test_the_discriminator_mirrors_the_generator_and_ends_in_one_logit(pack):
    discriminator = Network(discriminator_layers(replace(TINY, pack=pack), (28, 28)), rng())
    assert shapes(discriminator) == [(784 * pack, 4), (4, 5), (5, 1)]
    assert not isinstance(discriminator.layers[-1], Sigmoid), "losses work on logits"


@pytest.mark.parametrize("init, spread", [("he", (2 / 3) ** 0.5), ("xavier", (2 / (3 + 5000)) ** 0.5)])
def test_the_first_weights_have_the_spread_that_was_chosen(init, spread):
    config = replace(TINY, hidden=(5000,), init=init)
    assert Network(generator_layers(config, (2,)), rng()).layers[0].W.std() == pytest.approx(spread, rel=0.03)


def test_a_double_precision_gan_starts_from_the_same_weights_rounded():
    single, double = (build_gan(TINY, (2,), rng(), dtype) for dtype in (np.float32, np.float64))
    for player in ("generator", "discriminator"):
        params = getattr(double, player).params
        assert params.dtype == np.float64
        assert_same_bits(player, params.astype(np.float32), getattr(single, player).params)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_is_built(name):
    objective = build_gan(replace(TINY, objective=name, coding=(-1.0, 1.0, 0.0)), (2,), rng()).objective
    assert type(objective) is OBJECTIVES[name]
    if name == "least-squares":
        assert (objective.a, objective.b, objective.c) == (-1, 1, 0)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_is_built_once_for_each_player(name):
    gan = build_gan(replace(TINY, optimizer=name, lr=0.125, beta1=0.25), (2,), rng())
    assert gan.g_optimizer is not gan.d_optimizer
    for optimizer in (gan.g_optimizer, gan.d_optimizer):
        assert type(optimizer) is OPTIMIZERS[name] and optimizer.lr == 0.125
        assert getattr(optimizer, "beta1", 0.25) == 0.25


def test_every_penalty_is_built_with_its_strength():
    penalties = {name: build_gan(replace(TINY, penalty=name, gamma=7), (2,), rng()).penalty for name in PENALTIES}
    assert penalties["none"] is None and penalties["clip"] is None  # Training clips
    assert type(penalties["r1"]) is gradient_penalty.R1
    assert (penalties["r1"].gamma, penalties["r1"].every) == (7, TINY.penalty_every)
    assert type(penalties["wgan-gp"]) is gradient_penalty.WGANGP and penalties["wgan-gp"].strength == 7


@pytest.mark.parametrize("choice", ["objective", "optimizer", "penalty", "init"])
def test_an_unknown_name_is_refused_and_not_ignored(choice):
    with pytest.raises((KeyError, ValueError), match="wishful"):
        build_gan(replace(TINY, **{choice: "wishful"}), (2,), rng())


# ---- images inside --------------------------------------------------------------------------------


def test_with_channels_images_grow_in_the_generator_and_shrink_in_the_discriminator():
    config = replace(TINY, hidden=(5, 4), channels=(3, 2), slope=0.3, g_slope=0.1)
    assert list(map(repr, generator_layers(config, (28, 28)))) == [
        f"Dense({TINY.latent_dim}, 5)", "LeakyReLU(0.1)", "Dense(5, 4)", "LeakyReLU(0.1)",
        "Dense(4, 147)", "LeakyReLU(0.1)",
        "ConvTranspose2D((7, 7, 3), 2)", "LeakyReLU(0.1)", "ConvTranspose2D((14, 14, 2), 1)", "Sigmoid()",
    ]  # fmt: skip
    assert list(map(repr, discriminator_layers(config, (28, 28)))) == [
        "Conv2D((28, 28, 1), 2)", "LeakyReLU(0.3)", "Conv2D((14, 14, 2), 3)", "LeakyReLU(0.3)",
        "Dense(147, 4)", "LeakyReLU(0.3)", "Dense(4, 5)", "LeakyReLU(0.3)", "Dense(5, 1)",
    ]  # fmt: skip


def test_batch_norm_stands_where_dcgan_has_it_and_keeps_real_and_generated_samples_apart():
    config = replace(TINY, hidden=(), channels=(3, 2), batch_norm=True)
    kinds = [type(layer).__name__ for layer in generator_layers(config, (28, 28))]
    assert kinds == [*"Dense BatchNorm LeakyReLU ConvTranspose2D BatchNorm LeakyReLU ConvTranspose2D Sigmoid".split()]
    layers = discriminator_layers(config, (28, 28))
    assert [type(layer).__name__ for layer in layers] == [*"Conv2D LeakyReLU Conv2D BatchNorm LeakyReLU Dense".split()]
    assert layers[3].group == config.batch


@pytest.mark.parametrize(
    "shape, channels, size",
    [
        ((8, 8), (3,), "(4, 4, 3), 1"),
        ((32, 32), (2,), "(16, 16, 2), 1"),
        ((8, 8, 3), (2,), "(4, 4, 2), 3"),
        ((8, 12), (2,), "(4, 6, 2), 1"),
    ],
)
def test_images_of_other_sizes_and_of_three_colors_have_networks_too(shape, channels, size):
    config = replace(TINY, channels=channels)
    gan = build_gan(config, shape, rng())
    assert f"ConvTranspose2D({size})" in repr(gan.generator)
    x_fake = gan.generator.forward(np.zeros((2, config.latent_dim), np.float32))
    assert x_fake.shape == (2, np.prod(shape)) and gan.discriminator.forward(x_fake).shape == (2, 1)


@pytest.mark.parametrize("shape", [(28, 28), (32, 28), (32, 28, 3), (2,), (256,)])
def test_channels_that_do_not_fit_the_samples_are_refused_in_one_line(shape):
    with pytest.raises(ValueError, match="^channels: ") as caught:
        build_gan(replace(TINY, channels=(2, 2, 2)), shape, rng())
    assert len(str(caught.value).splitlines()) == 1


def test_packs_have_no_channels():
    with pytest.raises(ValueError, match="^pack: "):
        replace(TINY, channels=(2,), pack=2)


# ---- every choice counts -------------------------------------------------------------------------

OTHERWISE = {
    "objective": "minimax",
    "coding": (-1.0, 1.0, 0.0),
    "penalty": "none",
    "gamma": 0.2,
    "gamma_end": 0.001,
    "penalty_every": 2,
    "latent_dim": 4,
    "hidden": (5, 5),
    "channels": (3,),
    "batch_norm": True,
    "init": "xavier",
    "slope": 0.1,
    "g_slope": 0.1,
    "batch": 7,
    "optimizer": "sgd",
    "lr": 0.02,
    "beta1": 0.9,
    "decay_from": 0.0,
    "average": 0.1,
    "d_steps": 2,
    "pack": 2,
    "centered": True,
    "conditional": True,
    "codes": 3,
    "continuous": 2,
    "code_weight": 9.0,
    "distort": 1.0,
    "sort": 3,
    "seed": 1,
}


CHOICES = sorted(Config().to_dict().keys() - LIMITS - {"workers"})  # these follow it: see test_workers.py
IMAGES_ONLY = ("channels", "batch_norm", "distort", "sort")


@pytest.mark.parametrize(
    "data, name",
    [("images", name) for name in CHOICES] + [("points", name) for name in CHOICES if name not in IMAGES_ONLY],
)
def test_every_choice_changes_the_run(data, name):
    """A choice that is passed on to nobody would leave the samples as they are."""
    dataset = {"points": points, "images": images}[data]()
    base = replace(TINY, objective="least-squares" if name == "coding" else "non-saturating")
    base = replace(base, channels=(2, 3)) if name == "batch_norm" else base
    base = replace(base, codes=3) if name in ("code_weight", "distort", "sort") else base
    (_, plain), (_, other) = (
        trained(config, dataset).frames[-1] for config in (base, replace(base, **{name: OTHERWISE[name]}))
    )
    n = min(len(plain), len(other))  # with classes there are other rows and columns
    assert (plain[:n] != other[:n]).any(), f"{name} = {OTHERWISE[name]} changes nothing"
