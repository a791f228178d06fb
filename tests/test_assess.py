"""What a history says in words, and whether a row fits its history."""

from __future__ import annotations

import re

import pytest
from attrs import evolve as replace

from parcae import events as e
from parcae.assess import difference, stray_liveness, tell
from parcae.lifecycle import EVENTS as KINDS
from parcae.state import Liveness
from parcae.values import Cause, Place, Token, Version
from parcae_specs.golden import EVENTS
from parcae_specs.story import at, cancel, claim, given, renew, submit

IDS = [f"{number} {type(event).__name__}" for number, event in enumerate(EVENTS)]
CLASSES = {kind.__name__ for kind in KINDS if len(re.findall("[A-Z]", kind.__name__)) > 1}


@pytest.mark.parametrize("event", EVENTS, ids=IDS)
def test_every_event_is_told_in_words_without_names_of_classes(event: e.Event) -> None:
    told = tell(event)
    assert told.strip() == told
    assert "\n" not in told
    assert "None" not in told
    assert "Cause." not in told
    assert not CLASSES & set(re.findall(r"\w+", told))
    if not isinstance(event, e.Annotated):
        assert told.endswith("."), told


def test_no_two_kinds_of_event_are_told_alike() -> None:
    told = {(tell(event), type(event)) for event in EVENTS}
    assert len({sentence for sentence, _ in told}) == len(told)


def test_a_release_says_what_it_burned() -> None:
    given_back = e.CompensationReleased(at=at(0), voluntary=True)
    assert tell(given_back) == "The worker that was undoing it shut down and gave it back."
    assert "burned a try" in tell(replace(given_back, burned=True))
    assert "burned an attempt" in tell(e.Released(at=at(0), voluntary=True, burned=True))


def test_who_established_an_end_is_said_only_where_it_was_the_reconciler() -> None:
    assert (
        tell(e.Failed(at=at(0), cause=Cause.DEPENDENCY_FAILED)) == "It failed: dependency failed."
    )
    lost = e.Failed(at=at(0), cause=Cause.LEASE_LOST, reconciled=True)
    assert tell(lost) == "It failed: lease lost, established by the reconciler."


def test_a_row_is_compared_with_its_history_field_by_field() -> None:
    job = given(submit("a"), claim()).job
    assert difference(job, job) is None
    assert difference(None, None) is None
    assert difference(job, None) == "the history has no row"
    assert difference(None, job) == "the row has no history"
    assert (
        difference(job, replace(job, version=Version(9)))
        == "version is 9 in the row, 3 by the history"
    )


def test_a_liveness_belongs_to_the_lease_beside_it() -> None:
    held = given(submit("a"), claim(), at(5), renew()).stored
    assert held is not None
    assert held.liveness is not None
    assert stray_liveness(held.job, held.liveness) is None
    assert stray_liveness(held.job, None) is not None
    other = replace(held.liveness, token=Token(2))
    assert stray_liveness(held.job, other) == "liveness of token 2, but the lease has token 1"
    shorter = replace(held.liveness, expires_at=at(29))
    assert "before its lease was first to" in str(stray_liveness(held.job, shorter))
    ended = given(submit("a"), cancel()).job
    assert stray_liveness(ended, None) is None
    stray = Liveness(token=Token(1), expires_at=at(1), renewed_at=at(0))
    assert stray_liveness(ended, stray) == "liveness of token 1, but no lease"


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (EVENTS[0], "A job of kind k was admitted."),
        (
            EVENTS[1],
            "A job of kind archive was admitted to retry job o (undo), taking over digest, pack.",
        ),
        (e.Annotated(at=at(0), by="ops", note="ok"), "ops noted: ok"),
        (e.Annotated(at=at(0), by="", note="ok"), "Somebody noted: ok"),
        (
            e.Released(at=at(0), voluntary=False),
            "Its worker reported after its lease had run out, and so gave the job back.",
        ),
        (
            e.CompensationReleased(at=at(0), voluntary=False),
            "Its worker reported an undo too late, and so gave the job back.",
        ),
        (
            e.Released(at=at(0), voluntary=True, interrupted="pack"),
            "Its worker shut down and gave it back in phase pack, which may have happened.",
        ),
        (
            e.RetryScheduled(
                at=at(0), run_at=at(5), place=Place(1), cause=Cause.LEASE_LOST, interrupted="pack"
            ),
            "Its worker was lost in phase pack, which may have happened: "
            "to be tried again at 2026-01-01 00:00:05 UTC or later.",
        ),
        (e.Completed(at=at(0)), "All phases were done: completed."),
    ],
)
def test_some_sentences_in_full(event: e.Event, told: str) -> None:
    assert tell(event) == told
