"""Exercise: a squared error whose training, with Adam, looked as it should. Let the doctor name it, then mend it.

tinygan check lessons/exercises/hidden_factor.py
"""

import numpy as np


def squared_error(out, target):
    """½ mean((out - target)²), and its gradient."""
    difference = out - target
    return np.mean(difference**2) / 2, difference
