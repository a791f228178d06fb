"""What a sender saw of one try."""

from __future__ import annotations

from datetime import timedelta

from attrs import field, frozen

from parcae.values import cut, valid_duration

LONGEST_EXCERPT = 500
"""Characters of an answer's body that are kept."""
LONGEST_ERROR = 200
"""Characters of what went wrong."""


def _excerpt(text: object) -> str:
    return cut(str(text), LONGEST_EXCERPT)


def _error(text: object) -> str:
    return cut(str(text), LONGEST_ERROR)


@frozen(kw_only=True)
class Attempt:
    """One try, as its sender saw it. What it means is decided by :mod:`parcae.deliveries.policy`.

    Attributes:
        status: the receiver's answer; ``None``: there was none.
        error: why there was none.
        latency: how long it took.
        retry_after: for how long the receiver asked to be left alone.
        excerpt: the beginning of what the receiver said.
    """

    status: int | None = None
    error: str = field(default="", converter=_error)
    latency: timedelta = field(default=timedelta(0), validator=valid_duration(timedelta(0)))
    retry_after: timedelta | None = field(default=None, validator=valid_duration(timedelta(0)))
    excerpt: str = field(default="", converter=_excerpt)
