"""Two operations on one job, on two connections, the second begun while the first is decided.

Both orders of every two things that sensible callers do in a state. The first holds whatever its
store locks until the second has knocked; then the second must be shown what the first has left.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from itertools import product

from attrs import evolve as replace
from attrs import field, frozen

from parcae import commands as c
from parcae import handle as rules
from parcae.admission import due
from parcae.answers import Admitted
from parcae.change import Change, Revision, View
from parcae.errors import ParcaeError
from parcae.events import Submitted
from parcae.ports import Claimable, Committed, Named, Overdue, Selection, Store
from parcae.saga import resume
from parcae.state import Job, Stored
from parcae.timing import next_due
from parcae.values import Instant, JobId, Version, WorkerId
from parcae_specs.contracts.kit import Kit, row
from parcae_specs.contracts.reach import Reached
from parcae_specs.worlds import sensible

KNOCK = 0.001
"""Seconds that the second is given to come to the lock that the first one has."""
TOGETHER = 400
"""Cases in one pair of stores: jobs are left overdue, and a selection of those is bounded."""
HELD = 0.2
"""Seconds after which the first goes on even if nobody could knock."""


@frozen
class Deed:
    """Something that a client does to one job: what it selects, and what it says."""

    job: JobId
    kind: str
    command: c.Command

    @property
    def selection(self) -> Selection:
        """What its transaction loads."""
        if isinstance(self.command, c.Claim):
            return Claimable(
                worker=self.command.worker,
                request=self.command.request,
                kinds=frozenset({self.kind}),
            )
        if isinstance(self.command, c.Reconcile):
            return Overdue(limit=1_000)
        return Named(ids=(self.job,))

    def rule(self, view: View) -> Sequence[Change | Revision]:
        """What it does with what it is shown; other jobs are none of its business."""
        mine = {one: stored for one, stored in view.jobs.items() if one == self.job}
        view = replace(view, jobs=mine)
        if isinstance(self.command, c.Claim):
            kinds = frozenset({self.kind})
            return rules.claim(view, self.command, kinds=kinds, queues=None, limit=1)
        if isinstance(self.command, c.Reconcile):
            return rules.reconcile(view)
        return [rules.handle(view, self.job, self.command)]

    def finds(self, stored: Stored | None, now: Instant) -> bool:
        """Whether its selection names the job in this state."""
        if stored is None:
            return False
        job = stored.job
        if isinstance(self.command, c.Claim):
            return due(job, now) or _held(job, self.command)
        if isinstance(self.command, c.Reconcile):
            first = next_due(job, stored.liveness)
            return first is not None and first.at <= now
        return True


def _held(job: Job, claim: c.Claim) -> bool:
    lease = job.lease
    return lease is not None and (lease.worker, lease.request) == (claim.worker, claim.request)


@frozen(eq=False)
class Told:
    """What a deed was shown, what it made of that, and how it ended."""

    deed: Deed
    views: list[View] = field(factory=list)
    made: list[Change] = field(factory=list)

    def run(self, view: View) -> Sequence[Change]:
        """The rule, watched: it may run more than once, and the last run counts."""
        self.views.append(view)
        self.made.clear()
        result = self.deed.rule(view)
        self.made.extend(one for one in result if isinstance(one, Change))
        return tuple(self.made)

    def after(self, before: Stored | None) -> Stored | None:
        """The job once this was done."""
        for change in self.made:
            if change.job is None:
                return None
            before = Stored(job=change.job, liveness=change.liveness)
        return before


async def run(kit: Kit, states: Sequence[Reached], most: int) -> int:
    """Every two deeds in these states, in both orders, ``most`` in all; how many there were."""
    stores: list[Store] = []
    number = 0
    for state, one, other in _cases(states, most):
        if number % TOGETHER == 0:
            stores = await _reopened(kit, stores, f"two-{number}")
        number += 1
        kit.moved.set(state.now)
        job = JobId(f"job-{number:06}")
        kind = f"kind-{number}"
        stored = await _inject(stores[number % 2], state, job, kind)
        first, second = (Told(Deed(job, kind, command)) for command in (one, other))
        await _overlapping(stores[number % 2], first, stores[1 - number % 2], second)
        after = _shown(second, _shown(first, stored, state.now), state.now)
        for store in stores:
            left = await store.fetch(job)
            assert left == after, f"S26: {one}, then {other}, left {left}, expected {after}"
        if after is not None:
            await row(stores[0], job)
    return number


async def _reopened(kit: Kit, before: Sequence[Store], folder: str) -> list[Store]:
    for store in before:
        await kit.close(store)
    return [await kit.open(folder), await kit.open(folder)]


def _cases(states: Sequence[Reached], most: int) -> Iterator[tuple[Reached, c.Command, c.Command]]:
    """Spread over all states, so that a small number of them still meets every status."""
    cases = [
        (state, one, other) for state in states for one, other in product(_deeds(state), repeat=2)
    ]
    step = max(1, len(cases) // most)
    # A step that shares no factor with the number of deeds does not always pick the same ones.
    while step % 2 == 0 or step % 3 == 0:
        step += 1
    return iter(cases[::step][:most])


def _deeds(state: Reached) -> Sequence[c.Command]:
    claims = (c.Claim(worker=WorkerId("bob"), request="of-bob"),)
    return tuple(dict.fromkeys((*claims, *sensible(state.stored))))


async def _inject(store: Store, state: Reached, job: JobId, kind: str) -> Stored:
    spec = replace(state.stored.job.spec, kind=kind)
    first, *rest = state.history
    assert isinstance(first, Submitted)
    stored = replace(state.stored, job=replace(state.stored.job, id=job, spec=spec))
    change = Change(
        job_id=job,
        before=Version(0),
        events=(replace(first, spec=spec), *rest),
        job=stored.job,
        liveness=stored.liveness,
        effects=resume(stored),
        answer=Admitted(job_id=job),
    )
    await store.transact(Named(), lambda _: [change])
    return stored


async def _overlapping(here: Store, first: Told, there: Store, second: Told) -> None:
    """Begin ``second`` while the rule of ``first`` runs; both come to their end."""
    loop, begun, go = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def held(view: View) -> Sequence[Change]:
        loop.call_soon_threadsafe(begun.set)
        go.wait(HELD)
        return first.run(view)

    one = asyncio.create_task(_told(here, first, held))
    await begun.wait()
    other = asyncio.create_task(_told(there, second, second.run))
    await asyncio.sleep(KNOCK)
    go.set()
    await asyncio.gather(one, other)


async def _told(store: Store, told: Told, rule: object) -> Committed | ParcaeError:
    try:
        return await store.transact(told.deed.selection, rule)  # type: ignore[arg-type]
    except ParcaeError as refusal:
        return refusal


def _shown(told: Told, before: Stored | None, now: Instant) -> Stored | None:
    """The last run was shown exactly what was there before it; what it left."""
    view = told.views[-1]
    expected = before if told.deed.finds(before, now) else None
    found = view.jobs.get(told.deed.job)
    assert found == expected, (
        f"S26: {told.deed.command} was shown {found}, but what was there is {expected}"
    )
    return told.after(before)
