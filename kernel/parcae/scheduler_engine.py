"""The use cases of schedules: set, pause, resume, remove, list, and fire what is due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from parcae import ticking as rules
from parcae.change import Change, Revision, View
from parcae.definitions import Request
from parcae.ports import Named, Store, Ticking
from parcae.schedules import (
    GRACE,
    Calendar,
    Missed,
    PauseSchedule,
    Plan,
    RemoveSchedule,
    ResumeSchedule,
    Schedule,
    ScheduleCommand,
    SetSchedule,
    schedule_stream,
)
from parcae.ticking import Fired

PAGE = 1_000


class SchedulerEngine:
    """What can be asked of schedules.

    Args:
        store: where they are; it has the clock and the chance that all of this needs.
        calendar: what reads cron expressions.
    """

    def __init__(self, store: Store, calendar: Calendar) -> None:
        self.store = store
        self.calendar = calendar

    async def schedule(
        self,
        name: str,
        request: Request[Any],
        cron: str,
        zone: str = "UTC",
        *,
        missed: Missed | str = Missed.ONCE,
        at_most: int = 10,
        grace: timedelta = GRACE,
        by: str = "",
    ) -> Schedule:
        """Admit a job like ``request`` at each tick of ``cron`` from now on.

        The same plan again changes nothing, so an application may set its schedules whenever it
        starts. Another plan takes the place of the one before: with the same expression and zone
        a tick that is due already gets the new job, with others ticks count from now on. A paused
        schedule stays paused.

        Args:
            name: of the schedule.
            request: from calling a definition.
            cron: five fields: minute, hour, day of the month, month, day of the week.
            zone: the time zone they are meant in, by its IANA name.
            missed: which ticks get a job where nobody looked in time: ``skip``, ``once``, ``all``.
            at_most: with ``all``: so many of them, the latest.
            grace: with ``skip``: how late a tick may be noticed and still get its job.
            by: who asks.

        Raises:
            Rejected: the payload is too large, or there never is such a tick.
            ValueError: the name, the expression, the zone or a policy means nothing.
        """
        plan = Plan(
            cron=cron,
            zone=zone,
            spec=request.spec,
            payload=request.payload.decode(),
            missed=Missed(missed),
            at_most=at_most,
            grace=grace,
        )
        return await self._set(name, SetSchedule(plan=plan, by=by))

    async def pause_schedule(self, name: str, *, by: str = "") -> Schedule:
        """Let no tick count until it is resumed.

        Raises:
            Rejected: there is no such schedule.
        """
        return await self._set(name, PauseSchedule(by=by))

    async def resume_schedule(self, name: str, *, by: str = "") -> Schedule:
        """Let ticks count again, from now on: those of the pause are not made up for.

        Raises:
            Rejected: there is no such schedule.
        """
        return await self._set(name, ResumeSchedule(by=by))

    async def remove_schedule(self, name: str, *, by: str = "") -> Schedule:
        """Let it go; the jobs that it admitted are not touched. How it was at last.

        Raises:
            Rejected: there is no such schedule.
        """
        return await self._set(name, RemoveSchedule(by=by))

    async def schedules(self) -> Sequence[Schedule]:
        """All schedules, by their names."""
        found: list[Schedule] = []
        after = str(schedule_stream(""))
        while True:
            page = await self.store.aggregates(after, PAGE)
            found += [one for one in page if isinstance(one, Schedule)]
            if len(page) < PAGE or not isinstance(page[-1], Schedule):
                return tuple(one for one in found if not one.removed)
            after = schedule_stream(page[-1].name)

    async def fire(self, limit: int = 20) -> Sequence[Fired]:
        """Admit the jobs of up to ``limit`` schedules that are due; what came of each."""
        fired: list[Fired] = []

        def rule(view: View) -> Sequence[Change | Revision]:
            made, told = rules.fire(view, self.calendar)
            fired[:] = told
            return made

        await self.store.transact(Ticking(limit=limit), rule)
        return tuple(fired)

    async def _set(self, name: str, command: ScheduleCommand) -> Schedule:
        found: list[Schedule] = []

        def rule(view: View) -> Sequence[Revision]:
            made = rules.set_schedule(view, name, command, self.calendar)
            after = made[0].after if made else view.schedules.get(name)
            assert isinstance(after, Schedule)
            found[:] = [after]
            return made

        await self.store.transact(Named(schedules=(name,)), rule)
        return found[0]
