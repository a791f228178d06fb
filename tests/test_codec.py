"""Stored records: stable, exact, and Corrupt with job and position where they are damaged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import Enum
from typing import Any, get_args

import pytest
from attrs import fields, has
from hypothesis import given as for_all
from hypothesis import strategies as st

from parcae import codec
from parcae import events as e
from parcae.change import AggregateEvent
from parcae.errors import Corrupt
from parcae.lifecycle import EVENTS
from parcae.state import Compensating, Ended, Liveness
from parcae.values import JobId, Status, Token
from parcae_specs.scenarios import SCENARIOS, play
from parcae_specs.story import JOB, at, given, submit

STORIES = {name: play(name) for name in SCENARIOS}
RECORDS = sorted({codec.encode_event(event) for s in STORIES.values() for event in s.history})
JOBS = [edge.after for s in STORIES.values() for edge in s.edges if edge.after is not None]


def _types(value: Any) -> Iterator[tuple[str, type]]:
    """Every value within ``value`` with its type, enumerations above all."""
    if has(type(value)):
        for attribute in fields(type(value)):
            for path, kind in _types(getattr(value, attribute.name)):
                yield f"{attribute.name}.{path}", kind
    elif isinstance(value, tuple):
        for index, one in enumerate(value):
            for path, kind in _types(one):
                yield f"{index}.{path}", kind
    else:
        yield "", type(value)


def test_every_event_has_one_tag_and_a_schema() -> None:
    assert set(codec.TAGS.values()) == {*EVENTS, *get_args(AggregateEvent)}
    assert len(set(codec.TAGS.values())) == len(codec.TAGS)
    assert set(codec.SCHEMAS) == set(codec.TAGS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_event_comes_back_as_it_was_down_to_its_types(name: str) -> None:
    for event in STORIES[name].history:
        back = codec.decode_event(codec.encode_event(event))
        assert back == event
        assert list(_types(back)) == list(_types(event))


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_job_comes_back_as_it_was_down_to_its_types(name: str) -> None:
    for edge in STORIES[name].edges:
        if edge.after is None:
            continue
        job, liveness = edge.after.job, edge.after.liveness
        spec, state = codec.encode_spec(job.spec), codec.encode_job(job)
        for known in (spec, codec.decode_spec(spec)):
            back = codec.decode_job(job.id, known, state)
            assert back == job
            assert list(_types(back)) == list(_types(job))
        if liveness is not None:
            assert codec.decode_liveness(codec.encode_liveness(liveness)) == liveness


def test_an_enumeration_comes_back_as_its_member() -> None:
    event = e.DependencySettled(at=at(0), parent=JobId("p"), outcome=Status.FAILED, met=False)
    back = codec.decode_event(codec.encode_event(event))
    assert isinstance(back, e.DependencySettled)
    assert isinstance(back.outcome, Enum)
    assert back.outcome.is_terminal


def test_text_that_is_not_utf_8_survives() -> None:
    event = e.Annotated(at=at(0), by="ops", note="a name such as \udcff.txt")
    assert codec.decode_event(codec.encode_event(event)) == event


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (b"", "JSONDecodeError"),
        (b"\xff\xfe", "UnicodeDecodeError"),
        (b"[]", "expected an object"),
        (b"{}", "unknown type None"),
        (b'{"type":"sung","schema":1}', "unknown type 'sung'"),
        (b'{"type":["x"],"schema":1}', "unknown type"),
        (b'{"type":"deleted","schema":2,"at":"2026-01-01T00:00:00Z"}', "unknown schema 2"),
        (b'{"type":"deleted","at":"2026-01-01T00:00:00Z"}', "unknown schema None"),
        (b'{"type":"deleted","schema":1}', "KeyError"),
        (b'{"type":"deleted","schema":1,"at":"2026-01-01T00:00:00"}', "time zone"),
        (b'{"type":"deleted","schema":1,"at":5}', "TypeError"),
        (b'{"type":"deleted","schema":1,"at":"2026-01-01T00:00:00Z","by":"x"}', "by"),
        (b"[" * 100_000, "RecursionError"),
    ],
)
def test_a_damaged_record_is_corrupt_and_says_where(record: bytes, says: str) -> None:
    with pytest.raises(Corrupt, match=says) as caught:
        codec.decode_event(record, job_id=JOB, position=17)
    assert caught.value.job_id == JOB
    assert caught.value.position == 17
    assert "position 17" in str(caught.value)
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("record", ["text", None, 5])
def test_a_record_of_another_type_is_corrupt(record: Any) -> None:
    with pytest.raises(Corrupt):
        codec.decode_event(record)
    with pytest.raises(Corrupt):
        codec.decode_spec(record, job_id=JOB)
    with pytest.raises(Corrupt):
        codec.decode_job(JOB, record, record)
    with pytest.raises(Corrupt):
        codec.decode_liveness(record, job_id=JOB)


def _decode_all(record: bytes) -> None:
    """Whatever comes of it, nothing but Corrupt is raised, and it names the job."""
    whole = JOBS[0].job
    spec = codec.encode_spec(whole.spec)
    attempts = (
        lambda: codec.decode_event(record, job_id=JOB, position=1),
        lambda: codec.decode_spec(record, job_id=JOB),
        lambda: codec.decode_job(JOB, record, codec.encode_job(whole)),
        lambda: codec.decode_job(JOB, spec, record),
        lambda: codec.decode_liveness(record, job_id=JOB),
    )
    for attempt in attempts:
        try:
            attempt()
        except Corrupt as corrupt:
            assert corrupt.job_id == JOB  # noqa: PT017 - it may as well decode


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@for_all(st.binary(max_size=200))
def test_any_bytes_decode_or_are_corrupt(record: bytes) -> None:
    _decode_all(record)


@for_all(PLAIN)
def test_any_json_decodes_or_is_corrupt(value: Any) -> None:
    _decode_all(json.dumps(value).encode())


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from _paths(inner, (*path, key))


@for_all(st.data())
def test_a_record_with_one_part_replaced_or_gone_decodes_or_is_corrupt(data: st.DataObject) -> None:
    jobs = [codec.encode_job(stored.job) for stored in JOBS]
    jobs += [codec.encode_spec(stored.job.spec) for stored in JOBS]
    record = json.loads(data.draw(st.sampled_from(RECORDS + jobs)))
    *path, key = data.draw(st.sampled_from([path for path in _paths(record) if path]))
    parent = record
    for step in path:
        parent = parent[step]
    if data.draw(st.booleans()):
        del parent[key]
    else:
        parent[key] = data.draw(PLAIN)
    _decode_all(json.dumps(record).encode())


@for_all(st.sampled_from(RECORDS), st.integers(0, 10_000), st.integers(0, 255))
def test_a_record_with_a_damaged_byte_decodes_or_is_corrupt(
    record: bytes, position: int, byte: int
) -> None:
    place = position % len(record)
    _decode_all(record[:place] + bytes([byte]) + record[place + 1 :])


def _state(name: str, kind: type) -> tuple[bytes, dict[str, Any]]:
    stored = next(
        edge.after
        for edge in STORIES[name].edges
        if edge.after is not None and isinstance(edge.after.job.state, kind)
    )
    return codec.encode_spec(stored.job.spec), json.loads(codec.encode_job(stored.job))


@pytest.mark.parametrize(
    "breaks",
    [
        lambda record: record["phases"].pop(),
        lambda record: record["state"].update(undos=[]),
        lambda record: record["state"]["undos"][0].update(phase="c"),
        lambda record: [undo.update(status="done") for undo in record["state"]["undos"]],
        lambda record: record.update(schema=2),
        lambda record: record["state"].update({"is": "asleep"}),
    ],
    ids=["phase", "no undo", "undo of none", "nothing left", "schema", "state"],
)
def test_a_job_whose_parts_do_not_fit_together_is_corrupt(breaks: Any) -> None:
    spec, record = _state("undoes what it did", Compensating)
    breaks(record)
    with pytest.raises(Corrupt) as caught:
        codec.decode_job(JOB, spec, json.dumps(record).encode())
    assert caught.value.job_id == JOB


def test_a_job_that_ended_in_no_terminal_status_is_corrupt() -> None:
    spec, record = _state("completes", Ended)
    record["state"]["status"] = "running"
    with pytest.raises(Corrupt, match="ended, but running"):
        codec.decode_job(JOB, spec, json.dumps(record).encode())


def test_a_damaged_spec_names_its_job() -> None:
    state = codec.encode_job(given(submit("a")).job)
    with pytest.raises(Corrupt, match=JOB):
        codec.decode_job(JOB, b"{", state)


def test_an_old_schema_is_cast_up(monkeypatch: pytest.MonkeyPatch) -> None:
    # As if "noted" had once been called "text", and its author "who", in two steps.
    def first(record: dict[str, Any]) -> dict[str, Any]:
        text = record.pop("text")
        return {**record, "schema": 2, "note": text}

    def second(record: dict[str, Any]) -> dict[str, Any]:
        author = record.pop("who")
        return {**record, "schema": 3, "by": author}

    upcasters = {("annotated", 1): first, ("annotated", 2): second}
    monkeypatch.setattr(codec, "UPCASTERS", upcasters)
    monkeypatch.setattr(codec, "SCHEMAS", {**codec.SCHEMAS, "annotated": 3})
    note = e.Annotated(at=at(0), by="ops", note="seen")
    old = {"type": "annotated", "schema": 1, "at": "2026-01-01T00:00:00Z"}
    assert codec.decode_event(json.dumps({**old, "who": "ops", "text": "seen"}).encode()) == note
    assert b'"schema":3' in codec.encode_event(note)
    assert codec.decode_event(codec.encode_event(note)) == note
    with pytest.raises(Corrupt, match="KeyError"):
        codec.decode_event(json.dumps(old).encode())
    with pytest.raises(Corrupt, match="unknown schema 4"):
        codec.decode_event(json.dumps({**old, "schema": 4}).encode())


def test_a_liveness_has_a_schema_too() -> None:
    liveness = Liveness(token=Token(1), expires_at=at(30), renewed_at=at(0))
    record = codec.encode_liveness(liveness)
    assert json.loads(record)["schema"] == 1
    with pytest.raises(Corrupt, match="unknown schema 2"):
        codec.decode_liveness(record.replace(b'"schema":1', b'"schema":2'))
