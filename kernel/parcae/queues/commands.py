"""What can be asked of a queue."""

from __future__ import annotations

from typing import Any

from attrs import Attribute, field, frozen

from parcae.queues.rate import Rate
from parcae.values import valid_label, valid_number

MOST = 1_000_000


def _bound(instance: object, attribute: Attribute[Any], value: int | None) -> None:
    if value is not None:
        valid_number(1, MOST)(instance, attribute, value)


@frozen(kw_only=True)
class Pause:
    """Start nothing forward from now on; what runs goes on, and undos too."""

    by: str = field(default="", validator=valid_label)


@frozen(kw_only=True)
class Resume:
    """Start jobs again."""

    by: str = field(default="", validator=valid_label)


@frozen(kw_only=True)
class SetLimit:
    """Bound how many jobs hold a slot at once. Lowering it stops nothing that runs.

    Attributes:
        limit: at least 1 (to stop a queue, pause it); ``None``: no bound.
        key: of this key alone; ``None``: see ``each``.
        each: of every key that has no bound of its own, instead of the queue as a whole.
        by: who asks.
    """

    limit: int | None = field(validator=_bound)
    key: str | None = None
    each: bool = False
    by: str = field(default="", validator=valid_label)


@frozen(kw_only=True)
class SetRate:
    """Bound how often jobs start; see :class:`SetLimit` for ``key`` and ``each``."""

    rate: Rate | None
    key: str | None = None
    each: bool = False
    by: str = field(default="", validator=valid_label)


@frozen(kw_only=True)
class SetAging:
    """Say how many places in line one level of priority is worth; ``None``: always more."""

    aging: int | None = field(validator=_bound)
    by: str = field(default="", validator=valid_label)


QueueCommand = Pause | Resume | SetLimit | SetRate | SetAging
