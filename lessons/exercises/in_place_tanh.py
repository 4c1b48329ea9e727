"""Exercise: a Tanh that saves an array at the wrong place. Mend it.

tinygan check lessons/exercises/in_place_tanh.py
"""

import numpy as np


class InPlaceTanh:
    def forward(self, x):
        self.x = x
        return np.tanh(x, out=x)

    def backward(self, dout):
        return dout * (1 - np.tanh(self.x) ** 2)
