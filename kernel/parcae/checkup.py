"""What is stuck in a store, and who is at work in it: each finding with the command that helps."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import timedelta

from attrs import Factory, evolve, frozen

from parcae.admission import offer
from parcae.admit import carry_key
from parcae.change import Change, View
from parcae.events import CompensationClaimed, Started
from parcae.groups import Group
from parcae.phrases import at, count, listed, span
from parcae.ports import Named, Overdue, Query, Store
from parcae.state import Pending, Stored
from parcae.survey import Scope, Survey
from parcae.timing import expired, next_due
from parcae.values import TERMINAL, Instant, JobId, Status, StreamId, WorkerId, minutes, seconds

PAGE = 1_000
SEEN = 10_000
"""So many jobs of a status are looked at, the newest first: a checkup has to end."""

UNSETTLED = seconds(10)
"""For so long something may be overdue before one wonders: a worker looks every second."""

IDLE = minutes(1)
"""For so long jobs may wait before one wonders who serves them."""

LATELY = minutes(15)
"""A worker that took a job of a kind within so long may well take another."""


@frozen(kw_only=True)
class Finding:
    """Something that is wrong, or may be.

    Attributes:
        rule: its short name.
        unhealthy: it will not mend by itself; otherwise somebody may want it so.
        message: what it is.
        command: what helps.
    """

    rule: str
    unhealthy: bool
    message: str
    command: str


@frozen(kw_only=True)
class Crew:
    """A worker that holds leases.

    Attributes:
        worker: its name.
        jobs: how many it holds.
        heard_at: when it was last heard of; ``None``: nobody knows.
        silent: all of its leases have run out.
    """

    worker: WorkerId
    jobs: int
    heard_at: Instant | None
    silent: bool


@frozen(kw_only=True)
class Checkup:
    """What was found.

    Attributes:
        now: when it was looked.
        workers: who holds leases, by name.
        findings: what is wrong, or may be.
    """

    now: Instant
    workers: tuple[Crew, ...] = ()
    findings: tuple[Finding, ...] = Factory(tuple)

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong that does not mend by itself."""
        return not any(one.unhealthy for one in self.findings)


async def checkup(store: Store) -> Checkup:
    """Look for whatever is stuck. Nothing is changed."""
    now = store.clock.now()
    holders = [one async for one in _some(store, Status.RUNNING, Status.COMPENSATING)]
    held = [one for one in holders if one.job.lease is not None]
    survey = await store.survey(Scope(sample=0))
    paused = {name for name, queue in survey.settings.items() if queue.paused}
    findings = (
        *await _overdue(store),
        *await _unserved(store, held, paused, now),
        *await _quarantined(store),
        *_paused(survey),
        *await _orphans(store, now),
        *_ahead(held, now),
    )
    return Checkup(now=now, workers=_crew(held, now), findings=findings)


async def _some(store: Store, *statuses: Status) -> AsyncIterator[Stored]:
    query, seen = Query(statuses=frozenset(statuses), limit=PAGE), 0
    while seen < SEEN:
        page = await store.find(query)
        for stored in page.jobs:
            yield stored
        seen += len(page.jobs)
        if not page.cursor:
            return
        query = evolve(query, cursor=page.cursor)


def _crew(held: Sequence[Stored], now: Instant) -> tuple[Crew, ...]:
    by_worker: dict[WorkerId, list[Stored]] = {}
    for one in held:
        assert one.job.lease is not None
        by_worker.setdefault(one.job.lease.worker, []).append(one)
    return tuple(
        Crew(
            worker=worker,
            jobs=len(mine),
            heard_at=max((one.liveness.renewed_at for one in mine if one.liveness), default=None),
            silent=all(expired(one.liveness, now) for one in mine),
        )
        for worker, mine in sorted(by_worker.items())
    )


async def _overdue(store: Store) -> Sequence[Finding]:
    """What has fallen due and nobody settles: no worker lives, or none gets to it."""
    found: list[tuple[timedelta, JobId]] = []

    def look(view: View) -> Sequence[Change]:
        found.clear()
        for name, one in view.jobs.items():
            due = next_due(one.job, one.liveness, view.queues.get(one.job.spec.lane.queue))
            if due is not None and view.now - due.at > UNSETTLED:
                found.append((view.now - due.at, name))
        return ()

    await store.transact(Overdue(limit=PAGE), look)
    if not found:
        return ()
    late, name = max(found)
    jobs = count(len(found), "job") if len(found) < PAGE else f"{PAGE} jobs or more"
    message = (
        f"{jobs} overdue, {name} for {span(late)}, and nobody settles what has fallen due: "
        "no living worker looks after this database"
    )
    return (Finding(rule="overdue", unhealthy=True, message=message, command="parcae reconcile"),)


