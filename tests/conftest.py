"""What all tests share: properties are checked without a stopwatch, for a busy machine fails nobody."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
