"""How Hypothesis draws its examples: the same ones in every run, so that a failure can be repeated.

``pytest --hypothesis-profile=thorough`` draws many more, and other ones each time.
"""

from hypothesis import settings

settings.register_profile("steady", deadline=None, derandomize=True, max_examples=25)
settings.register_profile("thorough", deadline=None, max_examples=500)
settings.load_profile("steady")