async def _unserved(
    store: Store, held: Sequence[Stored], paused: Collection[str], now: Instant
) -> Sequence[Finding]:
    """The kinds of which jobs wait, and none was taken of late."""
    waiting, since = Counter[str](), dict[str, Instant]()
    async for one in _some(store, Status.SCHEDULED, Status.COMPENSATING):
        offered, kind = offer(one.job), one.job.spec.kind
        if offered is None or now - offered.at <= IDLE:
            continue
        if one.job.spec.lane.queue in paused and not offered.undo:
            continue
        waiting[kind] += 1
        since[kind] = min(offered.at, since.get(kind, offered.at))
    served = {one.job.spec.kind for one in held if not expired(one.liveness, now)}
    return tuple(
        [
            Finding(
                rule="unserved",
                unhealthy=True,
                message=f"{count(waiting[kind], 'job')} of kind {kind} could have started, the "
                f"first {span(now - since[kind])} ago, and no worker is known to run that kind",
                command="parcae worker MODULE:JOBS",
            )
            for kind in sorted(waiting.keys() - served)
            if not await _taken_lately(store, kind, now)
        ]
    )


async def _taken_lately(store: Store, kind: str, now: Instant) -> bool:
    page = await store.find(Query(kinds=frozenset({kind}), statuses=frozenset(TERMINAL), limit=3))
    for one in page.jobs:
        for recorded in await store.history(one.job.id):
            taken = isinstance(recorded.event, Started | CompensationClaimed)
            if taken and now - recorded.event.at <= LATELY:
                return True
    return False


async def _quarantined(store: Store) -> Sequence[Finding]:
    """Those at which a person must look, and none has: nobody has taken them up."""
    names = [one.job.id async for one in _some(store, Status.QUARANTINED)]
    taken: set[JobId] = set()

    def look(view: View) -> Sequence[Change]:
        taken.update(name for name in names if carry_key(name) in view.keys)
        return ()

    if names:
        await store.transact(Named(keys=tuple(map(carry_key, names))), look)
    left = [name for name in names if name not in taken]
    if not left:
        return ()
    message = f"{count(len(left), 'job')} quarantined, at which a person must look: {listed(left)}"
    command = f"parcae why {left[0]}"
    return (Finding(rule="quarantined", unhealthy=True, message=message, command=command),)


def _paused(survey: Survey) -> Sequence[Finding]:
    return tuple(
        Finding(
            rule="paused",
            unhealthy=False,
            message=f"queue {name} is paused since {at(queue.paused_at)}, and "
            f"{count(survey.queues[name].waiting, 'job')} could start",
            command=f"parcae queue resume {name}",
        )
        for name, queue in sorted(survey.settings.items())
        if queue.paused_at is not None and survey.queues[name].waiting
    )


async def _orphans(store: Store, now: Instant) -> Sequence[Finding]:
    """Pending jobs whose parent has ended, or is not there: they would wait for ever."""
    known: dict[str, str | None] = {}
    found: list[Finding] = []
    async for one in _some(store, Status.PENDING):
        state = one.job.state
        if len(known) >= PAGE or not isinstance(state, Pending):
            break
        for parent in state.unsettled:
            if parent not in known:
                known[parent] = await _fate(store, parent, now)
            fate = known[parent]
            # Meanwhile its wait may have been settled.
            if fate is not None and await _still_waits(store, one.job.id, parent):
                found.append(_orphan(one.job.id, parent, fate))
                break
    return found


async def _fate(store: Store, parent: str, now: Instant) -> str | None:
    if parent.startswith("group/"):
        group = await store.aggregate(StreamId(parent))
        ended = getattr(group, "status", None) if isinstance(group, Group) else None
        since = getattr(group.state, "at", None) if isinstance(group, Group) else None
        gone = group is None
    else:
        stored = await store.fetch(JobId(parent))
        ended = stored.job.status if stored and stored.job.status.is_terminal else None
        since = getattr(stored.job.state, "at", None) if stored else None
        gone = stored is None
    if gone:
        return "is not there"
    fresh = since is not None and now - since <= UNSETTLED
    return None if ended is None or fresh else f"has ended {ended}"


async def _still_waits(store: Store, job_id: JobId, parent: str) -> bool:
    stored = await store.fetch(job_id)
    return stored is not None and parent in getattr(stored.job.state, "unsettled", ())


def _orphan(job_id: JobId, parent: str, fate: str) -> Finding:
    settles = fate != "is not there"
    return Finding(
        rule="orphan",
        unhealthy=True,
        message=f"job {job_id} waits for {parent}, which {fate}",
        command="parcae reconcile" if settles else f"parcae cancel {job_id}",
    )


def _ahead(held: Sequence[Stored], now: Instant) -> Sequence[Finding]:
    heard = [one.liveness.renewed_at for one in held if one.liveness]
    ahead = max(heard, default=now) - now
    if ahead <= seconds(1):
        return ()
    message = f"a worker was heard of {span(ahead)} in the future: a clock is off, or was set back"
    return (Finding(rule="clock", unhealthy=True, message=message, command="date -u"),)
