"""What is to be undone, in which order; what a resumed job takes over."""

from __future__ import annotations

from parcae.compensation import Plan, carry, plan, still_owed
from parcae.spec import Carried, Owed
from parcae.state import Undo, UndoStatus
from parcae_specs.scenarios import play
from parcae_specs.scenarios.undoing import TO_UNDO
from parcae_specs.story import (
    at,
    cancel,
    claim,
    done,
    fail,
    given,
    reconcile,
    release,
    result_of,
    start,
    submit,
    undo,
    undone,
)

SAGA = (submit("a~", "b", "c?", "d~"), claim(), start("a"), done("a"), start("b"), done("b"))


def test_s12_what_completed_is_undone_in_reverse_and_only_where_there_is_an_undo() -> None:
    assert plan(given(*SAGA).job, None) == Plan((Owed(phase="a"),), possible=True)
    further = given(*SAGA, start("c"), done("c"))
    assert plan(further.job, None) == Plan((Owed(phase="c"), Owed(phase="a")), possible=True)


def test_a_phase_that_is_running_has_not_happened_unless_it_is_cut_off() -> None:
    job = given(*SAGA, start("c")).job
    assert plan(job, None).owed == (Owed(phase="a"),)
    assert plan(job, "c") == Plan((Owed(phase="c", unknown=True), Owed(phase="a")), possible=True)


def test_an_undo_that_cannot_handle_the_unknown_makes_it_impossible() -> None:
    job = given(*SAGA, start("c"), done("c"), start("d")).job
    assert plan(job, "d") == Plan(
        (Owed(phase="d", unknown=True), Owed(phase="c"), Owed(phase="a")), possible=False
    )
    assert plan(given(submit("a"), claim(), start("a")).job, "a") == Plan((), possible=True)


def test_a_phase_once_cut_off_may_have_happened_until_it_completes() -> None:
    story = given(*SAGA, start("c"), release(), claim(), start("c", 2), fail(2))
    assert plan(story.job, None).owed[0] == Owed(phase="c", unknown=True)
    story.when(at(1), claim(), start("c", 3), done("c", 3))
    assert plan(story.job, None).owed[0] == Owed(phase="c")


def test_a_resumed_job_takes_over_what_completed_and_is_not_undone() -> None:
    failed = given(submit("a", "b"), claim(), start("a"), done("a", result=b"1"))
    failed.when(start("b"), fail(permanent=True))
    assert carry(failed.job) == (Carried(phase="a", result=result_of("a", b"1")),)
    assert carry(given(*TO_UNDO, claim(), undo("b"), undone("b")).job) == (
        Carried(phase="a", result=result_of("a", b"1")),
    )
    assert carry(play("undoes what it did").job) == ()


def test_what_may_or_may_not_stand_is_taken_over_as_unknown() -> None:
    lost = given(submit("a?", "b"), claim(), start("a"), at(30), reconcile(), cancel())
    assert carry(lost.job) == (Carried(phase="a", completed=False),)
    half_undone = given(*TO_UNDO, claim(), undo("b"), at(30), reconcile())
    assert carry(half_undone.job)[1] == Carried(phase="b", completed=False)


def test_what_is_not_done_is_still_owed_in_its_order() -> None:
    undos = tuple(
        Undo(phase=status.value, status=status, unknown=status is UndoStatus.OWED)
        for status in UndoStatus
    )
    assert still_owed(undos) == (
        Owed(phase="pending"),
        Owed(phase="running"),
        Owed(phase="failed"),
        Owed(phase="owed", unknown=True),
    )
