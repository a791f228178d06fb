"""What has happened to anything but a job, in words. Jobs are told in ``assess``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import assert_never

from parcae import deliveries as v
from parcae import groups as g
from parcae import queues as q
from parcae import schedules as s
from parcae import subscriptions as n
from parcae.change import AggregateEvent
from parcae.phrases import at
from parcae.seal import Sealed, SealEvent, Unsealed
from parcae.values import Instant, Status


def tell_aggregate(event: AggregateEvent) -> str:
    """What happened, in one sentence without names of classes."""
    if isinstance(event, q.QueueEvent):
        return tell_queue(event)
    if isinstance(event, g.GroupEvent):
        return tell_group(event)
    if isinstance(event, s.ScheduleEvent):
        return tell_schedule(event)
    return tell_outgoing(event)


def tell_queue(event: q.QueueEvent) -> str:
    """What was set for a queue, and by whom."""
    who = _who(event.by)
    match event:
        case q.QueuePaused():
            return f"{who} paused it: nothing forward starts, and what runs goes on."
        case q.QueueResumed():
            return f"{who} resumed it."
        case q.LimitSet():
            whom = _whom(event)
            if event.limit is None:
                return f"{who} took the limit off {whom}."
            return f"{who} limited {whom} to {_jobs(event.limit)} at once."
        case q.RateSet():
            whom = _whom(event)
            if event.rate is None:
                return f"{who} took the rate off {whom}."
            return f"{who} set the rate of {whom} to {rate(event.rate)}."
        case q.AgingSet():
            if event.aging is None:
                return f"{who} had a greater priority always go first."
            return f"{who} made a level of priority worth {event.aging} places in line."
        case _:
            assert_never(event)


def _whom(event: q.LimitSet | q.RateSet) -> str:
    if event.key is not None:
        return f"the key {event.key!r}"
    return "each key" if event.each else "the queue"


def rate(found: q.Rate) -> str:
    """A rate in words."""
    burst = f", {found.burst} at once after a quiet time" if found.burst > 1 else ""
    starts = "start" if found.count == 1 else "starts"
    return f"{found.count} {starts} in any {_span(found.per)}{burst}"


def tell_group(event: g.GroupEvent) -> str:
    """What happened to a graph or a batch."""
    match event:
        case g.GroupOpened():
            called = f" as {event.label!r}" if event.label else ""
            undo = "; one bad end stops the rest and undoes what was done" * event.compensate
            return f"{_jobs(event.size)} were admitted{called}, in one commit{undo}."
        case g.MemberEnded():
            return f"Job {event.job_id} ended: {event.outcome}."
        case g.GroupCancelRequested():
            why = f" ({event.reason})" if event.reason else ""
            return f"{_who(event.by)} asked for all of it to stop{why}."
        case g.GroupStopped():
            why = f": job {event.trigger} had ended badly" if event.trigger else ""
            return f"What had not ended was to be cancelled{why}."
        case g.MembersCancelled():
            return f"Jobs number 1 to {event.cursor} have ended, or were asked to stop."
        case g.GroupEnded():
            return f"It ended: {event.outcome}."
        case _:
            return _undoing(event)


def _undoing(event: g.UndoSurveyed | g.UndoSubmitted | g.MemberUndone) -> str:
    match event:
        case g.UndoSurveyed():
            if event.cursor == 0:
                return "Nothing is left to undo."
            return f"From job number {event.cursor + 1} on, nothing is left to undo."
        case g.UndoSubmitted():
            number = event.member + 1
            return f"Job {event.job_id} was admitted to undo what job number {number} did."
        case g.MemberUndone():
            return (
                f"Job {event.job_id}, which was to undo what another did, ended: {event.outcome}."
            )
        case _:
            assert_never(event)


def tell_schedule(event: s.ScheduleEvent) -> str:
    """What happened to a schedule."""
    match event:
        case s.ScheduleSet():
            plan = event.plan
            return (
                f"{_who(event.by)} set it to admit a job of kind {plan.spec.kind} at "
                f"{plan.cron!r} ({plan.zone}). {_next(event.next_at)}"
            )
        case s.ScheduleFired():
            return f"{_fired(event)} {_next(event.next_at)}"
        case s.SchedulePaused():
            return f"{_who(event.by)} paused it: no tick counts."
        case s.ScheduleResumed():
            return f"{_who(event.by)} resumed it. {_next(event.next_at)}"
        case s.ScheduleRemoved():
            return f"{_who(event.by)} removed it; the jobs that it admitted stay."
        case _:
            assert_never(event)


def _fired(event: s.ScheduleFired) -> str:
    more_than_counted = " or more" * (event.skipped == s.COUNTED)
    missed = f" {event.skipped}{more_than_counted} missed ticks were passed over."
    passed = missed if event.skipped else ""
    if not event.jobs:
        return f"No job was admitted.{passed}"
    ticks = ", ".join(at(tick) for tick in event.ticks[:3])
    more = f" and {len(event.ticks) - 3} more" if len(event.ticks) > 3 else ""
    return f"{_jobs(len(event.jobs))} admitted for {ticks}{more}.{passed}"


def _next(instant: Instant | None) -> str:
    return "There is no next tick." if instant is None else f"The next tick: {at(instant)}."


def tell_outgoing(event: n.SubscriptionEvent | v.DeliveryEvent | SealEvent) -> str:
    """What happened to a subscription, to a delivery, or to the seal."""
    match event:
        case n.SubscriptionSet():
            return f"{_who(event.by)} set where to and of what it tells."
        case n.SecretRotated():
            until = at(event.until)
            return f"{_who(event.by)} gave it another secret; those of before count until {until}."
        case n.SubscriptionDisabled():
            if event.gone:
                return (
                    "The receiver said that it is gone (410): nothing is sent until it is enabled."
                )
            return f"{_who(event.by)} disabled it: nothing is sent, and what is owed is kept."
        case n.SubscriptionEnabled():
            return f"{_who(event.by)} enabled it."
        case n.SubscriptionRemoved():
            return f"{_who(event.by)} removed it; what it is still owed is given up."
        case Sealed() | Unsealed():
            why = f" ({event.reason})" if event.reason else ""
            done = (
                "sealed the store: nothing is sent" if isinstance(event, Sealed) else "unsealed it"
            )
            return f"{_who(event.by)} {done}{why}."
        case _:
            return tell_delivery(event)


def tell_delivery(event: v.DeliveryEvent) -> str:
    """What happened to a delivery."""
    match event:
        case v.DeliveryOwed():
            return f"Owed to {event.subscription}: {event.event} of {event.subject}."
        case v.DeliveryStarted():
            return f"{event.worker} took it, to send it (token {event.token})."
        case v.Delivered():
            return f"Delivered: {_tried(event.attempt)}."
        case v.DeliveryFailed():
            return f"Not delivered: {_tried(event.attempt)}. Tried again at {at(event.retry_at)}."
        case v.DeliveryLost():
            return "Its sender was not heard of in time: whether it was sent is unknown."
        case v.DeliveryReleased():
            return "Given back unsent."
        case v.DeliveryDied():
            last = f": {_tried(event.attempt)}" if event.attempt else ""
            return f"Given up ({event.cause}){last}. It is kept, and may be replayed."
        case v.DeliveryReplayed():
            return f"{_who(event.by)} had it sent again, or at once."
        case v.LateAttemptRecorded():
            return f"Heard too late from its sender (token {event.token}): {_tried(event.attempt)}."
        case v.DeliveryDeleted():
            return "Deleted."
        case _:
            assert_never(event)


def _tried(attempt: v.Attempt) -> str:
    said = f"HTTP {attempt.status}" if attempt.status is not None else attempt.error or "no answer"
    return f"{said} after {attempt.latency.total_seconds():.3f} s"


def progress(group: g.Group) -> str:
    """Where a group stands, in one sentence."""
    counts = _counts(group.ended)
    state = group.state
    match state:
        case g.Open():
            done = f": {counts}" if counts else ""
            return f"{group.left} of {_jobs(group.size)} have not ended{done}."
        case g.Stopping():
            why = f"job {group.trigger} ended badly" if group.trigger else "it was asked to stop"
            return f"It stops, for {why}; {group.left} of {_jobs(group.size)} have not ended."
        case g.Undoing():
            now = f" Job {state.job_id} is at it." if state.job_id else ""
            return f"All have ended ({counts}); what completed ones did is being undone.{now}"
        case g.Ended():
            undone = f"; jobs that undid: {_counts(group.undone)}" if group.undone else ""
            return f"It ended {state.status}: {counts or 'it had no jobs'}{undone}."
        case _:
            assert_never(state)


def _counts(counts: Mapping[Status, int]) -> str:
    return ", ".join(f"{number} {status}" for status, number in counts.items())


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"


def _who(by: str) -> str:
    return by or "Somebody"


def _span(duration: timedelta) -> str:
    return "second" if duration == timedelta(seconds=1) else f"{duration.total_seconds():g} s"
