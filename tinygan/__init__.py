"""tinygan: a generative adversarial network written from nothing but NumPy, to be read.

Start with ``layers.py`` and read on in the order of the map in README.md. Everything is imported
from its own module (``from tinygan.layers import Dense``), so that there is one way to say it.
"""

__version__ = "0.1.0"
