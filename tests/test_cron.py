"""The calendar: which instants a cron expression means, on days on which the clocks change too.

The oracle knows nothing of cronsim: it looks at every minute of a few days.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from parcae.schedules import Calendar
from parcae.values import Instant
from parcae_adapters.cron import CronCalendar

CALENDAR: Calendar = CronCalendar()
MINUTE = timedelta(minutes=1)


def utc(text: str) -> Instant:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def ticks(cron: str, zone: str, start: str, count: int) -> list[str]:
    """The first ticks past ``start``, as the clocks on the wall show them, with their offset."""
    found, at = [], utc(start)
    for _ in range(count):
        tick = CALENDAR.after(cron, zone, at)
        assert tick is not None
        assert tick.tzinfo is UTC
        assert CALENDAR.upto(cron, zone, tick) == tick
        found.append(tick.astimezone(ZoneInfo(zone)).strftime("%m-%d %H:%M%z"))
        at = tick
    return found


SPRING = {
    # Berlin: 02:00 → 03:00; New York: 02:00 → 03:00; Lord Howe: 02:00 → 02:30.
    ("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00"): [
        "03-28 02:30+0100",
        "03-29 03:00+0200",
        "03-30 02:30+0200",
    ],
    ("0,30 2 * * *", "America/New_York", "2026-03-08T05:00"): [
        "03-08 03:00-0400",
        "03-09 02:00-0400",
    ],
    ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00"): [
        "10-04 02:30+1100",
        "10-05 02:15+1100",
    ],
    ("*/30 2 * * *", "Europe/Berlin", "2026-03-28T12:00"): [
        "03-30 02:00+0200",
        "03-30 02:30+0200",
    ],
    ("30 * * * *", "America/New_York", "2026-03-08T06:00"): [
        "03-08 01:30-0500",
        "03-08 03:30-0400",
    ],
    ("*/15 * * * *", "Australia/Lord_Howe", "2026-10-03T15:14"): [
        "10-04 01:45+1030",
        "10-04 02:30+1100",
        "10-04 02:45+1100",
    ],
}

AUTUMN = {
    # Berlin: 03:00 → 02:00; New York: 02:00 → 01:00; Lord Howe: 02:00 → 01:30.
    ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00"): [
        "10-25 02:30+0200",
        "10-26 02:30+0100",
    ],
    ("45 1 * * *", "America/New_York", "2026-11-01T04:00"): [
        "11-01 01:45-0400",
        "11-02 01:45-0500",
    ],
    ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T13:00"): [
        "04-05 01:45+1100",
        "04-06 01:45+1030",
    ],
    ("*/30 2 * * *", "Europe/Berlin", "2026-10-24T23:00"): [
        "10-25 02:00+0200",
        "10-25 02:30+0200",
        "10-25 02:00+0100",
        "10-25 02:30+0100",
        "10-26 02:00+0100",
    ],
    ("*/15 * * * *", "Australia/Lord_Howe", "2026-04-04T14:25"): [
        "04-05 01:30+1100",
        "04-05 01:45+1100",
        "04-05 01:30+1030",
        "04-05 01:45+1030",
        "04-05 02:00+1030",
    ],
    # Half an hour back, and still from the first minute of the hour.
    ("* 5 * * *", "Australia/Lord_Howe", "2026-04-04T15:00"): [
        "04-05 05:00+1030",
        "04-05 05:01+1030",
    ],
}


@pytest.mark.parametrize(("cron", "zone", "start"), SPRING)
def test_given_clocks_that_go_forward_then_ticks_are_as_debian_has_them(
    cron: str, zone: str, start: str
) -> None:
    expected = SPRING[cron, zone, start]
    assert ticks(cron, zone, start, len(expected)) == expected


@pytest.mark.parametrize(("cron", "zone", "start"), AUTUMN)
def test_given_clocks_that_go_back_then_ticks_are_as_debian_has_them(
    cron: str, zone: str, start: str
) -> None:
    expected = AUTUMN[cron, zone, start]
    assert ticks(cron, zone, start, len(expected)) == expected


def test_given_the_second_of_two_equal_hours_then_the_next_tick_is_not_in_the_past() -> None:
    second = utc("2026-10-25T01:10")
    assert CALENDAR.after("45 2 * * *", "Europe/Berlin", second) == utc("2026-10-26T01:45")
    assert CALENDAR.upto("45 2 * * *", "Europe/Berlin", second) == utc("2026-10-25T00:45")


def test_given_a_day_that_was_left_out_then_its_ticks_come_at_its_end() -> None:
    """Samoa had no 30 December in 2011."""
    assert ticks("0 12 * * *", "Pacific/Apia", "2011-12-29T12:00", 4) == [
        "12-29 12:00-1000",
        "12-31 00:00+1400",
        "12-31 12:00+1400",
        "01-01 12:00+1400",
    ]


@pytest.mark.parametrize(
    ("cron", "zone", "says"),
    [
        ("", "UTC", "five fields"),
        ("* * * *", "UTC", "five fields"),
        ("0 * * * * *", "UTC", "five fields"),
        ("@daily", "UTC", "five fields"),
        ("60 * * * *", "UTC", "Bad minute"),
        ("* * 31 2 *", "UTC", "Bad day-of-month"),
        ("* * * * someday", "UTC", "Bad day-of-week"),
        ("* * * * *", "", "time zone"),
        ("* * * * *", "Mars/Olympus", "time zone"),
        ("* * * * *", "Europe", "time zone"),
        ("* * * * *", "../etc/passwd", "time zone"),
        ("* * * * *", "localtime", "time zone"),
        ("* * * * *", "Europe/Berlin\ud800", "time zone"),
    ],
)
def test_given_what_means_nothing_then_it_is_refused_by_name(
    cron: str, zone: str, says: str
) -> None:
    for ask in (CALENDAR.check, lambda c, z: CALENDAR.after(c, z, utc("2026-01-01"))):
        with pytest.raises(ValueError, match=says):
            ask(cron, zone)


@given(st.text(alphabet="0123456789*/,-#LW mon", max_size=20), st.sampled_from(["UTC", "x"]))
def test_given_any_text_then_it_is_an_expression_or_refused(cron: str, zone: str) -> None:
    try:
        CALENDAR.check(cron, zone)
    except ValueError as error:
        assert "expected" in str(error)  # noqa: PT017 - what it accepts is as welcome
    else:
        assert zone == "UTC"


def test_given_an_expression_without_a_tick_then_there_is_none() -> None:
    # The last Monday of a month is never before its 22nd.
    assert CALENDAR.after("* * */20 * 1L", "UTC", utc("2026-01-01")) is None
    assert CALENDAR.upto("* * */20 * 1L", "Europe/Berlin", utc("2026-01-01")) is None


CHANGES = {
    "UTC": "2026-03-29T01:00",
    "Europe/Berlin": "2026-03-29T01:00",
    "Europe/London": "2026-10-25T01:00",
    "America/New_York": "2026-11-01T06:00",
    "America/St_Johns": "2026-03-08T05:30",
    "Australia/Lord_Howe": "2026-04-04T15:00",
    "America/Havana": "2026-03-08T05:00",
    "Africa/Cairo": "2026-04-23T22:00",
}
"""Zones, and an instant about which their clocks change."""

FIELD = {
    "minute": (0, 59),
    "hour": (0, 23),
}


@st.composite
def times(draw: st.DrawFn, name: str) -> tuple[str, frozenset[int]]:
    """A field, and what it names."""
    low, high = FIELD[name]
    shape = draw(st.sampled_from(["star", "step", "list"]))
    if shape == "star":
        return "*", frozenset(range(low, high + 1))
    if shape == "step":
        step = draw(st.integers(2, 45))
        return f"*/{step}", frozenset(range(low, high + 1, step))
    # Most of them about the hours in which clocks change.
    most = high if name == "minute" else 4
    chosen = draw(st.frozensets(st.integers(low, most), min_size=1, max_size=3))
    return ",".join(map(str, sorted(chosen))), chosen


def minutes_of(start: Instant, count: int) -> Iterator[Instant]:
    return (start + MINUTE * number for number in range(count))


def oracle(
    minute: tuple[str, frozenset[int]],
    hour: tuple[str, frozenset[int]],
    zone: str,
    start: Instant,
    count: int,
) -> list[Instant]:
    """Every tick in ``count`` minutes: minute by minute, by the clock on the wall."""
    where = ZoneInfo(zone)
    walls = [(at, at.astimezone(where).replace(tzinfo=None)) for at in minutes_of(start, count)]

    def named(wall: datetime) -> bool:
        return wall.minute in minute[1] and wall.hour in hour[1]

    if minute[0].startswith("*") or hour[0].startswith("*"):
        return [at for at, wall in walls if named(wall)]
    found, seen = [], walls[0][1] - MINUTE
    for at, wall in walls:
        # All that the hand passes over since the latest time it has shown so far.
        passed = list(minutes_of_wall(seen + MINUTE, wall))
        if any(map(named, passed)):
            found.append(at)
        seen = max(seen, wall)
    return found


def minutes_of_wall(start: datetime, end: datetime) -> Iterator[datetime]:
    while start <= end:
        yield start
        start += MINUTE


@given(
    minute=times("minute"),
    hour=times("hour"),
    zone=st.sampled_from(sorted(CHANGES)),
    asked=st.integers(0, 2 * 24 * 60),
    second=st.sampled_from([0, 0.5, 59.999999]),
)
@example(("45", frozenset({45})), ("2", frozenset({2})), "Europe/Berlin", 1510, 0)
def test_given_any_instant_about_a_change_then_ticks_are_those_of_the_oracle(
    minute: tuple[str, frozenset[int]],
    hour: tuple[str, frozenset[int]],
    zone: str,
    asked: int,
    second: float,
) -> None:
    start = utc(CHANGES[zone]) - timedelta(days=2)
    every = oracle(minute, hour, zone, start, 4 * 24 * 60)
    cron, at = f"{minute[0]} {hour[0]} * * *", start + timedelta(days=1, minutes=asked)
    at += timedelta(seconds=second)
    later, upto = CALENDAR.after(cron, zone, at), CALENDAR.upto(cron, zone, at)
    if (index := bisect_right(every, at)) < len(every):
        assert later == every[index]
    if index := bisect_right(every, at):
        assert upto == every[index - 1]


@given(
    zone=st.sampled_from(sorted(CHANGES)),
    cron=st.sampled_from(["0 9 * * 1-5", "*/7 3 * * *", "0 0 1 * *", "30 1 29 2 *", "5 2 * * 7L"]),
    at=st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1)),  # noqa: DTZ001 - made aware below
)
def test_given_any_instant_of_two_centuries_then_both_ways_lead_along_the_same_ticks(
    zone: str, cron: str, at: datetime
) -> None:
    now = at.replace(tzinfo=UTC)
    later = CALENDAR.after(cron, zone, now)
    assert later is not None
    assert later > now
    upto = CALENDAR.upto(cron, zone, now)
    assert upto is not None
    assert upto <= now
    assert CALENDAR.after(cron, zone, upto) == later
    assert CALENDAR.upto(cron, zone, later - timedelta(microseconds=1)) == upto
