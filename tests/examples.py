"""How many examples Hypothesis tries, and how much processor time one may take."""

import signal
from contextlib import contextmanager

from hypothesis import HealthCheck, settings

# `pytest --hypothesis-profile=many` looks for new examples, as `make test-all` does; else the same few come each time.
# Nobody measures how long an example takes on a machine that may be busy.
SETTINGS = {"deadline": None, "suppress_health_check": list(HealthCheck)}
settings.register_profile("few", max_examples=20, derandomize=True, **SETTINGS)
settings.register_profile("many", max_examples=100, **SETTINGS)
settings.load_profile("few")


def examples(many):
    """The settings of a test that tries so many examples, and a fifth of them, 5 at least, in the profile `few`."""
    return settings(max_examples=max(5, many * settings.default.max_examples // 100))


@contextmanager
def limited(seconds=120):
    """What takes more processor time than this ends in a TimeoutError: it would take for ever."""

    def end(number, frame):
        raise TimeoutError(f"this took more than {seconds} s of processor time")

    previous = signal.signal(signal.SIGPROF, end)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)
