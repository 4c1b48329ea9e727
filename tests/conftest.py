"""What holds for all tests, wherever they run: signals, threads, and how Hypothesis draws its examples.

The examples are the same ones in every run, so that a failure can be repeated.
``pytest --hypothesis-profile=thorough`` draws many more, and other ones each time.
"""

import os
import signal

# Whoever starts the tests in the background may have these ignored, and a process inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.SIG_DFL)

# The tests' matrices are small, and threads that wait for a busy core cost more than they bring.
# Read when NumPy is first imported, here and in the processes that tests start.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ["MPLBACKEND"] = "Agg"
os.environ["MATPLOTLIBRC"] = os.devnull  # not what the user has set

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

# What these assert is told in detail, and holds under ``python -O``, too.
pytest.register_assert_rewrite("helpers", "small_runs", "commands")

settings.register_profile("steady", deadline=None, derandomize=True, max_examples=25)
settings.register_profile("thorough", deadline=None, max_examples=500)
settings.load_profile("steady")


@pytest.fixture(scope="session")
def mnist_folder():
    folder = os.environ.get("TINYGAN_DATA", "")
    if not os.path.isdir(folder):
        pytest.skip("TINYGAN_DATA does not name a folder with MNIST")
    return folder
