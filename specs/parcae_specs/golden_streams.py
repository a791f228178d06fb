"""Stored queues, groups and schedules, and jobs that belong to some: part of the golden files.

What makes, writes and reads them is :mod:`parcae_specs.golden` and its test.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta

from attrs import evolve as replace
from attrs import frozen

from parcae import codec
from parcae import groups as g
from parcae import queues as q
from parcae import schedules as d
from parcae.change import Aggregate, AggregateEvent
from parcae.events import Submitted
from parcae.spec import (
    Dependency,
    DependencyPolicy,
    Membership,
    PhaseSpec,
    Retry,
    Spec,
    Timing,
    UndoSpec,
    Unique,
    Until,
)
from parcae.state import Job, Pending
from parcae.streams import fold_stream
from parcae.values import (
    Blob,
    GroupId,
    JobId,
    Lane,
    Status,
    StreamId,
    hours,
    minutes,
    seconds,
)
from parcae_specs.golden_outgoing import HISTORIES, OUTGOING
from parcae_specs.story import at, given, submit

AT, LATER = at(1.000001), at(61)
NAME, MEMBER, UNDO = GroupId("group/g"), JobId("m"), JobId("u")
RATE = q.Rate(count=2, per=seconds(60), burst=4)
PAYLOAD = Blob("payload", 2, "ef" * 32)
BARE_SPEC = Spec(kind="k", phases=(PhaseSpec(name="a"),), payload=PAYLOAD)
PLANNED = replace(
    BARE_SPEC,
    phases=(PhaseSpec(name="pack", undo=UndoSpec(unknown=True)),),
    definition="7",
    lane=Lane("files", "tenant"),
    priority=-5,
    retry=Retry(max_attempts=1),
    timing=Timing(stale_after=hours(24)),
)
BARE_PLAN = d.Plan(cron="0 3 * * *", spec=BARE_SPEC, payload="[]")
PLAN = d.Plan(
    cron="*/15 2-4 * * 1",
    zone="Europe/Vienna",
    spec=PLANNED,
    payload='{"größe":7}',
    missed=d.Missed.ALL,
    at_most=3,
    grace=timedelta(0),
)
OPENED = g.GroupOpened(at=AT, seed=2**100 + 1, size=3, compensate=True, label="night, “größe” 7")
SET = d.ScheduleSet(at=AT, plan=PLAN, next_at=LATER, by="ops")

EVENTS: tuple[AggregateEvent, ...] = (
    q.QueuePaused(at=AT),
    q.QueuePaused(at=AT, by="ops"),
    q.QueueResumed(at=AT),
    q.QueueResumed(at=AT, by="ops"),
    q.LimitSet(at=AT, limit=None),
    q.LimitSet(at=AT, limit=3, key="tenant", by="ops"),
    q.LimitSet(at=AT, limit=3, key=""),
    q.LimitSet(at=AT, limit=3, each=True),
    q.RateSet(at=AT, rate=None),
    q.RateSet(at=AT, rate=q.Rate(count=1), key="tenant", by="ops"),
    q.RateSet(at=AT, rate=RATE, each=True),
    q.AgingSet(at=AT, aging=None),
    q.AgingSet(at=AT, aging=100, by="ops"),
    g.GroupOpened(at=AT, seed=0, size=0),
    OPENED,
    g.MemberEnded(at=AT, job_id=MEMBER, outcome=Status.FAILED),
    g.GroupCancelRequested(at=AT),
    g.GroupCancelRequested(at=AT, by="ops", reason="wrong file"),
    g.GroupStopped(at=AT),
    g.GroupStopped(at=AT, trigger=MEMBER),
    g.MembersCancelled(at=AT, cursor=100),
    g.UndoSurveyed(at=AT, cursor=0),
    g.UndoSubmitted(at=AT, member=2, job_id=UNDO),
    g.MemberUndone(at=AT, job_id=UNDO, outcome=Status.COMPENSATED),
    g.GroupEnded(at=AT, outcome=Status.COMPENSATED),
    d.ScheduleSet(at=AT, plan=BARE_PLAN, next_at=None),
    SET,
    d.ScheduleFired(at=AT, ticks=(), jobs=(), next_at=None),
    d.ScheduleFired(at=AT, ticks=(at(0), AT), jobs=(MEMBER, UNDO), next_at=LATER, skipped=100),
    d.SchedulePaused(at=AT),
    d.SchedulePaused(at=AT, by="ops"),
    d.ScheduleResumed(at=AT, next_at=None),
    d.ScheduleResumed(at=AT, next_at=LATER, by="ops"),
    d.ScheduleRemoved(at=AT),
    d.ScheduleRemoved(at=AT, by="ops"),
    *OUTGOING,
)
"""Each event, bare and with everything it can have."""

ADMISSIONS: tuple[Submitted, ...] = tuple(
    Submitted(at=AT, spec=replace(BARE_SPEC, **more))
    for more in (
        {"group": Membership(group_id=NAME, index=0)},
        {"group": Membership(group_id=NAME, index=4, undoes=True)},
        {"dependencies": (Dependency(parent=MEMBER, policy=DependencyPolicy.FAIL, name="total"),)},
        {"unique": Unique()},
        {"unique": Unique(name="n", until=Until.EXPIRED, period=hours(1))},
        {
            "unique": Unique(
                name="n",
                until=Until.STARTED,
                replace=True,
                delay=seconds(5),
                at_most=minutes(1),
                since=AT,
            )
        },
    )
)
"""What a job may be admitted with that has to do with others."""

MANY = tuple(JobId(f"parent-{index:02}") for index in range(codec.FEW + 8))


@frozen(kw_only=True)
class Kept:
    """One queue, group, schedule or the like: its history, and the row that it leads to."""

    events: Sequence[AggregateEvent]
    row: Aggregate


def kept() -> Mapping[str, Kept]:
    """Histories that the kernel can have written, by the names of their files."""
    return {
        "a-queue": _queue(
            *(
                one
                for one in EVENTS
                if isinstance(one, q.QueueEvent) and getattr(one, "by", "") == "ops"
            ),
            q.LimitSet(at=AT, limit=10),
            q.LimitSet(at=AT, limit=3, each=True),
            q.RateSet(at=AT, rate=RATE),
            q.RateSet(at=AT, rate=RATE, key=""),
        ),
        "a-paused-queue": _queue(q.QueuePaused(at=AT)),
        **_groups(),
        **_schedules(),
        **{name: _kept(*history) for name, history in HISTORIES.items()},
    }


def _groups() -> Mapping[str, Kept]:
    return {
        "a-group-of-none": _group(
            g.GroupOpened(at=AT, seed=0, size=0), g.GroupEnded(at=AT, outcome=Status.COMPLETED)
        ),
        "an-open-group": _group(OPENED, _ended("a", Status.COMPLETED)),
        "a-group-that-stops": _group(
            OPENED,
            g.GroupCancelRequested(at=AT, by="ops", reason="wrong file"),
            g.GroupStopped(at=AT),
            g.MembersCancelled(at=LATER, cursor=2),
        ),
        "a-group-that-undoes": _group(*_undoing()),
        "a-group-that-compensated": _group(
            *_undoing(),
            g.MemberUndone(at=LATER, job_id=UNDO, outcome=Status.COMPENSATED),
            g.UndoSurveyed(at=LATER, cursor=0),
            g.GroupEnded(at=LATER, outcome=Status.COMPENSATED),
        ),
    }


def _schedules() -> Mapping[str, Kept]:
    return {
        "a-schedule": _schedule(
            SET, d.ScheduleFired(at=LATER, ticks=(AT,), jobs=(MEMBER,), next_at=at(99), skipped=1)
        ),
        "a-paused-schedule": _schedule(
            d.ScheduleSet(at=AT, plan=BARE_PLAN, next_at=LATER), d.SchedulePaused(at=AT)
        ),
        "a-removed-schedule": _schedule(
            SET,
            d.SchedulePaused(at=AT),
            d.ScheduleResumed(at=LATER, next_at=at(99)),
            d.ScheduleRemoved(at=LATER, by="ops"),
        ),
    }


def _ended(name: str, outcome: Status) -> g.MemberEnded:
    return g.MemberEnded(at=AT, job_id=JobId(name), outcome=outcome)


def _undoing() -> Iterator[g.GroupEvent]:
    yield g.GroupOpened(at=AT, seed=2**100 + 1, size=3, compensate=True)
    yield _ended("a", Status.COMPLETED)
    yield _ended("b", Status.COMPLETED)
    yield _ended(MEMBER, Status.FAILED)
    yield g.GroupStopped(at=AT, trigger=MEMBER)
    yield g.UndoSurveyed(at=AT, cursor=3)
    yield g.UndoSubmitted(at=AT, member=1, job_id=UNDO)


def _queue(*events: AggregateEvent) -> Kept:
    return _kept(q.queue_stream("files"), events)


def _group(*events: AggregateEvent) -> Kept:
    return _kept(StreamId(NAME), events)


def _schedule(*events: AggregateEvent) -> Kept:
    return _kept(d.schedule_stream("nightly"), events)


def _kept(stream: StreamId, events: Sequence[AggregateEvent]) -> Kept:
    row = fold_stream(stream, events)
    assert row is not None
    return Kept(events=events, row=row)


def waiting() -> Sequence[Job]:
    """Jobs that wait for more than are stored by name: for all of them, and for every third."""
    waits = tuple(Dependency(parent=one) for one in MANY)
    job = given(submit("a", dependencies=waits)).job
    return [replace(job, state=Pending(unsettled=MANY[::step])) for step in (1, 3)]


def files() -> Iterator[tuple[str, bytes]]:
    """Every file's name and content."""
    yield "streams.events.jsonl", lines(map(codec.encode_event, EVENTS))
    yield "submitted-with-others.jsonl", lines(map(codec.encode_event, ADMISSIONS))
    jobs = waiting()
    records = (codec.encode_spec(jobs[0].spec), *map(codec.encode_job, jobs))
    yield "waits-for-many.stored.jsonl", lines(records)
    for name, one in kept().items():
        yield f"{name}.jsonl", lines(map(codec.encode_event, one.events))
        yield f"{name}.stored.jsonl", lines([codec.encode_aggregate(one.row)])


def lines(each: Iterable[bytes]) -> bytes:
    """One record a line."""
    return b"".join(record + b"\n" for record in each)
