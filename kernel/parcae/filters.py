"""Which events somebody wants to hear of: subscriptions of webhooks and streams alike."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import Attribute, field, frozen

from parcae.values import valid_name

MOST = 100
"""Names in one place of a filter."""


def _names(given: Iterable[str]) -> tuple[str, ...]:
    if isinstance(given, str):
        raise TypeError(f"expected several names, got the one string {given!r}")
    return tuple(sorted(set(given)))


def _valid(instance: object, attribute: Attribute[Any], value: tuple[str, ...]) -> None:
    if len(value) > MOST:
        raise ValueError(f"expected at most {MOST} {attribute.name}, got {len(value)}")
    for one in value:
        valid_name(instance, attribute, one)


@frozen(kw_only=True)
class Filter:
    """Which events count. Empty: all; what is given has to fit as a whole.

    Attributes:
        types: of these types, by the names under which they are stored: ``completed``.
        kinds: of jobs of these kinds, and so of jobs only.
        queues: of jobs of these queues, or of these queues themselves.
        streams: of these jobs, groups, queues or schedules, by the names of their histories.
    """

    types: tuple[str, ...] = field(default=(), converter=_names, validator=_valid)
    kinds: tuple[str, ...] = field(default=(), converter=_names, validator=_valid)
    queues: tuple[str, ...] = field(default=(), converter=_names, validator=_valid)
    streams: tuple[str, ...] = field(default=(), converter=_names, validator=_valid)

    def takes(
        self, tag: str, stream: str, kind: str | None = None, queue: str | None = None
    ) -> bool:
        """Whether an event counts.

        Args:
            tag: the name under which it is stored.
            stream: whose event it is.
            kind: of the job; ``None``: it is none, or nobody knows any more.
            queue: that of the job, or that which the event is of.
        """
        return (
            (not self.types or tag in self.types)
            and (not self.kinds or kind in self.kinds)
            and (not self.queues or queue in self.queues)
            and (not self.streams or stream in self.streams)
        )
