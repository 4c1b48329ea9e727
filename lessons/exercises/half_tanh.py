"""Exercise: the backward pass through out = (1 + tanh x)/2, a generator's Tanh for pixels from 0 to 1.

    tinygan check lessons/exercises/half_tanh.py

Write the slope with ``out`` alone, as Sigmoid does.
"""

import numpy as np


class HalfTanh:
    def forward(self, x):
        self.out = (1 + np.tanh(x)) / 2
        return self.out

    def backward(self, dout):
        """From dout, of the shape of x, return dx."""
        raise NotImplementedError("fill in")
