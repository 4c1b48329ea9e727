"""How fast are the layers for images: a race against PyTorch, after a proof that both compute the same.

    TINYGAN_DATA=folder python tests/benchmarks/convolution.py      the tables, some five minutes
    python tests/benchmarks/convolution.py --rounds 3               a trial
    OPENBLAS_NUM_THREADS=1 python tests/benchmarks/convolution.py --threads 1

All sides take turns in one process, a tenth of a second each, and a ratio is the median of the ratios
within the rounds. Peak is what NumPy's float32 product of two 2048 x 2048 matrices reaches in the
same rounds; products are those of the passes alone. PyTorch is eager, with its images in its
usual order of memory (NCHW), and once more in the order that is ours (channels last).
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time

import numpy as np
from frameworks import PyTorch, cores
from speed import about, installed

from tinygan.convolution import Conv2D, Convolution, ConvTranspose2D
from tinygan.gradient_penalty import R1
from tinygan.layers import Dense, LeakyReLU, PReLU, Scale, Sigmoid, Tanh
from tinygan.network import Network
from tinygan.normalization import BatchNorm
from tinygan.recipes import PRESETS, build_gan

RACES = {  # batch, layer: the sizes that the presets meet
    "D's first": (128, lambda: Conv2D((28, 28, 1), 16)),
    "D's second": (128, lambda: Conv2D((14, 14, 16), 32)),
    "D's second, wide": (128, lambda: Conv2D((14, 14, 32), 64)),
    "G's first": (64, lambda: ConvTranspose2D((7, 7, 32), 16)),
    "G's last": (64, lambda: ConvTranspose2D((14, 14, 16), 1)),
}
STACKS = {
    "convolutions": lambda: [Conv2D((8, 8, 3), 4), LeakyReLU(), Conv2D((4, 4, 4), 5, kernel=3), Tanh(), Dense(20, 1)],
    "transposed": lambda: [
        Dense(6, 4 * 4 * 3), LeakyReLU(), ConvTranspose2D((4, 4, 3), 2), PReLU(2), ConvTranspose2D((8, 8, 2), 3, 5),
        Sigmoid(),
    ],
    "normalized": lambda: [
        Conv2D((8, 8, 1), 4), BatchNorm(4), PReLU(4), Dense(64, 7), BatchNorm(7), LeakyReLU(), Dense(7, 1),
    ],
}  # fmt: skip
TOLERANCE = 1e-12


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--threads", type=int, default=cores(), help="PyTorch's; ours are set by OPENBLAS_NUM_THREADS")
    args = parser.parse_args()
    if min(args.rounds, args.threads) < 1:
        parser.error("--rounds and --threads must be greater than zero")
    print(about(["pytorch"] if installed("pytorch") else []))
    if not installed("pytorch"):
        sys.exit("convolution.py: there is nobody to race against")
    import torch

    torch.set_num_threads(args.threads)
    for name, make_layers in STACKS.items():
        prove_parity(name, make_layers)
    print()
    print("\n".join(race_of_layers(args.rounds)))
    print()
    print("\n".join(race_of_steps(args.rounds)))


# ---- the same network in PyTorch -----------------------------------------------------------------


def twin_of(network, dtype=np.float32):
    """(module, parameters): PyTorch's network with the same weights, from rows to rows as ours.

    parameters  [(name, PyTorch's parameter, function that brings our array into its order), ...]
    """
    import torch
    from torch import nn

    modules, parameters, image = [], [], None  # image: (H, W, C) of what the last module returns, or None
    for i, layer in enumerate(network.layers):
        if isinstance(layer, Convolution) and image is None:
            image = before(layer)
            modules += [nn.Unflatten(1, image), calling(lambda x: x.permute(0, 3, 1, 2))]
        elif isinstance(layer, Dense) and image:
            modules.append(nn.Flatten())
        wanted = wanted_image(network.layers[i + 1 :]) if isinstance(layer, Dense) else None
        module, orders = translate(nn, layer, image, wanted)
        modules.append(module)
        parameters += [(f"{i}.{name}", getattr(module, theirs), order) for name, (theirs, order) in orders.items()]
        if isinstance(layer, Convolution):
            image = layer.small if isinstance(layer, Conv2D) else layer.large
        elif isinstance(layer, Dense):
            image = wanted
            if wanted:
                modules.append(nn.Unflatten(1, (wanted[2], *wanted[:2])))
    if image:
        modules += [calling(lambda x: x.permute(0, 2, 3, 1)), nn.Flatten()]
    module, views = (
        nn.Sequential(*modules).to({np.float32: torch.float32, np.float64: torch.float64}[dtype]),
        network.views(),
    )
    with torch.no_grad():
        for name, theirs, order in parameters:
            theirs.copy_(torch.from_numpy(np.ascontiguousarray(order(views[name][0]))))
    return module, parameters


def calling(function):
    """Return a module that does nothing but call this function."""
    from torch import nn

    class Calling(nn.Module):
        def forward(self, x):
            return function(x)

    return Calling()


def before(layer):
    """The image, (H, W, C), that a convolution takes."""
    return layer.large if isinstance(layer, Conv2D) else layer.small


def wanted_image(layers):
    """The image, (H, W, C), that these layers take first, or None if a Dense comes before any convolution."""
    for layer in layers:
        if isinstance(layer, (Convolution, Dense)):
            return before(layer) if isinstance(layer, Convolution) else None


def translate(nn, layer, image, wanted):
    """(module, {our name: (its name, function that brings our array into its order)}) of one layer."""
    same = np.asarray
    if isinstance(layer, Convolution):
        (*_, C), (*_, O), K = layer.large, layer.small, layer.kernel
        make, sides = (nn.Conv2d, (C, O)) if isinstance(layer, Conv2D) else (nn.ConvTranspose2d, (O, C))
        module = make(*sides, K, layer.stride, layer.padding)
        return module, {"W": ("weight", lambda W: W.reshape(K, K, C, O).transpose(3, 2, 0, 1)), "b": ("bias", same)}
    if isinstance(layer, Dense):
        n_in, n_out = layer.shapes["W"]
        rows, columns = image or (1, 1, n_in), wanted or (1, 1, n_out)  # (H, W, C); PyTorch has (C, H, W)
        return nn.Linear(n_in, n_out), {
            "W": ("weight", lambda W: W.reshape(*rows, *columns).transpose(5, 3, 4, 2, 0, 1).reshape(n_out, n_in)),
            "b": ("bias", lambda b: b.reshape(columns).transpose(2, 0, 1).ravel()),
        }
    if isinstance(layer, BatchNorm):
        make = nn.BatchNorm2d if image else nn.BatchNorm1d
        return make(layer.channels), {"gain": ("weight", same), "b": ("bias", same)}
    if isinstance(layer, PReLU):
        return nn.PReLU(layer.channels), {"a": ("weight", same)}
    if isinstance(layer, Scale):
        return calling(lambda x: layer.factor * x + layer.shift), {}
    plain = {LeakyReLU: lambda: nn.LeakyReLU(layer.alpha), Sigmoid: nn.Sigmoid, Tanh: nn.Tanh}
    return plain[type(layer)](), {}


# ---- between equals ------------------------------------------------------------------------------


def prove_parity(name, make_layers):
    """Stop unless out, every gradient, that of R1 and the running statistics agree in float64."""
    import torch

    rng = np.random.default_rng(0)
    network = Network(make_layers(), rng, np.float64)
    network.params += 0.1 * rng.normal(size=network.params.shape)
    module, parameters = twin_of(network, np.float64)
    first = network.layers[0]
    x = rng.normal(size=(5, math.prod(before(first)) if isinstance(first, Convolution) else first.shapes["W"][0]))
    out = network.forward(x).copy()
    dout = rng.normal(size=out.shape)
    dx, theirs = network.backward(dout).copy(), torch.from_numpy(x).requires_grad_()
    their_out = module(theirs)
    their_out.backward(torch.from_numpy(dout))
    pairs = [(out, their_out), (dx, theirs.grad.clone()), *gradients(network, parameters)]
    with network.inference():
        pairs.append((network.forward(x).copy(), module.eval()(theirs)))
    module.train()

    network.grads[:] = 0
    R1(0.7)(network, x, x)
    module.zero_grad()
    (slope,) = torch.autograd.grad(module(theirs).sum(), theirs, create_graph=True)
    (0.35 * slope.square().sum() / len(x)).backward()
    pairs += gradients(network, parameters)
    worst = max(float(np.abs(ours - theirs.detach().numpy()).max()) for ours, theirs in pairs)
    print(f"parity: in float64 {name}, out, gradients and those of R1, differ by at most {worst:.1e}")
    if not worst < TOLERANCE:
        sys.exit(f"convolution.py: more than {TOLERANCE}: this would not be a race between equals")


def gradients(network, parameters):
    """[(ours, in PyTorch's order, PyTorch's), ...]; what PyTorch has no gradient for is zero."""
    views = network.views()
    return [(order(views[name][1]).copy(), theirs.grad if theirs.grad is not None else 0 * theirs)
            for name, theirs, order in parameters]  # fmt: skip


# ---- the races -----------------------------------------------------------------------------------


def take_turns(players, rounds, seconds=0.1):
    """{name: [seconds for one call, in every round]}, all players one after another in every round."""
    times = {name: [] for name in players}
    for play in players.values():
        play()
    for _ in range(rounds):
        for name, play in players.items():
            calls, start = 0, time.perf_counter()
            while (elapsed := time.perf_counter() - start) < seconds:
                play()
                calls += 1
            times[name].append(elapsed / calls)
    return times


def peak_player():
    """A call of 2·1024³ operations, and nothing else."""
    a, b = np.random.default_rng(0).standard_normal((2, 1024, 1024), dtype=np.float32)
    out = np.empty_like(a)
    return lambda: np.matmul(a, b, out=out)


PEAK_FLOPS = 2 * 1024**3


def ratio(theirs, ours):
    """How often ours does it while they do it once: the median over the rounds."""
    return statistics.median(a / b for a, b in zip(theirs, ours, strict=True))


def race_of_layers(rounds):
    """Markdown: forward, and forward with all of backward."""
    yield "| layer | pass | tinygan ms | × PyTorch | × PyTorch, channels last | its products, of peak | of peak |"
    yield "|---|---|---|---|---|---|---|"
    for name, (batch, make) in RACES.items():
        network = Network([make()], np.random.default_rng(0))
        layer = network.layers[0]
        rows = np.random.default_rng(1).random((batch, math.prod(before(layer))), dtype=np.float32)
        dout = np.random.default_rng(2).random(network.forward(rows).shape, dtype=np.float32)
        flops = 2 * batch * math.prod(layer.small[:2]) * layer.W.size
        for what, passes in (("forward", 1), ("forward and backward", 3)):
            players = {
                "tinygan": our_passes(network, rows, dout, passes),
                "PyTorch": their_passes(layer, rows, dout, passes, channels_last=False),
                "channels last": their_passes(layer, rows, dout, passes, channels_last=True),
                "products": products_of(layer, batch, passes),
                "peak": peak_player(),
            }
            times = take_turns(players, rounds)
            ours, peaks = times["tinygan"], [t / PEAK_FLOPS * passes * flops for t in times["peak"]]
            yield (
                f"| {name}, N={batch} | {what} | {1e3 * statistics.median(ours):.2f} | "
                f"{ratio(times['PyTorch'], ours):.2f} | {ratio(times['channels last'], ours):.2f} | "
                f"{ratio(peaks, times['products']):.0%} | {ratio(peaks, ours):.0%} |"
            )


def our_passes(network, rows, dout, passes):
    """A call of forward, or of forward and backward."""

    def play():
        network.forward(rows)
        if passes == 3:
            network.backward(dout)

    return play


def products_of(layer, batch, passes):
    """A call of the matrix products of a convolution alone: one, or all three."""
    rng = np.random.default_rng(3)
    patches = rng.random((batch * math.prod(layer.small[:2]), len(layer.W)), dtype=np.float32)
    small = rng.random((len(patches), layer.small[2]), dtype=np.float32)
    W = layer.W
    into_small, into_W, into_patches = map(np.empty_like, (small, W, patches))
    calls = [(patches, W, into_small), (patches.T, small, into_W), (small, W.T, into_patches)]
    if passes == 1:
        calls = calls[:1] if isinstance(layer, Conv2D) else calls[2:]

    def play():
        for a, b, out in calls:
            np.matmul(a, b, out=out)

    return play


def their_passes(layer, rows, dout, passes, channels_last):
    """The same call in PyTorch, on images in the order of memory that it likes."""
    import torch

    order = torch.channels_last if channels_last else torch.contiguous_format
    after = layer.small if isinstance(layer, Conv2D) else layer.large
    x, dout = (
        torch.from_numpy(array).reshape(len(array), *shape).permute(0, 3, 1, 2).contiguous(memory_format=order)
        for array, shape in ((rows, before(layer)), (dout, after))
    )
    module = translate(torch.nn, layer, before(layer), None)[0].to(memory_format=order)

    def play():
        module.zero_grad()
        x.grad = None
        module(x.requires_grad_()).backward(dout)

    def play_forward():
        with torch.no_grad():
            module(x)

    return play if passes == 3 else play_forward


class TorchGAN(PyTorch):
    """The game of ``frameworks.PyTorch`` with networks that are twins of these."""

    def __init__(self, config, gan, channels_last):
        import torch

        self.torch, self.config, self.steps = torch, config, 0
        order = torch.channels_last if channels_last else torch.contiguous_format
        networks = gan.generator, gan.discriminator
        self.generator, self.discriminator = (twin_of(network)[0].to(memory_format=order) for network in networks)
        self.g_optimizer, self.d_optimizer = (
            torch.optim.Adam(network.parameters(), config.lr, (config.beta1, 0.999))
            for network in (self.generator, self.discriminator)
        )
        self.shown = None  # no average on either side
        self.real = torch.ones(config.batch, 1)
        self.real_and_fake = torch.cat([self.real, torch.zeros_like(self.real)])


def race_of_steps(rounds):
    """Markdown: one step of D and one of G, with the penalty in its turn."""
    yield "| preset | tinygan ms a step | × PyTorch | × PyTorch, channels last |"
    yield "|---|---|---|---|"
    for preset in ("mixture", "dcgan"):
        config = PRESETS[preset]
        times = take_turns(players_of(config), rounds, seconds=0.4)
        ours = times["tinygan"]
        yield (
            f"| {preset} | {1e3 * statistics.median(ours):.1f} | {ratio(times['PyTorch'], ours):.2f} | "
            f"{ratio(times['channels last'], ours):.2f} |"
        )


def players_of(config):
    """{name: a call that plays one step of both players}."""
    import torch

    gan = build_gan(config, (28, 28), np.random.default_rng(0))
    x = np.random.default_rng(1).random((config.batch, 784), dtype=np.float32)
    z = np.random.default_rng(2).standard_normal((config.batch, config.latent_dim), dtype=np.float32)
    rivals = TorchGAN(config, gan, channels_last=False), TorchGAN(config, gan, channels_last=True)
    theirs = torch.from_numpy(x), torch.from_numpy(z)

    def step():
        x_fake = gan.generator.forward(z)
        gan.discriminator_step(x, x_fake)
        gan.generator_step(x_fake)

    return {
        "tinygan": step,
        "PyTorch": lambda: rivals[0].update(*theirs),
        "channels last": lambda: rivals[1].update(*theirs),
    }


if __name__ == "__main__":
    main()
