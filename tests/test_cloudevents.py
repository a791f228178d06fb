"""Envelopes: for every event, the same for ever, small, and telling nothing that is private."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve as replace
from attrs import fields
from hypothesis import given as for_all
from hypothesis import strategies as st

from parcae import events as e
from parcae import groups as g
from parcae import queues as q
from parcae import schedules as d
from parcae.change import AnyEvent
from parcae.cloudevents import MAX_ENVELOPE, SOURCE, TYPES, about, encode, envelope, wanted
from parcae.codec import TAGS
from parcae.evolve import evolve
from parcae.filters import Filter
from parcae.state import Job
from parcae.values import MAX_NAME, Cause, Error, JobId, Lane, StreamId, Version, WorkerId
from parcae_specs import golden, golden_outgoing, golden_streams
from parcae_specs.scenarios import SCENARIOS, play
from parcae_specs.story import at

OURS = (e.Event, q.QueueEvent, g.GroupEvent, d.ScheduleEvent)
OF_STREAMS = (one for one in golden_streams.EVENTS if one not in golden_outgoing.OUTGOING)
EVERY = (*golden.EVENTS, *OF_STREAMS)
STORIES = {name: play(name) for name in SCENARIOS}
JOB = next(edge.after.job for edge in STORIES[next(iter(SCENARIOS))].edges if edge.after)
TOLD = ("job_id", "kind", "queue", "key", "status")


def _job(**more: object) -> Job:
    return replace(JOB, spec=replace(JOB.spec, **more))  # type: ignore[arg-type]


def test_given_every_tag_of_jobs_queues_groups_and_schedules_then_it_has_a_type() -> None:
    ours = {tag for tag, kind in TAGS.items() if issubclass(kind, OURS)}
    assert set(TYPES.values()) == ours
    assert {type(event) for event in EVERY} >= {TAGS[tag] for tag in ours}
    assert all(type_.startswith("parcae.") for type_ in TYPES)


@pytest.mark.parametrize("event", EVERY, ids=map(str, range(len(EVERY))))
def test_given_any_event_when_it_is_told_then_it_is_a_cloudevent(event: AnyEvent) -> None:
    one = envelope(StreamId("group/g"), Version(3), event, JOB)
    assert one is not None
    back = json.loads(encode(one).encode())
    assert back == one
    assert (back["specversion"], back["id"], back["subject"]) == ("1.0", "group/g/3", "group/g")
    assert back["source"] == SOURCE
    assert back["type"] in TYPES
    assert TAGS[TYPES[back["type"]]] is type(event)
    assert datetime.fromisoformat(back["time"]) == event.at
    assert encode(one) == encode(dict(one))


@pytest.mark.parametrize("event", EVERY, ids=map(str, range(len(EVERY))))
def test_given_any_event_when_it_is_told_then_nothing_private_is(event: AnyEvent) -> None:
    text = encode(envelope(StreamId("j"), Version(3), event, JOB) or {})
    private = ("Traceback", "r-1", "r-2", "ab" * 32, "cd" * 32, "ef" * 32, "mro", "seed", "payload")
    assert not [word for word in private if word in text]
    assert "a name such as" not in text, "notes are for those who may read the history"


@pytest.mark.parametrize("name", SCENARIOS)
def test_given_a_history_when_it_is_told_then_each_envelope_says_where_that_leaves_the_job(
    name: str,
) -> None:
    job: Job | None = None
    story = STORIES[name]
    for event in story.history:
        job = evolve(JobId("j"), job, event)
        one = envelope(StreamId("j"), Version(1), event, job)
        assert one is not None
        data = one["data"]
        if job is None:
            assert data == {"job_id": "j", "version": 1}
        else:
            lane = job.spec.lane
            expected = ("j", job.spec.kind, lane.queue, lane.key, job.status)
            assert tuple(data[key] for key in TOLD) == expected
            assert (data["attempts"], data["starts"]) == (job.attempts, job.starts)


def test_given_an_end_when_it_is_told_then_it_says_why_and_who_established_it() -> None:
    event = e.Failed(
        at=at(1),
        cause=Cause.LEASE_LOST,
        reconciled=True,
        error=Error(type="shop.OutOfStock", message="none left", traceback="Traceback"),
    )
    data = (envelope(StreamId("j"), Version(9), event, JOB) or {})["data"]
    assert (data["cause"], data["reconciled"]) == ("lease lost", True)
    assert data["error"] == {
        "type": "shop.OutOfStock",
        "message": "none left",
        "permanent": False,
    }


def test_given_a_bound_that_is_lifted_when_it_is_told_then_that_is_said() -> None:
    for event in (
        q.LimitSet(at=at(1), limit=None),
        q.RateSet(at=at(1), rate=None),
        q.AgingSet(at=at(1), aging=None),
    ):
        data = (envelope(StreamId("queue/a/b"), Version(1), event, None) or {})["data"]
        assert None in data.values()
        assert data["queue"] == "a/b"


def test_given_a_deleted_job_when_somebody_still_knows_it_then_no_more_is_told() -> None:
    event = e.Deleted(at=at(1))
    known, unknown = (envelope(StreamId("j"), Version(9), event, job) for job in (JOB, None))
    assert known == unknown
    assert about(StreamId("j"), event, JOB) == about(StreamId("j"), event, None)


HOSTILE = st.one_of(
    st.sampled_from(["\U0001f4a5", '"', "\\", "\x00", "\x7f", "\n", "\udcff", "\u2028", "é"]).map(
        lambda one: one * 20_000
    ),
    st.text(st.characters(), max_size=50),
)
PRINTABLE = st.sampled_from(["\U0001f4a5", '"', "\\", "é", "x"]).map(lambda one: one * MAX_NAME)


@for_all(event=st.sampled_from(EVERY), text=HOSTILE, name=PRINTABLE)
def test_given_the_worst_of_texts_and_names_when_it_is_told_then_it_is_bounded_and_one_line(
    event: AnyEvent, text: str, name: str
) -> None:
    stream = StreamId(f"schedule/{name}" if isinstance(event, d.ScheduleEvent) else "j" * 36)
    job = _job(kind=name, lane=Lane(name, name))
    told = encode(envelope(stream, Version(10**9), _worst(event, text, name), job) or {})
    assert len(told.encode()) <= MAX_ENVELOPE
    assert not {"\n", "\r"} & set(told)
    assert json.loads(told)["type"] in TYPES


def _worst(event: Any, text: str, name: str) -> AnyEvent:
    more: dict[str, Any] = {}
    for attribute in fields(type(event)):
        value = getattr(event, attribute.name)
        if attribute.name in ("phase", "interrupted", "label", "by", "note", "reason", "worker"):
            more[attribute.name] = text
        elif isinstance(value, e.CancelRequest):
            more[attribute.name] = replace(value, by=text, reason=text)
        elif isinstance(value, Error):
            more[attribute.name] = replace(value, type=name, message=text)
    worst: AnyEvent = replace(event, **more)
    return worst


def test_given_an_instant_far_away_when_it_is_told_then_its_year_has_four_digits() -> None:
    early = datetime(1, 2, 3, tzinfo=UTC) + timedelta(microseconds=7)
    one = envelope(StreamId("j"), Version(1), e.Deleted(at=early), None)
    assert one is not None
    assert one["time"] == "0001-02-03T00:00:00.000007Z"


def test_given_a_claim_when_it_is_told_then_the_key_that_repeats_it_is_not() -> None:
    event = e.Started(
        at=at(1), token=JOB.token, worker=WorkerId("w"), request="s3cret", expires_at=at(9)
    )
    assert "s3cret" not in encode(envelope(StreamId("j"), Version(2), event, JOB) or {})


def test_given_a_filter_when_events_come_then_it_takes_what_it_names_and_of_unknown_nothing() -> (
    None
):
    job = _job(kind="resize", lane=Lane("files", "k"))
    done = about(StreamId("j"), e.Completed(at=at(1)), job)
    gone = about(StreamId("j"), e.Deleted(at=at(1)), job)
    paused = about(StreamId("queue/files"), q.QueuePaused(at=at(1)), None)
    assert done is not None
    assert gone is not None
    assert paused is not None
    assert wanted(Filter(types=("completed",), kinds=("resize",), queues=("files",)), done)
    assert not wanted(Filter(types=("failed",)), done)
    assert wanted(Filter(streams=("j",)), gone)
    assert not wanted(Filter(kinds=("resize",)), gone)
    assert wanted(Filter(queues=("files",)), paused)
    assert not wanted(Filter(kinds=("resize",)), paused)
