"""Counts checks, and prints one line for each."""

from contextlib import contextmanager


class Checks:
    """`with checks("what holds"): ...` is a check; it fails when the block raises."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    @contextmanager
    def __call__(self, name):
        try:
            yield
        except Exception as error:  # the other checks run regardless
            self.failed += 1
            print(f"FAILED {name}: {type(error).__name__}: {error}", flush=True)
        else:
            self.passed += 1
            print(f"ok     {name}", flush=True)


def equal(got, expected, what="value"):
    if got != expected:
        raise AssertionError(f"{what} is {got!r}, expected {expected!r}")


def holds(condition, what):
    if not condition:
        raise AssertionError(f"false: {what}")


def raised(kind, action):
    """The error of this kind that the action raises."""
    try:
        got = action()
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}, got {got!r}")
