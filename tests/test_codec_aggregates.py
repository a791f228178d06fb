"""Stored queues, groups and schedules, their events, and jobs that wait for many (rule 13)."""

from __future__ import annotations

from typing import get_args

import pytest
from attrs import evolve as replace
from hypothesis import given as for_all
from hypothesis import strategies as st

from parcae import codec
from parcae.bitmap import pack, unpack
from parcae.change import Aggregate, AggregateEvent, stream_of
from parcae.errors import Corrupt
from parcae.groups import (
    Ended,
    Group,
    GroupOpened,
    MemberEnded,
    Open,
    Stopping,
    Undoing,
    UndoSurveyed,
)
from parcae.queues import AgingSet, Bounds, LimitSet, Queue, QueuePaused, Rate, RateSet
from parcae.schedules import Missed, Plan, Schedule, ScheduleFired, ScheduleSet
from parcae.spec import Dependency, Membership, Unique, Until
from parcae.state import Pending
from parcae.values import GroupId, JobId, Status, StreamId, Version, seconds
from parcae_specs.story import JOB, at, given, spec, submit

GROUP = Group(id=GroupId("group/g"), version=Version(3), opened_at=at(0), seed=2**90, size=9)
PLAN = Plan(
    cron="0 3 * * *", zone="Europe/Vienna", spec=spec("a"), payload="[1]", missed=Missed.ALL
)
AGGREGATES: tuple[Aggregate, ...] = (
    Queue(name="api"),
    Queue(
        name="api",
        version=Version(9),
        paused_at=at(1),
        resumed_at=at(0.5),
        bounds=Bounds(limit=3),
        each=Bounds(rate=Rate(count=2, per=seconds(60), burst=4)),
        keys={"z": Bounds(limit=1), "": Bounds(), "a": Bounds(limit=2)},
        aging=7,
    ),
    GROUP,
    replace(GROUP, state=Open(), compensate=True, label="night", cancelled=True, trigger=JOB),
    replace(GROUP, state=Stopping(since=at(1), cursor=4), ended={Status.FAILED: 1}),
    replace(
        GROUP, state=Undoing(since=at(1), cursor=4, job_id=JOB), undone={Status.COMPENSATED: 2}
    ),
    replace(
        GROUP,
        state=Ended(status=Status.COMPENSATED, at=at(9)),
        ended={Status.COMPLETED: 5, Status.FAILED: 4},
    ),
    Schedule(name="n", version=Version(1), plan=PLAN, since=at(0)),
    Schedule(
        name="n",
        version=Version(4),
        plan=PLAN,
        since=at(9),
        next_at=at(90),
        last_at=at(3),
        fired=2,
        paused=True,
        removed=True,
    ),
)
EVENTS: tuple[AggregateEvent, ...] = (
    QueuePaused(at=at(0)),
    LimitSet(at=at(0), limit=None),
    LimitSet(at=at(0), limit=3, key="", each=False, by="ops"),
    RateSet(at=at(0), rate=Rate(count=1), each=True),
    AgingSet(at=at(0), aging=None),
    GroupOpened(at=at(0), seed=2**100, size=3),
    MemberEnded(at=at(0), job_id=JOB, outcome=Status.FAILED),
    UndoSurveyed(at=at(0), cursor=0),
    ScheduleSet(at=at(0), plan=PLAN, next_at=None),
    ScheduleFired(at=at(9), ticks=(at(1), at(2)), jobs=(JOB,), next_at=at(60), skipped=1),
)


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_what_has_a_history_beside_jobs_comes_back_as_it_was(aggregate: Aggregate) -> None:
    stored = codec.encode_aggregate(aggregate)
    back = codec.decode_aggregate(stream_of(aggregate), stored)
    assert back == aggregate
    assert codec.encode_aggregate(back) == stored
    if isinstance(aggregate, Group) and isinstance(back, Group):
        assert list(back.ended) == list(aggregate.ended)
        assert all(isinstance(status, Status) for status in (*back.ended, *back.undone))
    if isinstance(aggregate, Queue) and isinstance(back, Queue):
        assert list(back.keys) == list(aggregate.keys)


def test_one_of_another_stream_is_corrupt_and_says_of_which() -> None:
    stored = codec.encode_aggregate(Queue(name="api"))
    for stream, record in ((StreamId("queue/mail"), stored), (StreamId("queue/api"), stored[:-1])):
        with pytest.raises(Corrupt, match=stream):
            codec.decode_aggregate(stream, record)


@pytest.mark.parametrize("event", EVENTS)
def test_their_events_come_back_as_they_were_but_in_no_history_of_a_job(
    event: AggregateEvent,
) -> None:
    stored = codec.encode_event(event)
    assert codec.decode_any(stored) == event
    with pytest.raises(Corrupt, match="in the history of a job"):
        codec.decode_event(stored, job_id=JOB, position=3)


def test_every_event_has_a_tag() -> None:
    assert set(get_args(AggregateEvent)) <= set(codec.TAGS.values())


@pytest.mark.parametrize("count", [0, 1, 32, 33, 40, 1_000])
def test_a_job_that_waits_for_many_is_small_and_comes_back(count: int) -> None:
    waits = tuple(Dependency(parent=JobId(f"parent-{index:05}")) for index in range(count))
    job = given(submit("a", dependencies=waits)).job
    for step in (1, 2, 7):
        left = tuple(one.parent for one in waits[::step])
        state = Pending(unsettled=left) if count else job.state
        waiting = replace(job, state=state)
        stored = codec.encode_job(waiting)
        assert codec.decode_job(job.id, codec.encode_spec(job.spec), stored) == waiting
        assert len(stored) < 1_200, "each settlement writes it anew"


@for_all(st.lists(st.booleans(), min_size=1, max_size=300))
def test_any_choice_of_names_comes_back(bits: list[bool]) -> None:
    names = [str(index) for index in range(len(bits))]
    chosen = [name for name, bit in zip(names, bits, strict=True) if bit]
    assert unpack(names, pack(names, chosen)) == chosen


@pytest.mark.parametrize("packed", ["", "x", "-1", "0x1", "ff", "1_0"])
def test_what_was_never_packed_is_refused(packed: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        unpack(["a", "b"], packed)


def test_what_a_spec_does_not_ask_for_is_left_out() -> None:
    plain = codec.encode_spec(spec("a"))
    assert not any(word in plain for word in (b"group", b"unique", b'"name":""'))
    unique = Unique(until=Until.EXPIRED, period=seconds(60), since=at(3))
    membership = Membership(group_id=GROUP.id, index=4, undoes=True)
    named = (Dependency(parent=JOB, name="total"),)
    full = spec("a", unique=unique, group=membership, dependencies=named)
    assert codec.decode_spec(codec.encode_spec(full)) == full
