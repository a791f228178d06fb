"""Who wrote which event: acknowledged exactly once, refused never, unknown at most once."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from parcae.change import AnyEvent
from parcae.events import Deleted
from parcae.ports import Recorded
from parcae.values import JobId, Position
from parcae_specs.linear.history import Ended, History, Operation, Wrong

Name = tuple[JobId, int]
"""An event: its job, and the version that it led to."""


@frozen
class Log:
    """The whole log, deleted events included.

    Attributes:
        entries: in order.
        index: where each event stands in them.
        deleted: the position at which a job was deleted.
    """

    entries: Sequence[Recorded[AnyEvent]]
    index: dict[Name, int]
    deleted: dict[JobId, Position]

    def position(self, name: Name) -> Position | None:
        """Where an event stands in the store's log; ``None``: it never happened."""
        at = self.index.get(name)
        return None if at is None else self.entries[at].position


def whole_log(history: History) -> Log:
    """The log as it was followed.

    Raises:
        Wrong: a position, or a version of a job, was given twice or left out; or the follower
            missed something that is there at the end.
    """
    index: dict[Name, int] = {}
    versions: dict[JobId, int] = {}
    deleted: dict[JobId, Position] = {}
    last = Position(0)
    for at, one in enumerate(history.followed):
        if one.position <= last:
            raise Wrong("S16", f"position {one.position} follows {last}")
        last = one.position
        if one.version != versions.get(JobId(one.stream), 0) + 1:
            before = versions.get(JobId(one.stream), 0)
            raise Wrong("S16", f"job {JobId(one.stream)}: version {one.version} follows {before}")
        versions[JobId(one.stream)] = one.version
        index[JobId(one.stream), one.version] = at
        if isinstance(one.event, Deleted):
            deleted[JobId(one.stream)] = one.position
    for one in history.log:
        at = index.get((JobId(one.stream), one.version), -1)
        if at < 0 or history.followed[at] != one:
            raise Wrong("S16", f"who followed the log never saw position {one.position}")
    return Log(history.followed, index, deleted)


def committed(history: History, log: Log) -> list[Operation]:
    """The operations that wrote events, in the order of the log, each with its position.

    Raises:
        Wrong: an event has no operation, or two; or an operation has only some of its events.
    """
    owners: list[Operation | None] = [None] * len(log.entries)
    found = [
        (_claim(one, log, owners), one)
        for one in history.operations
        if one.ended is Ended.DONE and one.names
    ]
    # Of two that may have written the same event, the one that looked later did: had the other
    # done it, this one would have been shown it.
    unknown = [one for one in history.operations if one.ended is Ended.UNKNOWN and one.run]
    for one in sorted(unknown, key=lambda one: -one.run.at if one.run else 0):
        at = _perhaps(one, log, owners)
        if at is not None:
            found.append((at, one))
    for entry, owner in zip(log.entries, owners, strict=True):
        if owner is None:
            what = type(entry.event).__name__
            raise Wrong("S18", f"nobody is known to have done {what} at {entry.position}")
    found.sort(key=lambda pair: pair[0])
    return [one for _, one in found]


def _claim(one: Operation, log: Log, owners: list[Operation | None]) -> int:
    """Enter an acknowledged operation as the owner of its events; where the first one stands."""
    places = _places(one, log)
    missing = [name for name, at in places if at is None]
    if missing:
        raise Wrong("S27", f"{one.name} was acknowledged, but {missing[0]} is not in the log")
    mine = [at for _, at in places if at is not None]
    for at in mine:
        other = owners[at]
        if other is not None:
            what = f"position {log.entries[at].position}"
            raise Wrong("S4", f"{one.name} and {other.name} were both acknowledged for {what}")
        owners[at] = one
    if sorted(mine) != list(range(min(mine), min(mine) + len(mine))):
        raise Wrong("S23", f"between the events of {one.name} stand those of others")
    if log.entries[max(mine)].position != one.position:
        last = log.entries[max(mine)].position
        raise Wrong("S16", f"{one.name} was told position {one.position}, but stands at {last}")
    return min(mine)


def _perhaps(one: Operation, log: Log, owners: list[Operation | None]) -> int | None:
    """The same for one whose answer is not known: all of its events, or none."""
    places = _places(one, log)
    mine = [at for _, at in places if at is not None and owners[at] is None]
    if not mine:
        return None
    if len(mine) != len(places):
        raise Wrong("S23", f"{one.name} left only {len(mine)} of {len(places)} events behind")
    for at in mine:
        owners[at] = one
    return min(mine)


def _places(one: Operation, log: Log) -> list[tuple[Name, int | None]]:
    return [(name, log.index.get(name)) for name in one.names]
