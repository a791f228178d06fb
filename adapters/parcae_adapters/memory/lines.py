"""Who waits for a worker, lane by lane, and who holds a slot. Not thread-safe."""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain, islice

from parcae.admission import Offered, Room, choose, order, rate_keys
from parcae.change import Key, KeyRow
from parcae.effects import Offer
from parcae.ports import Claimable
from parcae.queues import Bounds, Queue
from parcae.state import Job
from parcae.values import Instant, JobId, Lane
from parcae_adapters.memory.sorted import remove

Entry = tuple[tuple[bool, int, int], JobId, Offer]
Line = tuple[Lane, bool]


class Lines:
    """Offers in the order in which they are taken, and slots.

    Args:
        queues: what is set for queues, by name; kept, not copied.
        keys: all key rows; kept, not copied.
    """

    def __init__(self, queues: Mapping[str, Queue], keys: Mapping[Key, KeyRow]) -> None:
        self._queues = queues
        self._keys = keys
        # Undos have lines of their own: what keeps forward work from starting need not keep them.
        self._lines: defaultdict[str, defaultdict[Line, list[Entry]]]
        self._lines = defaultdict(partial(defaultdict, list))
        self._slots: defaultdict[str, defaultdict[Lane, int]]
        self._slots = defaultdict(partial(defaultdict, int))

    def offer(self, job_id: JobId, offer: Offer) -> None:
        """Put a job in line."""
        queue = self._queues.get(offer.lane.queue)
        line = self._lines[offer.lane.queue][offer.lane, offer.undo]
        insort(line, (order(offer, queue), job_id, offer), key=_turn)

    def withdraw(self, job_id: JobId, offer: Offer) -> None:
        """Take a job out of its line."""
        lines, name = self._lines[offer.lane.queue], (offer.lane, offer.undo)
        queue = self._queues.get(offer.lane.queue)
        remove(lines[name], (order(offer, queue), job_id, offer), _turn)
        if not lines[name]:
            del lines[name]

    def hold(self, job: Job, count: int) -> None:
        """Count ``count`` more slots, if ``job`` holds one."""
        if job.lease is None:
            return
        slots = self._slots[job.spec.lane.queue]
        slots[job.spec.lane] += count
        if not slots[job.spec.lane]:
            del slots[job.spec.lane]

    def reorder(self, name: str) -> None:
        """What is set for a queue has changed: it may be served in another order now."""
        queue = self._queues.get(name)
        for line in self._lines[name].values():
            line[:] = sorted(((order(one, queue), job, one) for _, job, one in line), key=_turn)

    def held(self, names: Mapping[str, Queue]) -> dict[Lane, int]:
        """How many jobs of each lane hold a slot, in those of the queues that have bounds."""
        bound = (name for name, queue in names.items() if queue.bounds != Bounds() or queue.keyed)
        return {lane: count for name in bound for lane, count in self._slots[name].items()}

    def chosen(self, wanted: Claimable, now: Instant) -> list[JobId]:
        """Who would start now, of all that is offered to ``wanted``."""
        served = self._lines.keys() if wanted.queues is None else wanted.queues
        lines = {name: self._lines[name] for name in sorted(served) if name in self._lines}
        queues = {name: self._queues[name] for name in lines if name in self._queues}
        lanes = (lane for name in queues for lane, _ in lines[name])
        rates = chain.from_iterable(map(rate_keys, lanes))
        keys = {key: self._keys[key] for key in rates if key in self._keys}
        room = Room(now, queues, self.held(queues), keys)
        offered = [
            one
            for line in lines.values()
            for name, entries in line.items()
            for one in _first(name, entries, room, wanted, now)
        ]
        return [job_id for job_id, _ in choose(offered, room, queues, wanted.limit)]

    def offers(self) -> Iterator[Offer]:
        """All that is offered, now or later."""
        lines = chain.from_iterable(line.values() for line in self._lines.values())
        return (offer for entries in lines for _, _, offer in entries)


def _first(
    name: Line, entries: list[Entry], room: Room, wanted: Claimable, now: Instant
) -> Iterator[Offered]:
    """As many as could be chosen of one line: the rest of it changes nothing."""
    lane, undo = name
    most = min(room.left(lane, undo=undo), wanted.limit)
    if not most:
        return iter(())
    fitting = (
        (job, offer)
        for _, job, offer in entries
        if job not in wanted.without and _fits(offer, wanted, now)
    )
    return islice(fitting, most)


def _fits(offer: Offer, wanted: Claimable, now: Instant) -> bool:
    open_now = offer.at <= now and (offer.until is None or offer.until > now)
    return open_now and offer.kind in wanted.kinds


def _turn(entry: Entry) -> tuple[tuple[bool, int, int], JobId]:
    return entry[:2]
