"""The circuit of an endpoint: opens, waits ever longer, probes with one, closes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from parcae.circuit import (
    FIRST_WAIT,
    LONGEST_WAIT,
    THRESHOLD,
    Circuit,
    failed,
    room,
    succeeded,
    wait_after,
)
from parcae.values import hours, seconds

NOW = datetime(2030, 1, 1, tzinfo=UTC)

spans = st.timedeltas(min_value=timedelta(0), max_value=hours(48))
steps = st.lists(st.tuples(st.booleans(), spans, st.none() | spans), max_size=40)


def after(failures: int, at: datetime = NOW) -> Circuit:
    circuit = Circuit()
    for _ in range(failures):
        circuit = failed(circuit, at)
    return circuit


def test_given_a_new_circuit_then_it_gives_all_there_is() -> None:
    assert room(Circuit(), NOW, most=10, busy=0) == 10
    assert room(Circuit(), NOW, most=10, busy=4) == 6
    assert room(Circuit(), NOW, most=10, busy=12) == 0


def test_given_failures_in_a_row_then_each_halves_what_it_is_given_but_one() -> None:
    found = [room(after(count), NOW, most=10, busy=0) for count in range(THRESHOLD)]
    assert found == [10, 5, 2, 1, 1]


def test_given_as_many_failures_as_open_it_then_nothing_is_sent_until_one_probe() -> None:
    circuit = after(THRESHOLD)
    opens = NOW + FIRST_WAIT
    assert circuit.until == opens
    assert room(circuit, opens - seconds(0.001), most=10, busy=0) == 0
    assert room(circuit, opens, most=10, busy=0) == 1
    assert room(circuit, opens, most=10, busy=1) == 0


def test_given_a_probe_that_fails_then_the_wait_doubles_up_to_the_longest() -> None:
    circuit, waits = after(THRESHOLD), []
    for _ in range(12):
        assert circuit.until is not None
        now = circuit.until
        circuit = failed(circuit, now)
        assert circuit.until is not None
        waits.append(circuit.until - now)
    assert waits[:3] == [2 * FIRST_WAIT, 4 * FIRST_WAIT, 8 * FIRST_WAIT]
    assert waits[-1] == LONGEST_WAIT
    assert wait_after(10**9) == LONGEST_WAIT


def test_given_a_success_then_it_is_as_new_whatever_was() -> None:
    assert succeeded() == Circuit()


def test_given_what_was_under_way_as_it_opened_when_that_fails_too_then_it_waits_no_longer() -> (
    None
):
    circuit = after(THRESHOLD)
    later = failed(circuit, NOW + seconds(1))
    assert (later.until, later.openings) == (circuit.until, circuit.openings)


def test_given_a_receiver_that_asks_to_be_left_alone_then_it_is_but_not_for_ever() -> None:
    circuit = failed(Circuit(), NOW, seconds(20))
    assert circuit.until == NOW + seconds(20)
    assert failed(Circuit(), NOW, hours(24)).until == NOW + LONGEST_WAIT


@given(steps)
def test_given_any_answers_then_waits_are_bounded_and_rooms_lawful(
    answers: list[tuple[bool, timedelta, timedelta | None]],
) -> None:
    """L4: whatever an endpoint did, it is probed again within the longest wait."""
    circuit, now = Circuit(), NOW
    for good, passed, asked in answers:
        now += passed
        circuit = succeeded() if good else failed(circuit, now, asked)
        assert circuit.until is None or now < circuit.until <= now + LONGEST_WAIT
        assert circuit.closed or not good
        for busy in range(4):
            given_now = room(circuit, now, most=3, busy=busy)
            probed = room(circuit, now + LONGEST_WAIT, most=3, busy=busy)
            assert 0 <= given_now <= max(0, 3 - busy)
            assert circuit.closed or given_now == 0
            assert busy or probed >= 1
