"""Old histories decode for ever: the golden files, read, never written, by these tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import NOTHING, fields

from parcae import codec
from parcae.evolve import fold
from parcae.lifecycle import EVENTS as KINDS
from parcae.state import Compensating, Ended, Pending, Running, Scheduled, Stored
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


def test_they_hold_every_tag_and_every_field_both_there_and_left_out() -> None:
    assert {type(event) for event in EVENTS} == set(KINDS)
    for kind in KINDS:
        ours = [event for event in EVENTS if type(event) is kind]
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


def test_no_golden_file_is_missing_or_left_over() -> None:
    assert {path.name for path in V1.iterdir()} == {name for name, _ in files()}
