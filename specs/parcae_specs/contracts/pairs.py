"""Every reachable (state, command) pair, put to a real store and compared with the kernel.

A state is injected by a rule that hands over the job with its true history, through the port like
everything else. A command that changes something gets a copy of the job to itself, so that no pair
sees another; those that change nothing share one, which must stay as it was.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from itertools import groupby, islice
from shutil import rmtree

from attrs import evolve as replace
from attrs import field, frozen

from parcae import commands as c
from parcae import handle as rules
from parcae.admission import offer
from parcae.answers import Admitted
from parcae.change import Change, View
from parcae.errors import Rejected, Superseded
from parcae.ports import Claimable, Named, Overdue, Query, Store
from parcae.saga import resume
from parcae.state import Stored
from parcae.timing import next_due
from parcae.values import Instant, JobId, Place, Position, Version, WorkerId
from parcae_specs.contracts.kit import Kit, whole_log
from parcae_specs.contracts.reach import Reached
from parcae_specs.subject import Capability
from parcae_specs.worlds import everything

BATCH = 4_000
"""Pairs in one store, which is then thrown away."""
LOOKER = WorkerId("looker")


class Disagrees(AssertionError):
    """The store did something else than the kernel said."""


@frozen(kw_only=True)
class Counted:
    """What was run.

    Attributes:
        states: how many states.
        pairs: how many pairs of a state and a command.
        changed: in how many of them the job changed.
        answers: how often each command was answered how.
    """

    states: int = 0
    pairs: int = 0
    changed: int = 0
    answers: Counter[tuple[str, str]] = field(factory=Counter)

    def plus(self, other: Counted) -> Counted:
        """Both together."""
        return Counted(
            states=self.states + other.states,
            pairs=self.pairs + other.pairs,
            changed=self.changed + other.changed,
            answers=self.answers + other.answers,
        )


@frozen(eq=False)
class Pair:
    """One command, put to one job."""

    job_id: JobId
    stored: Stored
    history: Sequence[object]
    command: c.Command
    answer: str
    changes: bool


async def run(kit: Kit, states: Iterable[Reached], pairs: int | None = None) -> Counted:
    """Put every command to every state, or so many pairs; the first disagreement raises."""
    counted, number = Counted(), 0
    by_instant = sorted(states, key=lambda one: one.now)
    for _, together in groupby(by_instant, key=lambda one: one.now):
        for batch in _batches(together):
            if pairs is not None and counted.pairs >= pairs:
                return counted
            number += 1
            counted = counted.plus(await _Batch(kit, batch).run(f"pairs-{number}"))
    return counted


def _batches(states: Iterator[Reached]) -> Iterator[list[Reached]]:
    batch: list[Reached] = []
    size = 0
    for state in states:
        batch.append(state)
        size += sum(1 for _ in everything(state.stored))
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class _Batch:
    """Some states of one instant, in a store of their own."""

    def __init__(self, kit: Kit, states: Sequence[Reached]) -> None:
        self.kit = kit
        self.states = states
        self.now = states[0].now
        self.rows: dict[JobId, Stored] = {}
        self.events: dict[JobId, list[object]] = {}
        self.injections: list[Change] = []
        self.pairs = [pair for state in states for pair in self._pairs(state)]

    async def run(self, folder: str) -> Counted:
        """Inject, apply, compare, throw away."""
        self.kit.moved.set(self.now)
        keeper = await self.kit.open(folder)
        shared = Capability.SHARED in self.kit.subject.capabilities
        # A second store has to read what the first one wrote: nothing is taken on trust.
        applier = await self.kit.open(folder) if shared else keeper
        head = (await keeper.transact(Named(), lambda _: self.injections)).position
        for some in _portions(self.pairs):
            await asyncio.gather(*(self._apply(applier, pair) for pair in some))
        await self._compare(keeper, head)
        for store in {id(one): one for one in (applier, keeper)}.values():
            self.kit.drop(store)
            await store.close()
        rmtree(self.kit.folder / folder)
        return Counted(
            states=len(self.states),
            pairs=len(self.pairs),
            changed=sum(pair.changes for pair in self.pairs),
            answers=Counter((type(one.command).__name__, one.answer) for one in self.pairs),
        )

    def _pairs(self, state: Reached) -> Iterator[Pair]:
        shared = self._inject(state)
        for command in everything(state.stored):
            answer, changes = _said(state, command)
            job_id = self._inject(state) if changes else shared
            stored = self.rows[job_id]
            yield Pair(job_id, stored, state.history, command, answer, changes)

    def _inject(self, state: Reached) -> JobId:
        job_id = JobId(f"job-{len(self.rows):06}")
        stored = replace(state.stored, job=replace(state.stored.job, id=job_id))
        self.rows[job_id] = stored
        self.injections.append(
            Change(
                job_id=job_id,
                before=Version(0),
                events=state.history,
                job=stored.job,
                liveness=stored.liveness,
                effects=resume(stored),
                answer=Admitted(job_id=job_id),
            )
        )
        return job_id

    async def _apply(self, store: Store, pair: Pair) -> None:
        made: list[Change] = []

        def rule(view: View) -> Sequence[Change]:
            _require(view.now == self.now, "now", view.now, self.now, pair)
            _require(dict(view.jobs) == {pair.job_id: pair.stored}, "shown", view.jobs, "", pair)
            _require(view.place > pair.stored.job.place, "place", view.place, "free", pair)
            made[:] = [rules.handle(view, pair.job_id, pair.command)]
            return made

        try:
            done = await store.transact(Named(ids=(pair.job_id,)), rule)
        except (Rejected, Superseded) as refusal:
            _require(str(refusal.reason) == pair.answer, "refusal", refusal, pair.answer, pair)
            return
        (change,) = made
        _require(list(done.changes) == made, "changes", done.changes, made, pair)
        _require(change.idle is not pair.changes, "idle", change.idle, pair.answer, pair)
        if pair.changes:
            self._expect(change)

    def _expect(self, change: Change) -> None:
        if change.job is None:
            del self.rows[change.job_id]
        else:
            self.rows[change.job_id] = Stored(job=change.job, liveness=change.liveness)
        if change.events:
            first = change.before + 1
            numbered = [(first + index, one) for index, one in enumerate(change.events)]
            self.events[change.job_id] = list(numbered)

    async def _compare(self, store: Store, head: Position) -> None:
        found = {job.job.id: job async for job in _listed(store)}
        for job_id, expected in self.rows.items():
            if found.get(job_id) != expected:
                raise Disagrees(f"S5: {job_id} is {found.get(job_id)}, the kernel says {expected}")
        _same("jobs", set(found), set(self.rows))
        happened: dict[JobId, list[object]] = {}
        for one in await whole_log(store, 10_000):
            if one.position > head:
                happened.setdefault(JobId(one.stream), []).append((one.version, one.event))
        _same("events", happened, self.events)
        await self._compare_indexes(store)

    async def _compare_indexes(self, store: Store) -> None:
        """S7, L3: what is offered, due and counted, by the rows that the kernel says there are."""
        offers = {
            job_id: found
            for job_id, one in self.rows.items()
            if (found := offer(one.job)) is not None
            and found.at <= self.now
            and (found.until is None or found.until > self.now)
        }
        kinds = frozenset(one.job.spec.kind for one in self.rows.values())
        wanted = Claimable(worker=LOOKER, request="look", kinds=kinds, limit=1_000)
        shown = list((await _shown(store, wanted)).jobs)
        line = [(not one.undo, -one.priority, one.place) for one in offers.values()]
        ours = [
            (not offers[one].undo, -offers[one].priority, offers[one].place)
            for one in shown
            if one in offers
        ]
        _same("the line", ours, sorted(line)[: wanted.limit])
        dues = {
            job_id: due.at
            for job_id, one in self.rows.items()
            if (due := next_due(one.job, one.liveness)) is not None
        }
        overdue = list((await _shown(store, Overdue(limit=1_000))).jobs)
        late = sorted(at for at in dues.values() if at <= self.now)
        _same("what is overdue", [dues.get(one) for one in overdue], late[:1_000])
        counts = Counter(one.job.status for one in self.rows.values())
        _same("counts", dict(await store.count(Query())), dict(counts))
        instants = [*dues.values(), *_offered(self.rows.values())]
        _same("next due", await store.next_due(), min(instants, default=None))


def _said(state: Reached, command: c.Command) -> tuple[str, bool]:
    """What the kernel says, and whether anything changes."""
    job_id = state.stored.job.id
    place = Place(state.stored.job.place + 1)
    view = View(now=state.now, place=place, seed=0, jobs={job_id: state.stored})
    try:
        change = rules.handle(view, job_id, command)
    except (Rejected, Superseded) as refusal:
        return str(refusal.reason), False
    return type(change.answer).__name__, not change.idle


def _offered(rows: Iterable[Stored]) -> Iterator[Instant]:
    return (found.at for one in rows if (found := offer(one.job)) is not None)


def _portions(pairs: Sequence[Pair]) -> Iterator[Sequence[Pair]]:
    left = iter(pairs)
    while some := list(islice(left, 500)):
        yield some


async def _listed(store: Store) -> AsyncIterator[Stored]:
    cursor = ""
    while True:
        page = await store.find(Query(limit=1_000, cursor=cursor))
        for one in page.jobs:
            yield one
        cursor = page.cursor
        if not cursor:
            return


async def _shown(store: Store, selection: Claimable | Overdue) -> View:
    views: list[View] = []

    def look(view: View) -> Sequence[Change]:
        views.append(view)
        return ()

    await store.transact(selection, look)
    return views[-1]


def _require(holds: bool, what: str, ours: object, theirs: object, pair: Pair) -> None:
    if not holds:
        raise Disagrees(
            f"{what}: {ours}, expected {theirs}; at {pair.command} to {pair.stored.job}"
        )


def _same(what: str, ours: object, theirs: object) -> None:
    if ours != theirs:
        raise Disagrees(f"{what}: the store says {ours}, the kernel {theirs}")
