"""S6 for rates: the arithmetic of the token bucket, over every rate and every clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from parcae.queues import Rate
from parcae.queues.rate import spend, starts_left

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)

spans = st.integers(0, 5_000_000).map(lambda count: count * MOMENT)
rates = st.builds(
    Rate,
    count=st.one_of(st.integers(1, 20), st.integers(1, 1_000_000)),
    per=st.integers(1, 5_000_000).map(lambda count: count * MOMENT),
    burst=st.integers(1, 8),
)


def _starts(rate: Rate, instants: list[datetime]) -> list[datetime]:
    """When jobs start, where as many as may do at each of these instants, up to five."""
    free: datetime | None = None
    found: list[datetime] = []
    for now in instants:
        for _ in range(min(starts_left(rate, free, now), 5)):
            free = spend(rate, free, now)
            found.append(now)
    return found


def _most(rate: Rate, span: timedelta) -> int:
    """How many may start within ``span``, by the prose: ``count`` per ``per``, and the burst."""
    return rate.burst + span * rate.count // rate.per


@given(rate=rates, waits=st.lists(spans, max_size=30))
def test_s6_no_window_holds_more_than_its_share_and_the_burst(
    rate: Rate, waits: list[timedelta]
) -> None:
    instants = [BEGIN]
    for wait in waits:
        instants.append(instants[-1] + wait)
    starts = _starts(rate, instants)
    for first, begin in enumerate(starts):
        for last in range(first, len(starts)):
            assert last - first + 1 <= _most(rate, starts[last] - begin)


@given(rate=rates, jumps=st.lists(st.tuples(spans, st.booleans()), max_size=30))
def test_s21_a_clock_that_goes_back_never_gives_more(
    rate: Rate, jumps: list[tuple[timedelta, bool]]
) -> None:
    instants = [BEGIN]
    for span, back in jumps:
        instants.append(instants[-1] - span if back else instants[-1] + span)
    starts = _starts(rate, instants)
    if starts:
        # Counted from the first start to the latest instant that any clock has shown.
        assert len(starts) <= _most(rate, max(*instants, BEGIN) - starts[0])


@given(rate=rates, past=st.none() | spans, ahead=spans, shift=spans)
def test_s26_when_it_all_happens_does_not_matter(
    rate: Rate, past: timedelta | None, ahead: timedelta, shift: timedelta
) -> None:
    free = None if past is None else BEGIN + past
    now = BEGIN + ahead
    later = None if free is None else free + shift
    assert starts_left(rate, later, now + shift) == starts_left(rate, free, now)
    assert spend(rate, later, now + shift) == spend(rate, free, now) + shift


@given(rate=rates, past=st.none() | spans, ahead=spans)
def test_s6_as_many_starts_as_are_left_can_be_spent_and_no_more(
    rate: Rate, past: timedelta | None, ahead: timedelta
) -> None:
    free = None if past is None else BEGIN + past
    now = BEGIN + ahead
    for left in range(starts_left(rate, free, now), 0, -1):
        assert starts_left(rate, free, now) == left
        free = spend(rate, free, now)
    assert starts_left(rate, free, now) == 0


@given(rate=rates)
def test_l2_a_start_that_was_refused_is_granted_one_interval_later(rate: Rate) -> None:
    free: datetime | None = None
    for _ in range(rate.burst):
        free = spend(rate, free, BEGIN)
    assert free is not None
    assert starts_left(rate, free, BEGIN) == 0
    assert starts_left(rate, free, BEGIN + rate.interval) == 1
    assert free <= BEGIN + rate.interval
