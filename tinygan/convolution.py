"""Convolution: a Dense layer that looks at every small patch of an image with the same weights.

``unfold`` makes a row of every patch, and the rest is Dense: out = patches W + b. ``fold`` is the way
back: it adds every number of a patch to the pixel that it came from. A transposed convolution is
the same layer walked in the other direction: its forward pass folds, its backward pass unfolds.

Between layers an image is a row, (N, H·W·C): pixel after pixel, the channels of a pixel side by side.

Shapes: N batch; H, W, C height, width and channels of the large image, h, w, O of the small one;
K the kernel, S the stride, P the padding. patches (N·h·w, K·K·C).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tinygan.layers import INITS, Layer, draw_weights

CHUNK = 32  # images whose patches are made and used at once: so many stay in the processor's cache


class Convolution(Layer):
    """What both directions share: a large image, a small one, and the weights between them.

    The place (y, x) of the small image belongs to the patch of K x K pixels of the large one whose
    upper left corner is (S·y - P, S·x - P). What of a patch lies outside of the image is zero. W is
    a matrix, (K·K·C, O), whose row (i·K + j)·C + c belongs to channel c of the pixel (i, j) of a patch.
    """

    def __init__(self, large, small, kernel, stride, padding, init):
        super().__init__()
        self.large, self.small = tuple(large), tuple(small)
        self.kernel, self.stride, self.padding, self.init = kernel, stride, padding, init
        if min(*large, *small, kernel, stride, padding + 1) < 1:
            raise ValueError(f"{self}: with kernel {kernel}, stride {stride}, padding {padding} nothing is left")
        if init not in INITS:
            raise ValueError(f"{self}: init must be one of {', '.join(INITS)}, not {init!r}")
        self.W = self.b = self.dW = self.db = None  # views into the vectors of the Network

    def unfold(self, x, patches):
        """Copy the patches of x, (n, H·W·C), to ``patches``, (n·h·w, K·K·C)."""
        (H, W, C), (h, w, _), K, S, P = self.large, self.small, self.kernel, self.stride, self.padding
        padded = self.work_array("padded", (len(x), H + 2 * P, W + 2 * P, C), x.dtype)  # its border stays zero
        padded[:, P : P + H, P : P + W] = x.reshape(-1, H, W, C)
        windows = sliding_window_view(padded, (K, K), axis=(1, 2))[:, ::S, ::S]  # (n, h, w, C, K, K), not a copy
        patches.reshape(-1, h, w, K, K, C)[...] = windows.transpose(0, 1, 2, 4, 5, 3)

    def fold(self, patches, x):
        """Write to x, (n, H·W·C), the images whose pixels are sums over the patches, (n·h·w, K·K·C), that have them."""
        (H, W, C), (h, w, _), K, S, P = self.large, self.small, self.kernel, self.stride, self.padding
        # Trick: S neighbouring columns of all patches do not overlap, and are added in one go.
        together = S if C > 1 and K % S == 0 else 1
        patches = patches.reshape(-1, h, w, K, K // together, together * C)
        n, step, width = len(patches), S // together, -(-(W + 2 * P) // together)
        padded = self.work_array("folded", (n, H + 2 * P, width, together * C), patches.dtype)
        padded[...] = 0
        for i in range(K):
            for j in range(K // together):
                padded[:, i : i + S * h : S, j : j + step * w : step] += patches[:, :, :, i, j]
        x.reshape(n, H, W, C)[...] = padded.reshape(n, H + 2 * P, -1, C)[:, P : P + H, P : P + W]

    def down(self, x, name, patches_name):
        """Return small images patches W, (N, h·w·O), for large ones x, (N, H·W·C), and the patches."""
        places = math.prod(self.small[:2])
        small = self.work_array(name, (len(x), places * self.small[2]), self.W.dtype)
        patches = self.work_array(patches_name, (len(x) * places, len(self.W)), self.W.dtype)
        for start in range(0, len(x), CHUNK):
            images, rows = slice(start, start + CHUNK), slice(start * places, (start + CHUNK) * places)
            self.unfold(x[images], patches[rows])
            np.matmul(patches[rows], self.W, out=self.places(small)[rows])
        return small, patches

    def up(self, small, name):
        """Return large images, (N, H·W·C), the fold of small Wᵀ, for small ones, (N, h·w·O)."""
        x = self.work_array(name, (len(small), math.prod(self.large)), self.W.dtype)
        for start in range(0, len(small), CHUNK):
            images = slice(start, start + CHUNK)
            places = self.places(small[images])
            patches = self.work_array("up", (len(places), len(self.W)), self.W.dtype)
            self.fold(np.matmul(places, self.W.T, out=patches), x[images])
        return x

    def places(self, small):
        """Return (N, h·w·O) as (N·h·w, O), a row for every patch."""
        return small.reshape(-1, self.small[2])

    def add_bias(self, out):
        """Return out with b added to every pixel, in place. Trick: long rows are added faster than short ones."""
        out += np.tile(self.b, out.shape[1] // len(self.b))
        return out

    def bias_grads(self, dout):
        """Return d(loss)/db, the sum of dout over all pixels of all samples, (C,) or (O,)."""
        return dout.sum(axis=0).reshape(-1, len(self.b)).sum(axis=0)

    def add_weight_grads(self, patches, small):
        """Add what W receives from these patches and this small image, of which it was a factor."""
        product = self.work_array("product", self.W.shape, self.W.dtype)
        self.dW += np.matmul(patches.T, self.places(small), out=product)

    def check_input(self, x, shape):
        """Raise an error that says what is missing, where x is not a batch of images of this shape."""
        if self.W is None:
            raise RuntimeError(f"{self} has no weights yet: put it into a Network, which makes them")
        if x.ndim != 2 or x.shape[1] != math.prod(shape):
            raise ValueError(f"{self} expects x of shape (N, {math.prod(shape)}), got {x.shape}")


class Conv2D(Convolution):
    """out[n, y, x, o] = Σ_ijc image[n, S·y + i - P, S·x + j - P, c] W[i, j, c, o] + b[o].

    shape     (H, W, C) of an input image
    channels  O; the output image is (h, w, O) with h = ⌊(H + 2P - K)/S⌋ + 1, and w in the same way
    init      the first weights, as for ``Dense``: each output feels K·K·C inputs

    The kernel is not flipped, so that mathematicians call this a cross-correlation.
    """

    def __init__(self, shape, channels, kernel=4, stride=2, padding=1, init="he"):
        *sides, C = shape
        small = *((side + 2 * padding - kernel) // max(stride, 1) + 1 for side in sides), channels
        super().__init__(shape, small, kernel, stride, padding, init)
        self.shapes = {"W": (kernel * kernel * C, channels), "b": (channels,)}

    def initialize(self, rng):
        """Draw the first W and b."""
        draw_weights(self, rng, len(self.W), self.kernel**2 * self.small[2] / self.stride**2)

    def forward(self, x):
        self.check_input(x, self.large)
        out, self.patches = self.down(x, "out", "patches")
        return self.add_bias(out)

    def backward(self, dout, param_grads=True, input_grad=True):
        # The three sums of Dense with patches for x; ``up`` is dout Wᵀ, brought back to the pixels.
        patches = self.kept("patches")
        if param_grads:
            np.matmul(patches.T, self.places(dout), out=self.dW)
            self.db[...] = self.bias_grads(dout)
        if input_grad:
            return self.up(dout, "dx")

    def tangent(self, v):
        # Linear in x: v goes the way of x, and b stands still.
        out_v, self.v = self.down(v, "out_v", "v")
        return out_v

    def tangent_backward(self, dout_v, dout=None):
        self.add_weight_grads(self.kept("v"), dout_v)
        if dout is not None:
            self.add_weight_grads(self.patches, dout)
            self.db += self.bias_grads(dout)
            return self.up(dout, "dx_v")

    def __repr__(self):
        return f"Conv2D({self.large}, {self.small[2]})"


class ConvTranspose2D(Convolution):
    """The transpose of ``Conv2D``: from small images to large ones, as its dx comes from its dout.

    shape     (h, w, O) of an input image
    channels  C; the output image is (H, W, C) with H = S(h - 1) + K - 2P, and W in the same way
    init      the first weights, as for ``Dense``: each output feels about K·K·O/S² inputs
    """

    def __init__(self, shape, channels, kernel=4, stride=2, padding=1, init="he"):
        *sides, O = shape
        large = *(stride * (side - 1) + kernel - 2 * padding for side in sides), channels
        super().__init__(large, shape, kernel, stride, padding, init)
        self.shapes = {"W": (kernel * kernel * channels, O), "b": (channels,)}

    def initialize(self, rng):
        """Draw the first W and b."""
        draw_weights(self, rng, self.kernel**2 * self.small[2] / self.stride**2, len(self.W))

    def forward(self, x):
        self.check_input(x, self.small)
        self.x = x
        return self.add_bias(self.up(x, "out"))

    def backward(self, dout, param_grads=True, input_grad=True):
        # <up(x), dout> = <x, down(dout)>: Conv2D's forward pass is the backward pass here.
        x = self.kept("x")
        dx, patches = self.down(dout, "dx", "patches")
        if param_grads:
            np.matmul(patches.T, self.places(x), out=self.dW)
            self.db[...] = self.bias_grads(dout)
        return dx

    def tangent(self, v):
        self.v = v
        return self.up(v, "out_v")

    def tangent_backward(self, dout_v, dout=None):
        _, patches = self.down(dout_v, "dx_v", "patches")
        self.add_weight_grads(patches, self.kept("v"))
        if dout is not None:
            dx, patches = self.down(dout, "dx_v", "patches")
            self.add_weight_grads(patches, self.x)
            self.db += self.bias_grads(dout)
            return dx

    def __repr__(self):
        return f"ConvTranspose2D({self.small}, {self.large[2]})"
