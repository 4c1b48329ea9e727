"""Each game: its losses are the papers', and both players' gradients are the derivatives of these losses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers import SEEDS, assert_close, assert_gradient, assert_same_bits
from hypothesis import given
from hypothesis import strategies as st

from tinygan.gradcheck import numeric_gradient
from tinygan.objectives import LeastSquares, Minimax, NonSaturating, Wasserstein

GAMES = {
    "non-saturating": NonSaturating(),
    "minimax": Minimax(),
    "least-squares-0-1": LeastSquares(*LeastSquares.codings["0-1"]),
    "least-squares-pearson": LeastSquares(*LeastSquares.codings["pearson"]),
    "least-squares-other": LeastSquares(-0.5, 2.0, 0.7),
    "wasserstein": Wasserstein(),
}
for_every_game = pytest.mark.parametrize("game", GAMES.values(), ids=GAMES)


@st.composite
def logits(draw):
    """Real and fake logits of different batch sizes, so that neither can have the other's 1/N."""
    rng = np.random.default_rng(draw(SEEDS))
    n = draw(st.integers(1, 4))
    return rng.uniform(-4, 4, (n, 1)), rng.uniform(-4, 4, (n + draw(st.integers(1, 3)), 1))


@for_every_game
@given(batch=logits())
def test_gradients_are_derivatives_of_the_returned_losses(game, batch):
    real, fake = batch

    def d_loss():
        return game.discriminator(real, fake)[0]

    _, dreal, dfake = game.discriminator(real, fake)
    assert_gradient("d(d_loss)/d(real)", dreal, numeric_gradient(d_loss, real))
    assert_gradient("d(d_loss)/d(fake)", dfake, numeric_gradient(d_loss, fake))
    _, dfake = game.generator(fake)
    assert_gradient("d(g_loss)/d(fake)", dfake, numeric_gradient(lambda: game.generator(fake)[0], fake))


def published(name, real, fake):
    """(d_loss, g_loss) as the papers write them, with D as a probability in the classic games."""

    def mean(f, values):
        return sum(f(s) for s in values.ravel()) / values.size

    def log_d(s):
        return math.log(1 / (1 + math.exp(-s)))

    def log_not_d(s):
        return math.log(1 - 1 / (1 + math.exp(-s)))

    if name in ("non-saturating", "minimax"):  # Goodfellow et al. 2014, eq. 1 and section 3
        d_loss = -mean(log_d, real) - mean(log_not_d, fake)
        return d_loss, -mean(log_d, fake) if name == "non-saturating" else mean(log_not_d, fake)
    if name == "wasserstein":  # Arjovsky et al. 2017, eq. 2 and 3
        return mean(float, fake) - mean(float, real), -mean(float, fake)
    a, b, c = {  # Mao et al. 2017, eq. 2, with their eq. 9 and eq. 8
        "least-squares-0-1": (0, 1, 1),
        "least-squares-pearson": (-1, 1, 0),
        "least-squares-other": (-0.5, 2.0, 0.7),
    }[name]
    d_loss = mean(lambda s: (s - b) ** 2, real) / 2 + mean(lambda s: (s - a) ** 2, fake) / 2
    return d_loss, mean(lambda s: (s - c) ** 2, fake) / 2


@pytest.mark.parametrize("name", GAMES)
@given(batch=logits())
def test_the_losses_are_the_published_ones(name, batch):
    d_loss, g_loss = published(name, *batch)
    assert_close("d_loss", GAMES[name].discriminator(*batch)[0], d_loss, 1e-12)
    assert_close("g_loss", GAMES[name].generator(batch[1])[0], g_loss, 1e-12)


@pytest.mark.parametrize(
    "name, d_loss, g_loss, score",
    [
        ("non-saturating", 2 * math.log(2), math.log(2), 0.5),
        ("minimax", 2 * math.log(2), -math.log(2), 0.5),
        ("least-squares-0-1", 0.5, 0.5, 0),
        ("least-squares-pearson", 1, 0, 0),
        ("wasserstein", 0, 0, 0),
    ],
)
def test_a_discriminator_that_knows_nothing(name, d_loss, g_loss, score):
    """Logits of 0: the numbers that a reader sees in the first line of a history."""
    game, zeros = GAMES[name], np.zeros((5, 1))
    assert game.discriminator(zeros, zeros)[0] == pytest.approx(d_loss, rel=1e-15)
    assert game.generator(zeros)[0] == pytest.approx(g_loss, rel=1e-15)
    assert game.score(zeros) == pytest.approx(np.full((5, 1), score))


