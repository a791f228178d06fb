"""Names, instants, ids and bounds: what is refused, what is cut, and that it says so."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from parcae.values import (
    CUT,
    LAST_INSTANT,
    MAX_DURATION,
    MAX_MESSAGE,
    MAX_TRACEBACK,
    TERMINAL,
    Error,
    Lane,
    Status,
    blob,
    cut,
    hours,
    instant,
    job_id,
    minutes,
    mix,
    optional_instant,
    seconds,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
MIXED = 0xC85588022CD8E3BBDEBF2F480EE05492


@for_all(st.text(max_size=60), st.integers(len(CUT), 40))
def test_what_is_cut_is_bounded_and_says_so(text: str, limit: int) -> None:
    short = cut(text, limit)
    assert len(short) <= limit
    assert (short == text) if len(text) <= limit else short.endswith(CUT)
    assert text.startswith(short.removesuffix(CUT))


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="aware datetime"):
        instant(datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point
    with pytest.raises(ValueError, match="naive"):
        optional_instant(datetime(2026, 1, 1))  # noqa: DTZ001
    assert optional_instant(None) is None


@for_all(
    st.datetimes(timezones=st.timezones() | st.just(UTC)), st.integers(-24 * 60 + 1, 24 * 60 - 1)
)
def test_an_instant_comes_out_in_utc_or_is_refused_by_a_value_error(
    value: datetime, offset: int
) -> None:
    for given in (value, value.replace(tzinfo=timezone(timedelta(minutes=offset)))):
        try:
            found = instant(given)
        except ValueError:
            continue
        assert found.tzinfo is UTC
        assert found == given
        assert found < LAST_INSTANT
        assert found + MAX_DURATION + MAX_DURATION < datetime.max.replace(tzinfo=UTC)


def test_the_edges_of_time() -> None:
    east = timezone(timedelta(hours=14))
    for wrong in (LAST_INSTANT, datetime(1, 1, 1, tzinfo=east)):
        with pytest.raises(ValueError, match="years 1 to 8999"):
            instant(wrong)
    assert instant(datetime(1, 1, 1, tzinfo=UTC)).year == 1
    assert instant(LAST_INSTANT - timedelta(microseconds=1)).year == 8999


def test_durations_by_unit() -> None:
    assert (hours(1), minutes(1), seconds(1.5)) == (
        timedelta(hours=1),
        timedelta(minutes=1),
        timedelta(milliseconds=1500),
    )


@for_all(st.integers(0, 2**128), st.timedeltas(timedelta(0), timedelta(days=2_500_000)))
def test_a_job_id_is_a_uuid_of_version_7(seed: int, since: timedelta) -> None:
    when = datetime(1970, 1, 1, tzinfo=UTC) + since
    found = uuid.UUID(job_id(when, seed))
    assert found.version == 7
    assert found.variant == uuid.RFC_4122
    assert found.int >> 80 == since // MILLISECOND


@for_all(st.integers(0, 2**128), st.integers(0, 2**128), st.integers(1, 10**12))
def test_a_later_millisecond_has_a_greater_id(one: int, other: int, later: int) -> None:
    assert job_id(NOW, one) < job_id(NOW + later * MILLISECOND, other)


def test_ids_of_one_millisecond_differ_by_seed_in_74_bits() -> None:
    assert len({job_id(NOW, 1 << bit) for bit in range(74)} | {job_id(NOW, 0)}) == 75
    assert job_id(NOW, 1 << 74) == job_id(NOW, 0)


def test_what_mixes_is_the_same_for_ever() -> None:
    assert mix("jitter", 1, 7) == MIXED
    assert mix("a", "b") != mix("b", "a") != mix("ab")
    assert mix("\udcff") >= 0


def test_a_blob_refers_to_bytes_by_size_and_digest() -> None:
    ref = blob("payload", b"abc")
    assert ref.size == 3
    assert ref.digest == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_an_error_is_bounded() -> None:
    error = Error(
        type="E",
        message="m" * (MAX_MESSAGE + 1),
        traceback="t" * (MAX_TRACEBACK + 1),
        mro=tuple(f"c{i}" for i in range(99)),
    )
    assert (len(error.message), len(error.traceback)) == (MAX_MESSAGE, MAX_TRACEBACK)
    assert error.message.endswith(CUT)
    assert len(error.mro) == 50


@pytest.mark.parametrize("name", ["", "x" * 201, "a\nb", "\x00"])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="printable"):
        Lane(queue=name)
    with pytest.raises(TypeError, match="a string"):
        Lane(queue=3)  # type: ignore[arg-type]


def test_five_statuses_are_terminal() -> None:
    assert {status for status in Status if status.is_terminal} == TERMINAL
    assert len(TERMINAL) == 5
