"""What the observer checks and remembers at each kind of event, by the guarantee it is for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from parcae import commands as c
from parcae import events as e
from parcae.spec import Owed
from parcae.state import Ended
from parcae.values import Cause, Instant
from parcae_specs.explorer.watch import Watch

AUDIT = (e.Annotated, e.LateResultRecorded, e.Deleted)
ENDING = (e.Completed, e.Failed, e.Cancelled, e.Compensated, e.Quarantined)


def see(watch: Watch, event: e.Event) -> None:
    """Take note of one event."""
    if not isinstance(event, AUDIT):
        name = type(event).__name__
        watch.require(not watch.g["ended"], "S1", f"{name} after a terminal event")
    rule = _RULES.get(type(event))
    if rule is not None:
        rule(watch, event)
    if isinstance(event, ENDING):
        watch.g["ended"] = True


Rule = Callable[[Watch, Any], None]


def _submitted(watch: Watch, event: e.Submitted) -> None:
    for one in event.carried:
        watch.g["done" if one.completed else "cut"] |= watch.bit(one.phase)


def _settled(watch: Watch, event: e.DependencySettled) -> None:
    parents = [one.parent for one in watch.spec.dependencies]
    if event.met:
        watch.g["settled"] |= 1 << parents.index(event.parent)


def _scheduled(watch: Watch, event: e.Scheduled) -> None:
    every = (1 << len(watch.spec.dependencies)) - 1
    watch.require(watch.g["settled"] == every, "S8", "in line before what it depends on is settled")
    watch.require(event.place == watch.place, "S7", "the place in line is not the next free one")


def _token(watch: Watch, event: e.Started | e.CompensationClaimed) -> None:
    last = watch.before.job.token if watch.before else 0
    watch.require(event.token > last, "S3", f"token {event.token} after token {last}")
    held = watch.g["held_until"]
    free = held is None or held <= watch.now
    watch.require(free, "S3", "claimed while somebody holds it")
    watch.alive("a claim")


def _started(watch: Watch, event: e.Started) -> None:
    _token(watch, event)
    every = (1 << len(watch.spec.dependencies)) - 1
    watch.require(watch.g["settled"] == every, "S8", "started before what it depends on is settled")
    watch.require(not watch.g["asked"], "S9", "started after a cancel was requested")
    left = watch.g["burned"] < watch.spec.retry.max_attempts
    watch.require(left, "S19", "started with no attempt left")
    job, timing = watch.before.job if watch.before else None, watch.spec.timing
    if job is not None and timing.deadline is not None:
        late = job.submitted_at + timing.deadline <= watch.now
        watch.require(not late, "S30", "started past its deadline")


def _phase_started(watch: Watch, event: e.PhaseStarted) -> None:
    bit = watch.bit(event.phase)
    watch.require(not watch.g["done"] & bit, "S11", f"phase {event.phase} was completed before")
    watch.require(watch.g["done"] & (bit - 1) == bit - 1, "S2", "an earlier phase is not completed")
    watch.require(watch.g["live"] < 0, "S2", "another phase is in work")
    watch.require(not watch.g["asked"], "S9", "a phase began after a cancel was requested")
    watch.permitted("a phase began")
    watch.in_time("a phase began in an attempt", undo=False)
    watch.alive("a phase began")
    watch.g["live"] = bit.bit_length() - 1


def _phase_completed(watch: Watch, event: e.PhaseCompleted) -> None:
    bit = watch.bit(event.phase)
    in_work = watch.g["live"] == bit.bit_length() - 1
    watch.require(in_work, "S2", f"phase {event.phase} was completed but never begun")
    watch.g["done"] |= bit
    watch.g["cut"] &= ~bit
    watch.g["live"] = -1


def _cancel_requested(watch: Watch, event: e.CancelRequested) -> None:
    news = not watch.g["asked"] or event.request.force
    watch.require(news, "S9", "a cancel was requested twice")
    watch.g["asked"] = True
    watch.g["forced"] = watch.g["forced"] or event.request.force


def _retried(watch: Watch, event: e.RetryScheduled) -> None:
    watch.lay_down()
    watch.require(not watch.g["asked"], "S9", "retried after a cancel was requested")
    watch.require(event.place == watch.place, "S7", "a retry did not go to the end of the line")
    watch.g["burned"] += 1
    watch.g["losses"] += event.cause is Cause.LEASE_LOST
    left = watch.g["burned"] < watch.spec.retry.max_attempts
    watch.require(left, "S19", "retried with no attempt left")
    watch.require(watch.g["losses"] <= watch.spec.on_lost.times, "S19", "lost once too often")


def _released(watch: Watch, event: e.Released) -> None:
    watch.lay_down()
    watch.require(not watch.g["asked"], "S9", "released after a cancel was requested")
    if isinstance(watch.command, c.Release):
        watch.g["released"] += 1
        watch.g["burned"] += watch.g["released"] > watch.spec.retry.max_releases
    left = watch.g["burned"] < watch.spec.retry.max_attempts
    watch.require(left, "S19", "released with no attempt left")
    watch.require(event.voluntary == isinstance(watch.command, c.Release), "S19", "wrongly counted")


def _completed(watch: Watch, event: e.Completed) -> None:
    watch.require(event.overtook is watch.g["asked"], "S9", "a cancel was lost without a word")
    every = (1 << len(watch.spec.phases)) - 1
    watch.require(watch.g["done"] == every, "S13", "completed with phases that are not")


def _ended_badly(watch: Watch, event: e.Failed | e.Cancelled) -> None:
    watch.lay_down()
    name = type(event).__name__
    watch.require(watch.owed == 0, "S13", f"{name} in silence about what needs undoing")
    wanted = watch.g["asked"] or isinstance(watch.command, c.Cancel)
    by_itself = event.cause in (Cause.CANCELLED, Cause.FORCED_CANCEL) and not wanted
    watch.require(not by_itself, "S9", "cancelled though nobody asked for it")


def _owed(watch: Watch, owed: tuple[Owed, ...]) -> None:
    named = [watch.bit(one.phase) for one in owed]
    watch.require(sum(named) == watch.owed, "S13", "what is owed is not what happened")
    watch.require(named == sorted(named, reverse=True), "S12", "not in reverse order")
    for one, bit in zip(owed, named, strict=True):
        sure = bool(watch.g["done"] & bit)
        watch.require(one.unknown is not sure, "S13", f"wrong about whether {one.phase} happened")


def _compensation_began(watch: Watch, event: e.CompensationBegan) -> None:
    watch.lay_down()
    _owed(watch, event.undos)
    able = {one.name for one in watch.spec.phases if one.undo is not None and one.undo.unknown}
    for one in event.undos:
        helpless = one.unknown and one.phase not in able
        watch.require(not helpless, "S13", f"the undo of {one.phase} cannot handle the unknown")
    watch.g["forced"] = watch.g["forced"] or event.cause is Cause.FORCED_CANCEL
    held = max((at for at in _until(watch) if at is not None), default=None)
    beside = held is not None and held > watch.now and event.ready_at < held
    watch.require(event.overlap is beside, "S29", "the record is wrong about an overlap")


def _until(watch: Watch) -> tuple[Instant | None, Instant | None]:
    given_back = isinstance(watch.command, c.WorkerCommand)
    return (None if given_back else watch.g["held_until"]), watch.g["alive_until"]


def _quarantined(watch: Watch, event: e.Quarantined) -> None:
    watch.lay_down()
    _owed(watch, event.owed)


def _undo_started(watch: Watch, event: e.UndoStarted) -> None:
    bit = watch.bit(event.phase)
    watch.require(bool(watch.happened & bit), "S12", f"{event.phase} never happened")
    watch.require(not watch.g["undone"] & bit, "S12", f"{event.phase} is undone already")
    later = watch.owed & ~((bit << 1) - 1)
    watch.require(not later, "S12", f"a phase after {event.phase} is not undone yet")
    watch.permitted("an undo began")
    watch.in_time("an undo began in a try", undo=True)
    watch.alive("an undo began")


def _undo_completed(watch: Watch, event: e.UndoCompleted) -> None:
    bit = watch.bit(event.phase)
    watch.require(not watch.g["undone"] & bit, "S12", f"{event.phase} was undone twice")
    watch.g["undone"] |= bit
    watch.g["undo_burned"] = watch.g["undo_released"] = 0


def _undo_burned(watch: Watch, event: e.CompensationLost | e.UndoRetryScheduled) -> None:
    del event
    watch.g["undo_burned"] += 1
    _tries_left(watch)


def _undo_released(watch: Watch, event: e.CompensationReleased) -> None:
    if event.voluntary:
        watch.g["undo_released"] += 1
        watch.g["undo_burned"] += watch.g["undo_released"] > _next_retry(watch).max_releases
    _tries_left(watch)


def _tries_left(watch: Watch) -> None:
    left = watch.g["undo_burned"] < _next_retry(watch).max_attempts
    watch.require(left, "S19", "an undo is tried again with no try left")


def _next_retry(watch: Watch) -> Any:
    index = max(watch.owed.bit_length() - 1, 0)
    undo = watch.spec.phases[index].undo
    return watch.spec.retry if undo is None else undo.retry


def _compensated(watch: Watch, _: e.Compensated) -> None:
    watch.require(watch.owed == 0, "S13", "compensated, but something is not undone")


def _deleted(watch: Watch, _: e.Deleted) -> None:
    state = watch.before.job.state if watch.before else None
    kept = watch.command.retention if isinstance(watch.command, c.Delete) else None
    free = isinstance(state, Ended) and kept is not None and state.at + kept <= watch.now
    watch.require(free, "S22", "deleted while it is retained")


_RULES: dict[type, Rule] = {
    e.Submitted: _submitted,
    e.DependencySettled: _settled,
    e.Scheduled: _scheduled,
    e.Started: _started,
    e.PhaseStarted: _phase_started,
    e.PhaseCompleted: _phase_completed,
    e.CancelRequested: _cancel_requested,
    e.RetryScheduled: _retried,
    e.Released: _released,
    e.Completed: _completed,
    e.Failed: _ended_badly,
    e.Cancelled: _ended_badly,
    e.CompensationBegan: _compensation_began,
    e.Quarantined: _quarantined,
    e.CompensationClaimed: _token,
    e.UndoStarted: _undo_started,
    e.UndoCompleted: _undo_completed,
    e.CompensationLost: _undo_burned,
    e.UndoRetryScheduled: _undo_burned,
    e.CompensationReleased: _undo_released,
    e.Compensated: _compensated,
    e.Deleted: _deleted,
}
