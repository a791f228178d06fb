"""Tails the log of a store, and hands each event to whoever measures, as a fact."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from parcae.change import AnyEvent
from parcae.errors import Corrupt
from parcae.events import Deleted, Event
from parcae.ports import Recorded, Store
from parcae.projection import Fact, Track, project, projected
from parcae.values import JobId, Position, StreamId, Version

PAGE = 1_000
KNOWN = 50_000
"""Jobs that are kept in mind; of another one the history is read again."""

Take = Callable[[Fact], None]


class Facts:
    """Follows the log from ``after`` on.

    Args:
        store: whose log.
        after: the position after which to begin; by default all that is in the log comes.
    """

    def __init__(self, store: Store, after: Position = Position(0)) -> None:
        self.store = store
        self.position = after
        self._tracks: OrderedDict[StreamId, Track] = OrderedDict()

    async def catch_up(self, *takers: Take) -> int:
        """Hand on what has happened since the last call; how many events that was.

        What cannot be read, or does not follow, is passed over: ``parcae fsck`` tells of it.
        """
        seen = 0
        while True:
            batch = await self.store.log(self.position, PAGE)
            for one in batch:
                await self._take(one, takers)
                self.position = one.position
            seen += len(batch)
            if len(batch) < PAGE:
                return seen

    async def _take(self, one: Recorded[AnyEvent], takers: Sequence[Take]) -> None:
        stream = one.stream
        track = self._tracks.pop(stream, None)
        try:
            if track is None and _goes_on(one):
                track = await self._before(one)
            after, fact = project(track or Track(), stream, one.event)
        except Corrupt:
            return
        # An ended job may still get notes and evidence; then its history is read again.
        if after.job is not None and not after.job.status.is_terminal:
            self._tracks[stream] = after
            if len(self._tracks) > KNOWN:
                self._tracks.popitem(last=False)
        for take in takers:
            take(fact)

    async def _before(self, one: Recorded[AnyEvent]) -> Track:
        """What is known of a job before an event of it that is not its first."""
        history = await self.store.history(JobId(one.stream))
        if not history or history[0].version != Version(1):
            raise Corrupt(f"job {one.stream}: its history is gone")
        events = [recorded.event for recorded in history if recorded.version < one.version]
        *_, (track, _) = projected(JobId(one.stream), events)
        return track


def _goes_on(one: Recorded[AnyEvent]) -> bool:
    """Whether something came before it that has to be known: of a deleted job nothing is left."""
    ours = isinstance(one.event, Event) and not isinstance(one.event, Deleted)
    return ours and one.version > 1
