"""State, event → state: what decide cannot have written is Corrupt, and nothing else is raised."""

from __future__ import annotations

from contextlib import suppress

import pytest
from attrs import evolve as replace
from hypothesis import given as for_all
from hypothesis import strategies as st

from parcae import events as e
from parcae.errors import Corrupt
from parcae.evolve import evolve, fold
from parcae.lifecycle import TRANSITIONS
from parcae.spec import Carried, Owed
from parcae.values import Cause, JobId, Place, Token, WorkerId
from parcae_specs.golden import EVENTS
from parcae_specs.scenarios import SCENARIOS, play
from parcae_specs.scenarios.common import PARENTS
from parcae_specs.scenarios.undoing import TO_UNDO
from parcae_specs.story import (
    JOB,
    Story,
    at,
    claim,
    given,
    settle,
    spec,
    start,
    submit,
    undo,
    undone,
)

STORIES = {name: play(name) for name in SCENARIOS}
ALL = [event for story in STORIES.values() for event in story.history] + list(EVENTS)


@for_all(st.sampled_from(sorted(STORIES)), st.data())
def test_a_damaged_history_folds_or_is_corrupt(name: str, data: st.DataObject) -> None:
    history = list(STORIES[name].history)
    for _ in range(data.draw(st.integers(1, 3))):
        where = data.draw(st.integers(0, len(history)))
        way = data.draw(st.sampled_from(["drop", "repeat", "insert", "swap"]))
        if way == "insert" or not history[where:]:
            history.insert(where, data.draw(st.sampled_from(ALL)))
        elif way == "drop":
            del history[where]
        elif way == "repeat":
            history.insert(where, history[where])
        else:
            other = data.draw(st.integers(0, len(history) - 1))
            history[where], history[other] = history[other], history[where]
    with suppress(Corrupt):
        fold(JOB, history)


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_event_can_follow_that_decide_would_not_write_there(name: str) -> None:
    """Every event that is put where the table has none is Corrupt."""
    job = STORIES[name].stored
    if job is None:
        return
    for event in EVENTS:
        if type(event) in TRANSITIONS[job.job.status]:
            with suppress(Corrupt):
                evolve(JOB, job.job, event)
        else:
            with pytest.raises(Corrupt, match="cannot follow"):
                evolve(JOB, job.job, event)


UNDOING = given(*TO_UNDO, claim("bob"))
RUNNING = given(submit("a", "b"), claim(), start("a"))
WAITING = given(submit("a"))
T = Token


@pytest.mark.parametrize(
    ("story", "event", "why"),
    [
        (RUNNING, e.PhaseStarted(at=at(0), token=T(1), phase="b"), "another phase is running"),
        (RUNNING, e.PhaseStarted(at=at(0), token=T(2), phase="b"), "does not hold"),
        (RUNNING, e.PhaseCompleted(at=at(0), token=T(1), phase="b"), "was not running"),
        (RUNNING, e.PhaseCompleted(at=at(0), token=T(1), phase="z"), "no phase 'z'"),
        (RUNNING, e.Completed(at=at(0)), "not all phases"),
        (RUNNING, e.Released(at=at(0), voluntary=True, interrupted="b"), "was not running"),
        (RUNNING, e.LateResultRecorded(at=at(0), token=T(2), kind="failed"), "never given"),  # type: ignore[arg-type]
        (
            RUNNING,
            e.Quarantined(at=at(0), cause=Cause.POISON, owed=(Owed(phase="a"),)),
            "but the phases say",
        ),
        (
            RUNNING,
            e.CompensationBegan(at=at(0), cause=Cause.POISON, undos=(), ready_at=at(0)),
            "nothing is to be undone",
        ),
        (
            WAITING,
            e.Started(at=at(0), token=T(0), worker=WorkerId("w"), request="r", expires_at=at(1)),
            "not greater",
        ),
        (UNDOING, e.UndoStarted(at=at(0), token=T(2), phase="a"), "not the next"),
        (UNDOING, e.UndoCompleted(at=at(0), token=T(2), phase="b"), "was not running"),
        (UNDOING, e.Compensated(at=at(0)), "not everything is undone"),
        (UNDOING, e.Quarantined(at=at(0), cause=Cause.COMPENSATION_FAILED), "undos say"),
        (
            UNDOING,
            e.CompensationClaimed(
                at=at(0), token=T(3), worker=WorkerId("w"), request="r", expires_at=at(1)
            ),
            "held already",
        ),
        (given(*TO_UNDO), e.CompensationReleased(at=at(0), voluntary=True), "nobody holds"),
    ],
)
def test_an_impossible_event_is_corrupt(story: Story, event: e.Event, why: str) -> None:
    with pytest.raises(Corrupt, match=why):
        evolve(JOB, story.job, event)


def test_an_impossible_beginning_is_corrupt() -> None:
    with pytest.raises(Corrupt, match="cannot follow nothing"):
        fold(JOB, [e.Deleted(at=at(0))])
    foreign = e.Submitted(at=at(0), spec=spec("a"), carried=(Carried(phase="z"),))
    with pytest.raises(Corrupt, match="not all its own"):
        fold(JOB, [foreign])


def test_a_dependency_is_settled_once_and_all_before_the_place_in_line() -> None:
    story = given(submit("a", dependencies=PARENTS), settle("p"))
    again = story.history[-1]
    with pytest.raises(Corrupt, match="not waited for"):
        evolve(JOB, story.job, again)
    with pytest.raises(Corrupt, match="not settled yet"):
        evolve(JOB, story.job, e.Scheduled(at=at(0), run_at=at(0), place=Place(1)))


def test_a_history_that_goes_on_after_the_last_undo_is_corrupt() -> None:
    story = given(*TO_UNDO, claim("bob"), undo("b"), undone("b"), undo("a"), undone("a"))
    cut_short = story.history[:-1]
    more = e.UndoStarted(at=at(0), token=T(2), phase="a")
    with pytest.raises(Corrupt, match="nothing left to undo"):
        fold(JOB, [*cut_short, more])


def test_s5_a_fold_can_go_on_from_where_it_was() -> None:
    history = STORIES["undoes what it did"].history
    for split in range(len(history)):
        half = fold(JOB, history[:split])
        assert fold(JOB, history[split:], half) == fold(JOB, history)


def test_after_its_deletion_there_is_no_job() -> None:
    story = STORIES["is cancelled while it waits"]
    assert fold(JOB, story.history) is None
    assert fold(JobId("x"), []) is None


def test_notes_and_late_results_change_nothing_but_the_count() -> None:
    job = STORIES["completes"].job
    noted = evolve(JOB, job, e.Annotated(at=at(9), by="ops", note="ok"))
    assert noted is not None
    assert replace(noted, version=job.version) == job
