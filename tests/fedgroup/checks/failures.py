"""What the suites of checks say."""

from collections.abc import Iterator

from fedgroup.checks.runner import Answer


def failed(answers: Iterator[Answer]) -> dict[str, str]:
    """Checks that failed and what was seen."""
    return {name: seen for name, _, seen in answers if seen is not None}
