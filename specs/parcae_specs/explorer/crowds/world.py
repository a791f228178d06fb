"""One world: what the store has of all jobs, what its observer has seen, and who holds what.

The observer's part is drawn from events and commands alone, never from what the kernel keeps.
"""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from attrs import field, frozen

from parcae.change import KeyRow
from parcae.effects import Offer
from parcae.groups import Group
from parcae.queues import Queue
from parcae.spec import Spec
from parcae.state import Stored
from parcae.values import Instant, JobId, Status


@frozen(kw_only=True, cache_hash=True)
class Ghost:
    """What an observer has seen of one job.

    Attributes:
        held: it holds a slot: it was claimed, and has not been given back since.
        started: it was claimed for forward work at least once.
        outcome: how it ended.
        done: the phases that completed.
        undone: those whose undo succeeded, by this job.
        asked: a cancel of it was asked for and recorded.
        stands_until: until when it stands for its constraint, where that has a period.
    """

    held: bool = False
    started: bool = False
    outcome: Status | None = None
    done: frozenset[str] = frozenset()
    undone: frozenset[str] = frozenset()
    asked: bool = False
    stands_until: Instant | None = None


@frozen(kw_only=True, cache_hash=True)
class Row:
    """A job as a store keeps it, and its observer.

    Attributes:
        id: its name.
        spec: what it was admitted with; known to the observer after its deletion, too.
        stored: the job; ``None``: it was deleted.
        offer: what its last change said of claimers.
        remind: and of when to look at it again.
        ghost: its observer.
    """

    id: JobId
    spec: Spec
    stored: Stored | None
    offer: Offer | None = None
    remind: Instant | None = None
    ghost: Ghost = Ghost()

    @property
    def quiet(self) -> bool:
        """Nothing more needs to happen to it."""
        return self.stored is None or self.stored.job.status.is_terminal


@frozen(kw_only=True, cache_hash=True)
class GroupRow:
    """A group as a store keeps it.

    Attributes:
        text: all of it in words, by which it is compared: it has mappings in it.
        group: the group.
        remind: when to look at it again.
        outcome: how it ended, by its events.
        stopped: its rest was to be stopped, by its events.
    """

    text: str
    group: Group = field(eq=False)
    remind: Instant | None = None
    outcome: Status | None = None
    stopped: bool = False


@frozen(kw_only=True, cache_hash=True)
class QueueRow:
    """What is set for the queue of the world.

    Attributes:
        text: all of it in words, by which it is compared.
        queue: as the kernel folds it.
        limit: of the whole, as it was asked for.
        each: of each key, as it was asked for.
        paused: it was to be paused.
        every: how much time has to lie between two starts, as it was asked for.
        free_at: from when on the next may be.
    """

    text: str = ""
    queue: Queue | None = field(default=None, eq=False)
    limit: int | None = None
    each: int | None = None
    paused: bool = False
    every: timedelta | None = None
    free_at: Instant | None = None


Mind = tuple[tuple[int, int], ...]
"""What a worker believes that it holds: slots of jobs, and the tokens it has for them."""


class World(NamedTuple):
    """All of it at one instant.

    Attributes:
        now: that instant.
        rows: the jobs in the order of their admission; a slot is a number in this order.
        groups: in the order of theirs.
        queue: what is set for the one queue.
        keys: the rows of keys, by their names.
        minds: what each worker believes.
        purse: what may still go wrong, in the order of the model's faults.
        asked: which of the later submissions were made, as a bit mask.
    """

    now: Instant
    rows: tuple[Row, ...]
    groups: tuple[GroupRow, ...]
    queue: QueueRow
    keys: tuple[KeyRow, ...]
    minds: tuple[Mind, ...]
    purse: tuple[int, ...]
    asked: int

    @property
    def quiet(self) -> bool:
        """Everything has ended."""
        return all(row.quiet for row in self.rows) and all(
            row.group.status is not None for row in self.groups
        )
