"""``python -m tinygan`` exists to do the same as ``tinygan``."""

import sys

from tinygan.cli import main

sys.exit(main())
