"""How good are the samples, in numbers: a ``classifier``, the ``metrics``, and all of them in a table, ``scores``."""
