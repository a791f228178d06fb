"""The operations once more, one after the other, on the reference: it must come to the same."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from parcae.change import AnyEvent, Change, Revision, View
from parcae.ports import Query, Recorded
from parcae.state import Stored
from parcae.values import JobId, Position
from parcae_adapters.clock import ManualClock
from parcae_adapters.memory import MemoryStore
from parcae_specs.linear.history import Ended, History, Intent, Operation, Wrong

T = TypeVar("T")


def replay(history: History, committed: Sequence[Operation]) -> None:
    """Play everything that was done in the order of the log; compare each step and the end.

    Raises:
        Wrong: a rule was shown something else than what was there, or did something else; or in
            the end something else is there.
    """
    reference = _Reference()
    silent = _silent(history, committed)
    for quiet in silent.pop(Position(0), ()):
        reference.play(quiet)
    for one in committed:
        reference.play(one)
        head, number = len(reference.log), len(one.names)
        if reference.log[head - number :] != _plain(history.followed[head - number : head]):
            raise Wrong("S26", f"{one.name} wrote other events than it does in its turn")
        for quiet in silent.pop(history.followed[head - 1].position, ()):
            reference.play(quiet)
    for position, left in silent.items():
        raise Wrong("S16", f"{left[0].name} was told {position}, where no commit ends")
    _compare_end(history, reference)


def _silent(history: History, committed: Sequence[Operation]) -> dict[Position, list[Operation]]:
    """What was acknowledged and wrote no event, by the position that it was told."""
    writers = set(map(id, committed))
    quiet: dict[Position, list[Operation]] = {}
    for one in sorted(history.operations, key=lambda one: one.run.at if one.run else 0):
        if one.ended is Ended.UNKNOWN and one.intents and not one.names:
            raise ValueError(f"{one.name}: an unanswered renewal leaves no trace to find it by")
        if one.ended is Ended.DONE and id(one) not in writers and one.run is not None:
            assert one.position is not None
            quiet.setdefault(one.position, []).append(one)
    return quiet


class _Reference:
    """A memory store that is driven by hand, at recorded instants and with recorded chance."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.seed = 0
        self.store = MemoryStore(clock=self.clock, entropy=lambda: self.seed)
        self.log: list[tuple[JobId, int, object]] = []

    def play(self, one: Operation) -> None:
        """Do it, in the order in which it was done."""
        run, ask = one.run, one.ask
        assert run is not None
        assert ask is not None
        self.clock.set(run.now)
        self.seed = run.seed

        def rule(view: View) -> Sequence[Change | Revision]:
            _compare_view(one, view)
            return ask.rule(view)

        try:
            done = finished(self.store.transact(ask.selection, rule))
        except Wrong:
            raise
        except Exception as error:
            raise Wrong(
                "S26", f"{one.name} was taken, but is refused in its turn: {error}"
            ) from error
        changes = [change for change in done.changes if not change.idle]
        intents = tuple(
            Intent(change.job_id, change.before, len(change.events)) for change in changes
        )
        if intents != run.intents:
            raise Wrong("S26", f"{one.name} did {run.intents}, in its turn it does {intents}")
        for change in changes:
            self.log += [
                (change.job_id, change.before + 1 + index, event)
                for index, event in enumerate(change.events)
            ]


def _compare_view(one: Operation, view: View) -> None:
    run = one.run
    assert run is not None
    if view.place != run.place:
        raise Wrong("S7", f"{one.name} was given place {run.place}, in its turn it is {view.place}")
    versions = {job: stored.job.version for job, stored in view.jobs.items()}
    if versions != {job: version for job, version in run.versions.items() if version}:
        raise Wrong(
            "S26", f"{one.name} was shown {dict(run.versions)}, in its turn there is {versions}"
        )


def _compare_end(history: History, reference: _Reference) -> None:
    rows = {one.job.id: one for one in history.rows}
    expected: dict[JobId, Stored] = {}
    query = Query(limit=1_000)
    while True:
        page = finished(reference.store.find(query))
        expected.update((one.job.id, one) for one in page.jobs)
        if not page.cursor:
            break
        query = Query(limit=1_000, cursor=page.cursor)
    for job in rows.keys() | expected.keys():
        if rows.get(job) != expected.get(job):
            raise Wrong("S5", f"job {job} is {rows.get(job)}, expected {expected.get(job)}")


def _plain(recorded: Sequence[Recorded[AnyEvent]]) -> list[tuple[JobId, int, object]]:
    return [(JobId(one.stream), one.version, one.event) for one in recorded]


def finished(doing: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nobody: much faster than an event loop."""
    try:
        while True:
            doing.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
