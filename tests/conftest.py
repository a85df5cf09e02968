"""Hypothesis: the same examples in every run, and no time limit on a busy machine."""

from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None, database=None)
settings.load_profile("ci")
