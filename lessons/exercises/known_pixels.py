"""Exercise: the error of an image where it is known, in absolute values (Yeh et al. 2017). Its gradient.

    tinygan check lessons/exercises/known_pixels.py

Every third pixel is hidden, and has no part in the loss. At out = 0 any slope will do. The image to be found is black
(0), so that out itself is the difference. Shapes: out (N, I), as many images as pixels you like.
"""

import numpy as np


def known(out):
    """1 where a pixel is known, 0 where it is hidden: a row for all images, (I,)."""
    return (np.arange(out.shape[-1]) % 3 < 2).astype(float)


def known_pixels_by_definition(out):
    """What the loss must be: the mean over all entries, of which the hidden ones are 0."""
    return np.mean(known(out) * np.abs(out))


def known_pixels(out):
    """Return (the loss, d(loss)/d(out))."""
    raise NotImplementedError("fill in")
