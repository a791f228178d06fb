"""What happened to queues, groups and schedules, in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from parcae import groups as g
from parcae import queues as q
from parcae import schedules as s
from parcae.groups import Group
from parcae.spec import PhaseSpec, Spec
from parcae.telling import progress, tell_aggregate
from parcae.values import GroupId, JobId, Status, Version, blob, minutes, seconds

NOW = datetime(2026, 1, 1, tzinfo=UTC)
JOB = JobId("j1")
SPEC = Spec(kind="call", phases=(PhaseSpec(name="only"),), payload=blob("payload", b"[]"))
PLAN = s.Plan(cron="0 8 * * *", spec=SPEC, payload="[]")
RATE = q.Rate(count=10, per=minutes(1), burst=3)

TOLD: list[tuple[Any, str]] = [
    (q.QueuePaused(at=NOW, by="ann"), "ann paused it: nothing forward starts"),
    (q.QueueResumed(at=NOW), "Somebody resumed it."),
    (q.LimitSet(at=NOW, limit=2), "limited the queue to 2 jobs at once."),
    (q.LimitSet(at=NOW, limit=1, key="k"), "limited the key 'k' to 1 job at once."),
    (q.LimitSet(at=NOW, limit=None, each=True), "took the limit off each key."),
    (q.RateSet(at=NOW, rate=RATE), "10 starts in any 60 s, 3 at once after a quiet time."),
    (q.RateSet(at=NOW, rate=q.Rate(count=1, per=seconds(1))), "to 1 start in any second."),
    (q.RateSet(at=NOW, rate=None), "took the rate off the queue."),
    (q.AgingSet(at=NOW, aging=5), "worth 5 places in line."),
    (q.AgingSet(at=NOW, aging=None), "a greater priority always go first."),
    (
        g.GroupOpened(at=NOW, seed=1, size=3, compensate=True, label="import"),
        "3 jobs were admitted as 'import', in one commit; one bad end stops the rest",
    ),
    (g.MemberEnded(at=NOW, job_id=JOB, outcome=Status.FAILED), "Job j1 ended: failed."),
    (
        g.GroupCancelRequested(at=NOW, by="ann", reason="why"),
        "ann asked for all of it to stop (why)",
    ),
    (g.GroupStopped(at=NOW, trigger=JOB), "cancelled: job j1 had ended badly."),
    (g.GroupStopped(at=NOW), "What had not ended was to be cancelled."),
    (g.MembersCancelled(at=NOW, cursor=1), "Jobs number 1 to 1 have ended"),
    (g.UndoSurveyed(at=NOW, cursor=2), "From job number 3 on, nothing is left to undo."),
    (g.UndoSurveyed(at=NOW, cursor=0), "Nothing is left to undo."),
    (g.UndoSubmitted(at=NOW, member=0, job_id=JOB), "to undo what job number 1 did."),
    (g.MemberUndone(at=NOW, job_id=JOB, outcome=Status.COMPENSATED), "ended: compensated."),
    (g.GroupEnded(at=NOW, outcome=Status.COMPENSATED), "It ended: compensated."),
    (
        s.ScheduleSet(at=NOW, plan=PLAN, next_at=NOW, by="ann"),
        "ann set it to admit a job of kind call at '0 8 * * *' (UTC). The next tick: 2026-01-01",
    ),
    (
        s.ScheduleFired(at=NOW, ticks=(NOW,) * 5, jobs=(JOB,) * 5, next_at=None, skipped=2),
        "and 2 more. 2 missed ticks were passed over. There is no next tick.",
    ),
    (s.ScheduleFired(at=NOW, ticks=(), jobs=(), next_at=NOW, skipped=2), "No job was admitted."),
    (s.SchedulePaused(at=NOW), "Somebody paused it: no tick counts."),
    (s.ScheduleResumed(at=NOW, next_at=NOW), "Somebody resumed it. The next tick"),
    (s.ScheduleRemoved(at=NOW), "Somebody removed it; the jobs that it admitted stay."),
]


NAMES = [f"{number}-{type(event).__name__}" for number, (event, _) in enumerate(TOLD)]


@pytest.mark.parametrize(("event", "says"), TOLD, ids=NAMES)
def test_an_event_is_told_in_one_sentence_or_two(event: Any, says: str) -> None:
    told = tell_aggregate(event)
    assert says in told
    assert told.endswith(".")
    assert type(event).__name__ not in told


def test_every_event_of_queues_groups_and_schedules_is_told_here() -> None:
    every = {*get_args(q.QueueEvent), *get_args(g.GroupEvent), *get_args(s.ScheduleEvent)}
    assert {type(event) for event, _ in TOLD} == every


def group(**changes: Any) -> Group:
    return Group(
        id=GroupId("group/1"), version=Version(1), opened_at=NOW, seed=1, size=3, **changes
    )


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (group(), "3 of 3 jobs have not ended."),
        (group(ended={Status.COMPLETED: 2}), "1 of 3 jobs have not ended: 2 completed."),
        (group(state=g.Stopping(since=NOW)), "It stops, for it was asked to stop; 3 of 3"),
        (group(state=g.Stopping(since=NOW), trigger=JOB), "for job j1 ended badly"),
        (
            group(state=g.Undoing(since=NOW, cursor=1, job_id=JOB), ended={Status.FAILED: 3}),
            "All have ended (3 failed); what completed ones did is being undone. Job j1 is at it.",
        ),
        (
            group(
                state=g.Ended(status=Status.COMPENSATED, at=NOW),
                ended={Status.COMPLETED: 2, Status.FAILED: 1},
                undone={Status.COMPENSATED: 2},
            ),
            "It ended compensated: 2 completed, 1 failed; jobs that undid: 2 compensated.",
        ),
        (group(state=g.Ended(status=Status.COMPLETED, at=NOW)), "completed: it had no jobs."),
    ],
)
def test_where_a_group_stands_is_one_sentence(found: Group, says: str) -> None:
    assert says in progress(found)
