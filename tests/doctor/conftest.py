"""Of a test with many examples some are run; ``pytest -m breadth`` runs the others, as CI does."""

from collections import Counter
from pathlib import Path

import pytest

from tinygan.doctor import planning, repair

MANY, EVERY = 6, 8  # of more than six every eighth


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Where nothing can be found, a part of the time is enough to see that."""
    monkeypatch.setattr(planning, "SECONDS", planning.SECONDS / 3)
    monkeypatch.setattr(repair, "SECONDS", tuple(seconds / 2 for seconds in repair.SECONDS))


@pytest.hookimpl(tryfirst=True)  # before those with the mark are left out
def pytest_collection_modifyitems(items):
    own = [item for item in items if item.path.parent == Path(__file__).parent and hasattr(item, "callspec")]
    examples, seen = Counter(item.function for item in own), Counter()
    for item in own:
        seen[item.function] += 1
        if examples[item.function] > MANY and seen[item.function] % EVERY != 1:
            item.add_marker(pytest.mark.breadth)
