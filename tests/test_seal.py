"""The seal: open or closed, once each, and a fold of its history."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcae.errors import Corrupt
from parcae.seal import Seal, Sealed, SealEvent, Unsealed, decide, evolve, fold
from parcae.values import MAX_NOTE, Version, seconds
from parcae_adapters.clock import EPOCH


def test_given_it_is_open_when_it_is_closed_then_it_says_since_when_who_and_why() -> None:
    events = decide(Seal(), EPOCH, close=True, by="ops", reason="an audit")
    assert events == (Sealed(at=EPOCH, by="ops", reason="an audit"),)
    seal = fold(events)
    assert (seal.closed, seal.since, seal.by, seal.reason) == (True, EPOCH, "ops", "an audit")
    assert fold((*events, Unsealed(at=EPOCH))) == Seal(version=Version(2))


@given(st.lists(st.booleans(), max_size=12))
def test_whatever_is_asked_it_is_as_was_asked_last_and_nothing_is_recorded_twice(
    asked: list[bool],
) -> None:
    """S25, S5: closing what is closed changes nothing."""
    seal, events = Seal(), list[SealEvent]()
    for number, close in enumerate(asked):
        made = decide(seal, EPOCH + seconds(number), close=close)
        assert len(made) == int(seal.closed != close)
        for event in made:
            seal = evolve(seal, event)
        events += made
        assert seal.closed == close
    assert fold(events) == seal
    assert seal.version == len(events)


def test_a_seal_closed_twice_is_corrupt_and_a_long_reason_is_cut() -> None:
    """S5, S28."""
    for events in ((Sealed(at=EPOCH),) * 2, (Unsealed(at=EPOCH),)):
        with pytest.raises(Corrupt):
            fold(events)
    assert len(Sealed(at=EPOCH, reason="x" * 99_999).reason) <= MAX_NOTE
