"""What is stuck in a store, and who is at work in it: each finding with the command that helps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import timedelta

from attrs import Factory, frozen

from parcae.admission import offer
from parcae.admit import carry_key
from parcae.groups import Group
from parcae.phrases import at, count, listed, span
from parcae.ports import Named, Overdue, Store
from parcae.roster import HELD, PAGE, Crew, crew, some
from parcae.state import Pending, Stored
from parcae.survey import Scope, Survey
from parcae.timing import expired, next_due
from parcae.undelivered import undelivered
from parcae.values import Instant, JobId, Status, StreamId, minutes, seconds
from parcae.workers import SKEW, Attendance, Presence, present, takers

UNSETTLED = seconds(10)
"""For so long something may be overdue before one wonders: a worker looks every second."""

IDLE = minutes(1)
"""For so long jobs may wait before one wonders who serves them."""


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
class Checkup:
    """What was found.

    Attributes:
        now: when it was looked.
        workers: who is at work, or was to be, by name.
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
    held = [one async for one in some(store, *HELD) if one.job.lease is not None]
    register = await store.workers()
    found = crew(register, held, now)
    survey = await store.survey(Scope(sample=0))
    paused = {name for name, queue in survey.settings.items() if queue.paused}
    findings = (
        *await _overdue(store),
        *await _unserved(store, held, register, paused, now),
        *_unwell(found, now),
        *await _quarantined(store),
        *_paused(survey),
        *await _orphans(store, now),
        *_ahead(found, now),
        *await _undelivered(store),
    )
    return Checkup(now=now, workers=found, findings=findings)


async def _overdue(store: Store) -> Sequence[Finding]:
    """What has fallen due and nobody settles: no worker lives, or none gets to it."""
    found: list[tuple[timedelta, JobId]] = []
    view = await store.look(Overdue(limit=PAGE))
    for name, one in view.jobs.items():
        due = next_due(one.job, one.liveness, view.queues.get(one.job.spec.lane.queue))
        if due is not None and view.now - due.at > UNSETTLED:
            found.append((view.now - due.at, name))
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
    store: Store,
    held: Sequence[Stored],
    register: Sequence[Presence],
    paused: Collection[str],
    now: Instant,
) -> Sequence[Finding]:
    """The kinds of which jobs wait, and nobody is there who would take them."""
    waiting, since = Counter[tuple[str, str]](), dict[tuple[str, str], Instant]()
    async for one in some(store, Status.SCHEDULED, Status.COMPENSATING):
        offered, spec = offer(one.job), one.job.spec
        # What a queue of the host's own starts waits for that queue, not for a worker of ours.
        if offered is None or now - offered.at <= IDLE or spec.external:
            continue
        if spec.lane.queue in paused and not offered.undo:
            continue
        what = spec.kind, spec.lane.queue
        waiting[what] += 1
        since[what] = min(offered.at, since.get(what, offered.at))
    leases = {one.job.spec.kind for one in held if not expired(one.liveness, now)}
    return tuple(
        Finding(
            rule="unserved",
            unhealthy=True,
            message=f"{count(waiting[what], 'job')} of kind {kind} in queue {queue} could have "
            f"started, the first {span(now - since[what])} ago, and no worker is known to be there "
            f"that would take them{_instead(register, now)}",
            command="parcae worker MODULE:JOBS",
        )
        for what in sorted(waiting)
        for kind, queue in (what,)
        if kind not in leases and takers(register, kind, queue, now) == frozenset()
    )


def _instead(register: Sequence[Presence], now: Instant) -> str:
    """Who is there instead."""
    there = present(register, now)
    kinds = sorted({kind for one in there for kind in one.kinds})
    runs = listed(kinds) or "nothing"
    return f": {count(len(there), 'worker')} can run {runs}" if there else ""


def _unwell(found: Sequence[Crew], now: Instant) -> Sequence[Finding]:
    """Workers with handlers that do not stop, and those that went without a farewell."""
    stuck = [one for one in found if one.presence is not None and one.presence.abandoned]
    unwell = [
        Finding(
            rule="abandoned",
            unhealthy=one.attendance is Attendance.STUCK,
            message=f"{one.presence.abandoned} of the {one.presence.capacity} places of worker "
            f"{one.worker} are kept by handlers that go on although their lease is gone"
            + ": it takes no more jobs"
            * one.presence.stuck,
            command=f"kill -TERM {one.presence.pid}, and start the worker anew",
        )
        for one in stuck
        if one.presence is not None and one.attendance is not Attendance.SILENT
    ]
    gone = [one for one in found if one.attendance is Attendance.SILENT]
    if gone:
        last = max(one.heard_at for one in gone if one.heard_at is not None)
        message = (
            f"{count(len(gone), 'worker')} gone without a farewell, the last heard of "
            f"{span(now - last)} ago: {listed(one.worker for one in gone)}"
        )
        unwell.append(
            Finding(rule="silent", unhealthy=False, message=message, command="parcae workers")
        )
    return tuple(unwell)


async def _quarantined(store: Store) -> Sequence[Finding]:
    """Those at which a person must look, and none has: nobody has taken them up."""
    names = [one.job.id async for one in some(store, Status.QUARANTINED)]
    view = await store.look(Named(keys=tuple(map(carry_key, names))))
    taken = {name for name in names if carry_key(name) in view.keys}
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
    async for one in some(store, Status.PENDING):
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


async def _undelivered(store: Store) -> Sequence[Finding]:
    return tuple(
        Finding(rule=one.rule, unhealthy=one.unhealthy, message=one.message, command=one.command)
        for one in await undelivered(store)
    )


def _ahead(found: Sequence[Crew], now: Instant) -> Sequence[Finding]:
    ahead = max((one.ahead(now) for one in found), default=timedelta(0))
    if ahead <= SKEW:
        return ()
    message = f"a worker was heard of {span(ahead)} in the future: a clock is off, or was set back"
    return (Finding(rule="clock", unhealthy=True, message=message, command="date -u"),)