@pytest.mark.parametrize(
    "game",
    [NonSaturating(), Minimax(), LeastSquares(), LeastSquares(-1, 1, 0), LeastSquares(0.2, 1.5, 0.7)],
    ids=["non-saturating", "minimax", "0-1", "pearson", "other targets"],
)
def test_at_the_equilibrium_the_best_d_says_the_same_everywhere_and_the_losses_are_those_given(game):
    """Real and generated samples are alike: the best constant logit is where the two gradients of D cancel."""
    lowest, highest = -5.0, 5.0
    for _ in range(100):
        s = np.full((1, 1), (lowest + highest) / 2)
        _, dreal, dfake = game.discriminator(s, s)
        lowest, highest = (lowest, s.item()) if (dreal + dfake).item() > 0 else (s.item(), highest)
    found = game.discriminator(s, s)[0], game.generator(s)[0], game.score(s).item()
    assert found == pytest.approx(game.equilibrium, abs=1e-12)


def test_at_the_equilibrium_a_critic_finds_no_distance():
    s = np.full((3, 1), 1.7)
    assert Wasserstein().discriminator(s, s)[0] == Wasserstein.equilibrium[0]


@for_every_game
@given(batch=logits())
def test_steps_have_the_direction_of_the_game(game, batch):
    """Where D sits between its targets it raises real and lowers fake logits, and G raises its own."""
    real, fake = (np.tanh(s) / 10 for s in batch)
    if isinstance(game, LeastSquares):
        real, fake = (s + (game.a + game.c) / 2 for s in (real, fake))
    _, dreal, dfake = game.discriminator(real, fake)
    assert (dreal < 0).all() and (dfake > 0).all()
    assert (game.generator(fake)[1] < 0).all()


def test_the_codings_have_the_published_numbers():
    assert LeastSquares.codings == {"0-1": (0, 1, 1), "pearson": (-1, 1, 0)}
    a, b, c = LeastSquares.codings["pearson"]
    assert b - c == 1 and b - a == 2, "the conditions for a Pearson χ² divergence (Mao et al. 2017)"
    default = LeastSquares()
    assert (default.a, default.b, default.c) == LeastSquares.codings["0-1"]


@given(batch=logits())
def test_in_the_minimax_game_the_generator_pays_minus_the_fake_part_of_the_discriminators_loss(batch):
    _, fake = batch
    certain = np.full((2, 1), 1000.0)  # real samples that cost the discriminator nothing
    d_loss, _, dfake = Minimax().discriminator(certain, fake)
    g_loss, g_dfake = Minimax().generator(fake)
    assert_close("g_loss", g_loss, -d_loss, 1e-15)
    assert_close("d(g_loss)/d(fake)", g_dfake, -dfake, 1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rejected_samples_teach_the_generator_in_the_non_saturating_game_only(dtype):
    n, rejected = 4, np.full((4, 1), -50, dtype)
    assert NonSaturating().generator(rejected)[1] == pytest.approx(np.full((n, 1), -1 / n), rel=1e-6)
    saturated = Minimax().generator(rejected)[1]
    assert saturated == pytest.approx(np.full((n, 1), -math.exp(-50) / n), rel=1e-5, abs=0)


@pytest.mark.parametrize("name", ["non-saturating", "minimax"])
def test_the_score_of_the_classic_games_is_a_probability(name):
    assert GAMES[name].score(np.array([[-1000.0], [0.0], [1000.0]])).tolist() == [[0], [0.5], [1]]


@for_every_game
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_and_shape_are_kept_and_logits_are_not_changed(game, dtype):
    real, fake = np.full((3, 1), 0.3, dtype), np.full((5, 1), -0.3, dtype)
    kept = real.copy(), fake.copy()
    _, dreal, dfake = game.discriminator(real, fake)
    for gradient, like in ((dreal, real), (dfake, fake), (game.generator(fake)[1], fake)):
        assert (gradient.shape, gradient.dtype) == (like.shape, dtype)
    assert_same_bits("real_logits", real, kept[0])
    assert_same_bits("fake_logits", fake, kept[1])


@for_every_game
def test_logits_of_plus_and_minus_1000_are_finite_in_every_game(game):
    logits = np.array([[-1000], [1000]], np.float32)
    with np.errstate(all="raise", under="ignore"):
        for number in (*game.discriminator(logits, logits), *game.generator(logits)):
            assert np.isfinite(number).all()
