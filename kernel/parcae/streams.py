"""Whatever else has a history, beside jobs, folded by the name of its history alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import frozen

from parcae import deliveries, groups, queues, schedules, seal, subscriptions
from parcae.change import Aggregate, AggregateEvent
from parcae.errors import Corrupt
from parcae.values import GroupId, StreamId


@frozen
class _Family:
    """What all histories have in common whose names begin alike."""

    event: Any
    fold: Callable[[StreamId, str, Any], Aggregate | None]


_FAMILIES: Mapping[str, _Family] = {
    "queue": _Family(queues.QueueEvent, lambda _, name, events: queues.fold(name, events)),
    "group": _Family(
        groups.GroupEvent, lambda stream, _, events: groups.fold(GroupId(stream), events)
    ),
    "schedule": _Family(
        schedules.ScheduleEvent, lambda _, name, events: schedules.fold(name, events)
    ),
    "subscription": _Family(
        subscriptions.SubscriptionEvent, lambda _, name, events: subscriptions.fold(name, events)
    ),
    "delivery": _Family(
        deliveries.DeliveryEvent, lambda stream, _, events: deliveries.fold(stream, events)
    ),
    "seal": _Family(seal.SealEvent, lambda _, __, events: seal.fold(events)),
}


def fold_stream(stream: StreamId, events: Sequence[AggregateEvent]) -> Aggregate | None:
    """What the history named ``stream`` folds to; ``None``: it leaves nothing behind.

    Raises:
        Corrupt: no run of this kernel can have written it, or an event does not belong there.
    """
    kind, _, name = stream.partition("/")
    family = _FAMILIES.get(kind)
    if family is None or not all(isinstance(one, family.event) for one in events):
        raise Corrupt(f"{stream}: an event that does not belong there")
    return family.fold(stream, name, events)
