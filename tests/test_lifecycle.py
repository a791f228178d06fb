"""The table of transitions: total, and every arrow of it taken (S1, S2)."""

from __future__ import annotations

from typing import get_args

import pytest

from parcae import commands as c
from parcae import events as e
from parcae.errors import Corrupt, Reason
from parcae.lifecycle import ACCEPTS, COMMANDS, EVENTS, TRANSITIONS, after, lawful
from parcae.values import TERMINAL, Cause, Status
from parcae_specs.scenarios import SCENARIOS, play
from parcae_specs.story import (
    Story,
    arrows,
    at,
    cancel,
    claim,
    confirm,
    delete,
    done,
    fail,
    note,
    reconcile,
    release,
    renew,
    settle,
    start,
    submit,
    undo,
    undo_failed,
    undone,
)

# Written from the prose of the lifecycle, not from the code: a second source.
PROSE: dict[str | None, str] = {
    None: "Submitted→pending",
    "pending": "DependencySettled→pending Scheduled→scheduled Cancelled→cancelled Failed→failed "
    "Migrated→pending Annotated→pending",
    "scheduled": "Migrated→scheduled Started→running Cancelled→cancelled Failed→failed "
    "Quarantined→quarantined "
    "CompensationBegan→compensating Annotated→scheduled LateResultRecorded→scheduled",
    "running": "PhaseStarted→running PhaseCompleted→running CancelRequested→running "
    "RetryScheduled→scheduled Released→scheduled Completed→completed Failed→failed "
    "Cancelled→cancelled Quarantined→quarantined CompensationBegan→compensating "
    "Annotated→running LateResultRecorded→running",
    "compensating": "Migrated→compensating CompensationClaimed→compensating "
    "UndoStarted→compensating "
    "UndoCompleted→compensating UndoRetryScheduled→compensating "
    "CompensationReleased→compensating CompensationLost→compensating "
    "CancelRequested→compensating Compensated→compensated Quarantined→quarantined "
    "Annotated→compensating LateResultRecorded→compensating",
    **{
        str(status): f"Annotated→{status} LateResultRecorded→{status} Deleted→gone"
        for status in TERMINAL
    },
}


def test_the_table_says_what_the_prose_says() -> None:
    written = {
        status: {f"{event.__name__}→{target or 'gone'}" for event, target in row.items()}
        for status, row in TRANSITIONS.items()
    }
    assert written == {
        (None if status is None else Status(status)): set(row.split())
        for status, row in PROSE.items()
    }


def test_every_status_has_a_row_and_every_event_and_command_appears() -> None:
    assert set(TRANSITIONS) == set(ACCEPTS) == {None, *Status}
    assert {event for row in TRANSITIONS.values() for event in row} == set(EVENTS)
    assert {command for row in ACCEPTS.values() for command in row} == set(COMMANDS)
    assert set(EVENTS) == set(get_args(e.Event))


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_a_terminal_row_holds_only_evidence_notes_and_deletion(status: Status) -> None:
    row = dict(TRANSITIONS[status])
    assert row.pop(e.Deleted) is None
    assert row == {e.Annotated: status, e.LateResultRecorded: status}


def test_s2_every_arrow_is_taken_by_a_scripted_scenario() -> None:
    taken = {arrow for name in SCENARIOS for arrow in arrows(play(name))}
    every = {(status, event) for status, row in TRANSITIONS.items() for event in row}
    missing = [f"{status} {event.__name__}" for status, event in every - taken]
    assert not missing, f"arrows taken by no scenario: {sorted(missing)}"


def test_every_cause_ends_some_scenario_or_begins_its_undoing() -> None:
    events = [event for name in SCENARIOS for event in play(name).history]
    causes = {getattr(event, name, None) for event in events for name in ("cause", "trigger")}
    assert set(Cause) <= causes


def test_an_event_that_the_table_does_not_have_is_corrupt() -> None:
    with pytest.raises(Corrupt, match="Started cannot follow completed"):
        after(Status.COMPLETED, e.Started)
    with pytest.raises(Corrupt, match="Started cannot follow nothing"):
        after(None, e.Started)


def test_what_is_lawful_is_named_in_order() -> None:
    assert lawful(None) == ("Submit",)
    assert lawful(Status.SCHEDULED) == (
        "Abandon",
        "Annotate",
        "Cancel",
        "Claim",
        "Migrate",
        "Quarantine",
        "Reconcile",
    )


ENDS = {
    Status.COMPLETED: ("completes", None),
    Status.FAILED: ("fails for good at once", Cause.HANDLER_ERROR),
    Status.CANCELLED: ("confirms a cancel", Cause.CANCELLED),
    Status.COMPENSATED: ("undoes what it did", Cause.HANDLER_ERROR),
    Status.QUARANTINED: ("kills its workers", Cause.POISON),
}


def _ended(status: Status) -> Story:
    return play(ENDS[status][0])


@pytest.mark.parametrize("status", ENDS)
def test_s1_each_terminal_status_has_its_history_and_its_cause(status: Status) -> None:
    story = _ended(status)
    assert story.job.status is status
    assert getattr(story.job.state, "cause", None) is ENDS[status][1]


@pytest.mark.parametrize("status", ENDS)
@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (submit("a"), Reason.DUPLICATE_ID),
        (settle("p"), Reason.UNLAWFUL),
        (claim("eve", "new"), Reason.UNLAWFUL),
        (cancel(), Reason.UNLAWFUL),
        (cancel(force=True), Reason.UNLAWFUL),
    ],
    ids=["submit", "settle", "claim", "cancel", "cancel by force"],
)
def test_s1_an_ended_job_refuses(status: Status, command: c.Command, reason: Reason) -> None:
    _ended(status).when(at(9_000), command).refused(reason)


@pytest.mark.parametrize("status", ENDS)
def test_s1_an_ended_job_takes_no_permission_and_no_result(status: Status) -> None:
    story = _ended(status).when(at(9_000))
    ended, token = story.job.state, story.job.token
    permissions = (renew(token), start("a", token), undo("a", token))
    for permission in permissions:
        story.when(permission)
        assert story.last.refusal is not None
    forward = (fail(token), release(token), confirm(token), done("zzz", token))
    for result in (*forward, undone("z", token), undo_failed("z", token)):
        story.when(result)
        assert {type(event) for event in story.last.events} <= {e.LateResultRecorded}
    assert story.job.state == ended


@pytest.mark.parametrize("status", ENDS)
def test_an_ended_job_takes_notes_does_not_reconcile_and_can_be_deleted(status: Status) -> None:
    story = _ended(status)
    ended = story.job.state
    story.when(at(9_000), note("why?")).then(e.Annotated)
    story.when(reconcile()).then()
    assert story.job.state == ended
    story.when(delete()).then(e.Deleted)
    assert story.stored is None
    story.when(note()).refused(Reason.NOT_FOUND)
