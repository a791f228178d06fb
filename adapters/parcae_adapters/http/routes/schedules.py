"""Schedules: look at them, pause, resume and remove them. An application sets its own."""

from __future__ import annotations

from aiohttp import web

from parcae.scheduler_engine import SchedulerEngine
from parcae.schedules import Calendar, Schedule
from parcae_adapters.http.fields import Nothing
from parcae_adapters.http.problems import NOT_FOUND, NOT_INSTALLED, Problem
from parcae_adapters.http.replies import ScheduleReply, SchedulesReply
from parcae_adapters.http.route import Call, Handler, Reply, Route, Scope
from parcae_adapters.http.submission import meant
from parcae_adapters.records.jobs import Record
from parcae_adapters.records.schedules import record

CALENDAR: web.AppKey[Calendar] = web.AppKey("calendar", Calendar)


def setup(app: web.Application) -> None:
    """Find what reads cron expressions, where the library for it is installed."""
    try:
        from parcae_adapters.cron import CronCalendar
    except ModuleNotFoundError:
        return
    app[CALENDAR] = CronCalendar()


def _scheduler(call: Call) -> SchedulerEngine:
    calendar = call.request.app.get(CALENDAR)
    if calendar is None:
        raise Problem(NOT_INSTALLED, "the server needs the extra parcae[cron] for schedules")
    return SchedulerEngine(call.engine.store, calendar)


def _told(schedule: Schedule) -> Record:
    """A schedule without its payload."""
    return {name: value for name, value in record(schedule).items() if name != "payload"}


async def listed(call: Call) -> Reply:
    """All schedules."""
    found = await _scheduler(call).schedules()
    return Reply(body={"schedules": [_told(one) for one in found]})


async def pause(call: Call) -> Reply:
    """Let no tick count."""
    with meant():
        done = await _scheduler(call).pause_schedule(call.path["name"], by=call.caller.name)
    return Reply(body=_told(done))


async def resume(call: Call) -> Reply:
    """Let ticks count again."""
    with meant():
        done = await _scheduler(call).resume_schedule(call.path["name"], by=call.caller.name)
    return Reply(body=_told(done))


async def remove(call: Call) -> Reply:
    """Let it go."""
    with meant():
        done = await _scheduler(call).remove_schedule(call.path["name"], by=call.caller.name)
    return Reply(body=_told(done))


def _change(method: str, path: str, handler: Handler, summary: str) -> Route:
    return Route(
        method=method,
        path=path,
        handler=handler,
        scope=Scope.OPERATE,
        summary=summary,
        body=None if method == "DELETE" else Nothing,
        body_required=False,
        reply=ScheduleReply,
        problems=(NOT_FOUND,),
        tag="schedules",
    )


ROUTES = (
    Route(
        method="GET",
        path="/v1/schedules",
        handler=listed,
        scope=Scope.READ,
        summary="List schedules",
        reply=SchedulesReply,
        tag="schedules",
    ),
    _change("POST", "/v1/schedules/{name}:pause", pause, "Let no tick count until it is resumed"),
    _change("POST", "/v1/schedules/{name}:resume", resume, "Let ticks count again, from now on"),
    _change("DELETE", "/v1/schedules/{name}", remove, "Let a schedule go"),
)
