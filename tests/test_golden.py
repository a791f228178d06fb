"""Old histories decode for ever: the golden files, read, never written, by these tests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pytest
from attrs import NOTHING, Factory, fields

from parcae import codec
from parcae.change import Aggregate, AggregateEvent, AnyEvent, stream_of
from parcae.evolve import fold
from parcae.groups import Group
from parcae.groups.state import GroupState
from parcae.lifecycle import EVENTS as KINDS
from parcae.state import Compensating, Ended, Pending, Running, Scheduled, Stored
from parcae_specs import golden_streams
from parcae_specs.golden import EVENTS, files, last_stored, slug
from parcae_specs.scenarios import SCENARIOS, play
from parcae_specs.story import JOB

V1 = Path(__file__).parent.parent / "specs" / "golden" / "v1"


def lines(name: str) -> list[bytes]:
    """The records of a golden file."""
    return (V1 / name).read_bytes().splitlines()


def test_every_event_decodes_to_what_it_meant_and_back_to_the_byte() -> None:
    stored = lines("events.jsonl")
    assert [codec.decode_event(line) for line in stored] == list(EVENTS)
    assert [codec.encode_event(event) for event in EVENTS] == stored


def test_events_of_streams_decode_to_what_they_meant_and_back_to_the_byte() -> None:
    for name, expected in (
        ("streams.events.jsonl", golden_streams.EVENTS),
        ("submitted-with-others.jsonl", golden_streams.ADMISSIONS),
    ):
        stored = lines(name)
        assert [codec.decode_any(line) for line in stored] == list(expected)
        assert [codec.encode_event(event) for event in expected] == stored


def test_every_tag_has_a_golden_record() -> None:
    golden = [path for path in V1.iterdir() if not path.name.endswith(".stored.jsonl")]
    records = [json.loads(line) for path in golden for line in lines(path.name)]
    assert {(one["type"], one["schema"]) for one in records} >= set(codec.SCHEMAS.items())
    assert {one["type"] for one in records} == set(codec.TAGS)


@pytest.mark.parametrize(
    ("events", "kinds"),
    [(EVENTS, KINDS), (golden_streams.EVENTS, get_args(AggregateEvent))],
    ids=["jobs", "streams"],
)
def test_they_hold_every_event_and_every_field_both_there_and_left_out(
    events: Sequence[AnyEvent], kinds: Sequence[type[AnyEvent]]
) -> None:
    assert {type(event) for event in events} == set(kinds)
    for kind in kinds:
        ours = [event for event in events if type(event) is kind]
        for one in fields(kind):
            if one.default is NOTHING or one.name == "at":
                continue
            values = [getattr(event, one.name) for event in ours]
            assert one.default in values, f"{kind.__name__}.{one.name} is never left out"
            assert any(value != one.default for value in values), f"{kind.__name__}.{one.name}"


@pytest.mark.parametrize("name", SCENARIOS)
def test_s26_a_golden_history_folds_to_the_golden_job(name: str) -> None:
    story = play(name)
    stored = lines(f"{slug(name)}.jsonl")
    events = [codec.decode_event(line, job_id=JOB) for line in stored]
    assert [codec.encode_event(event) for event in events] == stored
    spec, state, *liveness = lines(f"{slug(name)}.stored.jsonl")
    kept = Stored(
        job=codec.decode_job(JOB, spec, state),
        liveness=codec.decode_liveness(liveness[0]) if liveness else None,
    )
    gone = story.stored is None
    assert fold(JOB, events[: len(events) - gone]) == kept.job
    assert codec.encode_spec(kept.job.spec) == spec
    assert codec.encode_job(kept.job) == state
    assert [codec.encode_liveness(one) for one in (kept.liveness,) if one] == liveness
    # As long as the kernel decides as it did when they were written:
    assert events == story.history
    assert kept == last_stored(story)


def test_the_golden_jobs_are_of_every_shape() -> None:
    shapes = {type(last_stored(play(name)).job.state) for name in SCENARIOS}
    assert shapes == {Pending, Scheduled, Running, Compensating, Ended}
    assert len(lines("is-held-by-a-worker-that-undoes.stored.jsonl")) == 3


@pytest.mark.parametrize("name", golden_streams.kept())
def test_s26_a_golden_history_of_a_stream_folds_to_the_golden_row(name: str) -> None:
    expected = golden_streams.kept()[name]
    stream = stream_of(expected.row)
    stored = lines(f"{name}.jsonl")
    events = [codec.decode_any(line, stream=stream) for line in stored]
    assert events == list(expected.events)
    assert [codec.encode_event(event) for event in events] == stored
    (record,) = lines(f"{name}.stored.jsonl")
    row = codec.decode_aggregate(stream, record)
    assert row == expected.row
    assert codec.encode_aggregate(row) == record
    assert row.version == len(events)


def test_the_golden_rows_have_every_field_both_there_and_left_out() -> None:
    rows = [one.row for one in golden_streams.kept().values()]
    groups = [row for row in rows if isinstance(row, Group)]
    assert {type(row.state) for row in groups} == set(get_args(GroupState))
    for kind in get_args(Aggregate):
        ours = [row for row in rows if type(row) is kind]
        for one in fields(kind):
            values = [getattr(row, one.name) for row in ours]
            if one.default is not NOTHING:
                bare = one.default.factory() if isinstance(one.default, Factory) else one.default  # type: ignore[arg-type]
                assert any(value != bare for value in values), f"{kind.__name__}.{one.name}"
                assert bare in values or one.name == "version", f"{kind.__name__}.{one.name}"


def test_a_golden_job_that_waits_for_many_comes_back_with_those_that_are_unsettled() -> None:
    spec, *states = lines("waits-for-many.stored.jsonl")
    jobs = golden_streams.waiting()
    assert [codec.decode_job(JOB, spec, state) for state in states] == list(jobs)
    assert [codec.encode_job(job) for job in jobs] == states


def test_no_golden_file_is_missing_or_left_over() -> None:
    assert {path.name for path in V1.iterdir()} == {name for name, _ in files()}
