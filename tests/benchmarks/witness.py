"""Print the losses of ten steps of a small GAN, as PyTorch computes them: the constants of tests/test_witness.py.

    python tests/benchmarks/witness.py     (needs PyTorch, and says so where it is not installed)

Nothing of tinygan runs here: the derivatives, Adam and R1's second derivative are PyTorch's own.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from test_witness import BETA1, GAMMA, LR, first_arrays  # noqa: E402


def torch_losses():
    """[(D's loss with R1, G's loss), ...] of every step, non-saturating, by PyTorch in float64."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits, leaky_relu

    g_arrays, d_arrays, batches = first_arrays()
    G, D = ([torch.tensor(a, requires_grad=True) for a in arrays] for arrays in (g_arrays, d_arrays))
    g_adam, d_adam = (torch.optim.Adam(params, LR, betas=(BETA1, 0.999)) for params in (G, D))

    def network(params, x):
        for i in range(0, len(params), 2):
            x = x @ params[i] + params[i + 1]
            x = leaky_relu(x, 0.2) if i < len(params) - 2 else x
        return x

    def cost(logits, target):
        return binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))

    losses = []
    for x_real, z in batches:
        x_real = torch.tensor(x_real, requires_grad=True)
        x_fake = torch.sigmoid(network(G, torch.tensor(z)))
        real_logits = network(D, x_real)
        (g,) = torch.autograd.grad(real_logits.sum(), x_real, create_graph=True)
        d_loss = cost(real_logits, 1.0) + cost(network(D, x_fake.detach()), 0.0) + GAMMA / 2 * (g**2).sum(1).mean()
        d_adam.zero_grad()
        d_loss.backward()
        d_adam.step()
        g_loss = cost(network(D, x_fake), 1.0)
        g_adam.zero_grad()
        g_loss.backward()
        g_adam.step()
        losses.append((d_loss.item(), g_loss.item()))
    return losses


if __name__ == "__main__":
    try:
        for d_loss, g_loss in torch_losses():
            print(f"    ({d_loss:.15f}, {g_loss:.15f}),")
    except ImportError:
        sys.exit("PyTorch is not installed: python -m pip install torch")
