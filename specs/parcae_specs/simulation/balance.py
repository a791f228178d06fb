"""The balance at the end: what was acknowledged, and what the log tells."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from parcae.change import AnyEvent
from parcae.events import Event, Submitted
from parcae.ports import Recorded
from parcae.values import JobId
from parcae_specs.simulation.host import Order

Histories = Mapping[JobId, Sequence[Event]]


def acknowledged(histories: Histories, orders: Iterable[Order]) -> Iterator[str]:
    """Every acknowledged order is there once, every other at most once (S17)."""
    admitted: Counter[tuple[str, str]] = Counter()
    for history in histories.values():
        first = history[0]
        if isinstance(first, Submitted) and first.spec.origin is None:
            admitted[first.spec.kind, first.spec.payload.digest] += 1
    for order in orders:
        if order.job_id is not None and order.job_id not in histories:
            yield f"S17: {order.key} was acknowledged, and is not there"
        if order.request is None:
            continue
        spec = order.request.spec
        count = admitted[spec.kind, spec.payload.digest]
        if count > 1 or (order.job_id is not None and count != 1):
            yield f"S17: {order.key} is there {count} times"


def told(
    histories: Histories, kept: Iterable[JobId], log: Iterable[Recorded[AnyEvent]]
) -> Iterator[str]:
    """The log tells every event that is kept, once, in the order of its job (S16)."""
    stories: defaultdict[JobId, list[AnyEvent]] = defaultdict(list)
    last, alive = 0, set(kept)
    for one in log:
        if one.position <= last:
            yield f"S16: position {one.position} after {last}"
        last = one.position
        stories[JobId(one.stream)].append(one.event)
    for job_id, history in histories.items():
        rest = history if job_id in alive else history[-1:]
        if stories[job_id] != list(rest):
            yield f"S16: the log tells another story of job {job_id}"
