"""Schedules at work: setting them, and admitting jobs for their ticks, as rules.

Each tick gets one job at the most, however many schedulers look and however clocks jump: all
ticks up to ``Schedule.since`` are settled for ever, and that moves on in the very commit that
admits the jobs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from attrs import evolve as replace
from attrs import frozen

from parcae.admit import admit
from parcae.change import Change, Revision, View
from parcae.errors import Rejected
from parcae.ledger import Ledger
from parcae.schedules import (
    COUNTED,
    Calendar,
    Missed,
    Plan,
    Schedule,
    ScheduleCommand,
    ScheduleEvent,
    ScheduleFired,
    decide,
    evolve,
    next_tick,
    schedule_stream,
)
from parcae.spec import MOMENT
from parcae.values import Instant, JobId, Version, job_id, minutes, mix

AGAIN = minutes(1)
"""When to look again at a schedule of which nothing could be made: another host may be able to."""


@frozen(kw_only=True)
class Fired:
    """What came of one schedule that was due.

    Attributes:
        name: the schedule.
        ticks: those that got a job.
        jobs: theirs.
        skipped: how many ticks got none, counted up to ``COUNTED``.
        next_at: when the next tick is due; ``None``: there is none.
        fault: why nothing could be made of it now; empty: nothing was wrong.
    """

    name: str
    ticks: tuple[Instant, ...] = ()
    jobs: tuple[JobId, ...] = ()
    skipped: int = 0
    next_at: Instant | None = None
    fault: str = ""


def set_schedule(
    view: View, name: str, command: ScheduleCommand, calendar: Calendar
) -> Sequence[Revision]:
    """Rule: set, pause, resume or remove a schedule; empty: it is so already.

    Raises:
        Rejected: there is no such schedule, or its jobs cannot be admitted so.
        ValueError: the plan's expression or zone means nothing.
    """
    before = view.schedules.get(name)
    events = decide(name, before, command, view.now, calendar)
    return () if not events else (_revision(name, before, events),)


def _revision(name: str, before: Schedule | None, events: tuple[ScheduleEvent, ...]) -> Revision:
    after = before
    for event in events:
        after = evolve(name, after, event)
    return Revision(
        stream=schedule_stream(name),
        before=before.version if before else Version(0),
        events=events,
        after=after,
        remind=after.next_at if after else None,
    )


def fire(view: View, calendar: Calendar) -> tuple[Sequence[Change | Revision], Sequence[Fired]]:
    """Rule: admit a job for each tick that is due, by the plans of the schedules of the view.

    Which ticks are due: all that are later than ``Schedule.since`` and no later than now. Which of
    them get a job says the plan's :class:`~parcae.schedules.Missed`; the others are skipped. No
    more ticks are looked at than get a job or are counted, however long nobody looked.
    """
    made: list[Change | Revision] = []
    fired: list[Fired] = []
    place = view.place
    for schedule in view.schedules.values():
        if schedule.next_at is None or schedule.next_at > view.now:
            continue
        ledger = Ledger(replace(view, place=place))
        try:
            fired.append(_fire(ledger, schedule, calendar))
        except (ValueError, Rejected) as error:
            # Its zone may be unknown here, or its plan too old: the others must not wait for it.
            fired.append(Fired(name=schedule.name, fault=str(error)))
            made.append(_put_off(schedule, view.now + AGAIN))
            continue
        made.extend(ledger.settle())
        place = ledger.place
    return tuple(made), tuple(fired)


def _fire(ledger: Ledger, schedule: Schedule, calendar: Calendar) -> Fired:
    view, plan, name = ledger.view, schedule.plan, schedule.name
    ticks, skipped = _chosen(plan, schedule.since, view.now, calendar)
    next_at = next_tick(calendar, plan, schedule.since, view.now)
    jobs = tuple(_admit(ledger, name, plan, tick) for tick in ticks)
    event = ScheduleFired(at=view.now, ticks=ticks, jobs=jobs, next_at=next_at, skipped=skipped)
    ledger.revise(_revision(name, schedule, (event,)))
    return Fired(name=name, ticks=ticks, jobs=jobs, skipped=skipped, next_at=next_at)


def _admit(ledger: Ledger, name: str, plan: Plan, tick: Instant) -> JobId:
    """Admit the job of one tick, which its ``run_at`` names."""
    view, which = ledger.view, (name, tick.isoformat())
    fresh = job_id(view.now, mix("tick", view.seed, *which))
    spec = replace(plan.spec, run_at=tick, seed=mix("seed", view.seed, *which))
    admit(ledger, fresh, spec, plan.payload.encode())
    return fresh


def _chosen(
    plan: Plan, since: Instant, now: Instant, calendar: Calendar
) -> tuple[tuple[Instant, ...], int]:
    """The due ticks that get a job, in their order, and how many do not.

    None at all is due where the zone's rules have changed since the last look.
    """
    due = _due(plan, since, now, calendar)
    ticks = tuple(islice(due, plan.at_most if plan.missed is Missed.ALL else 1))
    late = any(now - tick > plan.grace for tick in ticks)
    skipped = 0
    if plan.missed is Missed.SKIP and late:
        ticks, skipped = (), 1
    skipped += sum(1 for _ in islice(due, COUNTED - skipped))
    return ticks[::-1], skipped


def _due(plan: Plan, since: Instant, now: Instant, calendar: Calendar) -> Iterator[Instant]:
    """The due ticks, the latest first."""
    tick = calendar.upto(plan.cron, plan.zone, now)
    while tick is not None and tick > since:
        yield tick
        tick = calendar.upto(plan.cron, plan.zone, tick - MOMENT)


def _put_off(schedule: Schedule, until: Instant) -> Revision:
    version, stream = schedule.version, schedule_stream(schedule.name)
    return Revision(stream=stream, before=version, events=(), after=schedule, remind=until)
