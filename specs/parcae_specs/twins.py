"""Two stores side by side: one hand-moved clock, the same entropy, everything compared."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar, Protocol, TypeVar

from attrs import evolve as replace
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from parcae import answers as a
from parcae.change import Aggregate, Change, Revision, View, stream_of
from parcae.deliveries import Delivery
from parcae.errors import ParcaeError
from parcae.evolve import fold
from parcae.fsck import fsck
from parcae.groups import Group
from parcae.ports import Committed, Entropy, Named, Overdue, Query, Rule, Selection, Store
from parcae.state import Stored
from parcae.survey import Scope
from parcae.values import JobId, Position, Status, Version, WorkerId, seconds
from parcae_specs.inputs import KINDS, QUEUES
from parcae_specs.recount import checked

T = TypeVar("T")

WORKERS = (WorkerId("w1"), WorkerId("w2"))
BLOBS = ("payload", "result/p0", "result/p1", "late/1", "none")
QUERIES = (
    Query(limit=2),
    Query(limit=2, statuses=frozenset({Status.SCHEDULED, Status.COMPLETED})),
    Query(limit=2, kinds=frozenset({KINDS[0]}), queues=frozenset({QUEUES[0]})),
    Query(limit=1, worker=WORKERS[0]),
)
SCOPES = (Scope(), Scope(window=seconds(5), sample=2, queues=frozenset({QUEUES[0]})))


class MovableClock(Protocol):
    """A clock that stands still until it is moved."""

    def now(self) -> Any:
        """The present instant."""

    async def sleep_until(self, instant: Any) -> None:
        """Return at ``instant`` or later."""

    def set(self, to: Any) -> None:
        """Jump, forth or back."""


MakeStore = Callable[[MovableClock, Entropy], Store]


class Twins(RuleBasedStateMachine):
    """A model and a system. ``reached`` counts the steps after which some job had a status."""

    make_clock: ClassVar[Callable[[], MovableClock]]
    make_model: ClassVar[MakeStore]
    make_system: ClassVar[MakeStore]
    reached: ClassVar[Counter[Status]]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = type(self).make_clock()
        self.jobs: list[JobId] = []

    @initialize(seed=st.integers(0, 2**32))
    def open(self, seed: int) -> None:
        """Open both, empty."""
        cls = type(self)
        self.model = cls.make_model(self.clock, _entropy(seed))
        self.system = cls.make_system(self.clock, _entropy(seed))

    # -- what is done to both ----------------------------------------------------------------

    def transact(self, selection: Selection, rule: Rule) -> Committed | ParcaeError:
        """Run ``rule`` in both; they must show it the same and answer the same."""
        shown: list[list[View]] = [[], []]

        async def one(store: Store, views: list[View]) -> Committed | ParcaeError:
            def watched(view: View) -> Sequence[Change | Revision]:
                views.append(view)
                return rule(view)

            try:
                return await store.transact(selection, watched)
            except ParcaeError as error:
                return error

        model = self.runner.run(one(self.model, shown[0]))
        system = self.runner.run(one(self.system, shown[1]))
        assert all(shown), f"the rule was not run: {model!r}, {system!r}"
        # A rule may run more than once; the last run is the one that counts.
        ours, theirs = shown[0][-1], shown[1][-1]
        assert list(theirs.jobs) == list(ours.jobs), "the selection found others, or in turn"
        assert theirs == ours
        assert _plain(system) == _plain(model)
        return model

    def both(self, ask: Callable[[Store], Awaitable[T]]) -> T:
        """Ask both; they must answer the same."""

        async def one(store: Store) -> T:
            return await ask(store)

        model, system = self.runner.run(one(self.model)), self.runner.run(one(self.system))
        assert system == model
        return model

    def stored(self, job: JobId | None) -> Stored | None:
        """The job in the model."""
        return None if job is None else self.runner.run(_fetch(self.model, job))

    # -- what is compared after every step ---------------------------------------------------

    @invariant()
    def agree(self) -> None:
        """Everything that can be asked has one answer, and every row is the fold of its events."""
        if not hasattr(self, "system"):
            return
        log = self.both(lambda store: store.log())
        tail = log[-3].position if len(log) > 2 else Position(0)
        self.both(lambda store: store.log(tail, 2))
        for job in self.jobs:
            self._compare_job(job)
        others = self.both(lambda store: store.aggregates())
        for index, one in enumerate(others):
            # Of deliveries there are many: each has its turn.
            if not isinstance(one, Delivery) or index % 5 == len(log) % 5:
                self._compare_aggregate(one)
        self.both(lambda store: store.next_due())
        self.both(lambda store: store.next_due(self.clock.now()))
        for query in QUERIES:
            self._compare_lists(query)
        ends = (Status.COMPLETED, Status.CANCELLED)
        self._compare_ends(ends[len(log) % len(ends)])
        if not len(log) % 4:
            self._compare_looks()
        # One of them a step, in turns: a survey looks at everything, and steps are many.
        self._compare_surveys(SCOPES[len(log) % len(SCOPES)])

    def _compare_job(self, job: JobId) -> None:
        history = self.both(lambda store: store.history(job))
        self.both(lambda store: store.history(job, Version(2)))
        self.both(lambda store: store.blobs(job, BLOBS))
        self.both(lambda store: store.standing(job))
        stored = self.both(lambda store: store.fetch(job))
        if stored is not None:
            assert fold(job, (one.event for one in history)) == stored.job
            self.reached[stored.job.status] += 1

    def _compare_ends(self, status: Status) -> None:
        now = self.clock.now()
        page = self.both(lambda store: store.ended(status, now, limit=2))
        if page.cursor:
            self.both(lambda store: store.ended(status, now, cursor=page.cursor, limit=2))

    def _compare_looks(self) -> None:
        looked = [self.runner.run(_looked(one, self.jobs)) for one in (self.model, self.system)]
        assert looked[1] == looked[0]

    def _compare_surveys(self, scope: Scope) -> None:
        self.both(lambda store: store.survey(scope))
        self.runner.run(checked(self.system, scope))

    def _compare_aggregate(self, one: Aggregate) -> None:
        stream = stream_of(one)
        self.both(lambda store: store.record(stream))
        assert self.both(lambda store: store.aggregate(stream)) == one
        if isinstance(one, Group):
            self._compare_lists(Query(limit=2, group=one.id))

    def _compare_lists(self, query: Query) -> None:
        self.both(lambda store: store.count(query))
        page = self.both(lambda store: store.find(query))
        if page.cursor:
            rest = replace(query, cursor=page.cursor)
            self.both(lambda store: store.find(rest))

    def teardown(self) -> None:
        """Neither may have found a fault in itself."""
        if hasattr(self, "system"):
            assert self.both(fsck).findings == ()
            self.runner.run(self.model.close())
            self.runner.run(self.system.close())
        self.runner.close()


def alive(stored: Stored | None) -> bool:
    """Whether there is such a job, and it has not ended."""
    return stored is not None and not stored.job.status.is_terminal


def _entropy(seed: int) -> Entropy:
    chance = random.Random(seed)
    return lambda: chance.getrandbits(128)


async def _looked(store: Store, jobs: Sequence[JobId]) -> list[View]:
    """What is overdue, and some jobs by name, without what chance has to do with."""
    wanted = (Overdue(limit=2), Named(ids=tuple(jobs[-2:]), blobs=True))
    return [replace(await store.look(one), seed=0) for one in wanted]


async def _fetch(store: Store, job: JobId) -> Stored | None:
    return await store.fetch(job)


def _plain(done: Committed | ParcaeError) -> object:
    """As something that can be compared: exceptions are equal to themselves only."""
    if isinstance(done, ParcaeError):
        return (type(done), getattr(done, "reason", None))
    answers = [
        (type(one.answer), str(one.answer)) if isinstance(one.answer, Exception) else one.answer
        for one in done.changes
    ]
    rest = [replace(one, answer=a.Deletion(job_id=one.job_id)) for one in done.changes]
    return (done.position, answers, rest, tuple(done.revisions))
