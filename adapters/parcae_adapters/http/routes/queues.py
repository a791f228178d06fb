"""Queues: what is set for them, and what is in them."""

# ruff: noqa: RUF009 - what is called there makes a field

from __future__ import annotations

from datetime import timedelta

from attrs import frozen

from parcae.queues import Queue
from parcae.values import Lane
from parcae_adapters.http.fields import Nothing, described, name, number, span
from parcae_adapters.http.problems import BAD_INPUT
from parcae_adapters.http.replies import QueueReply, StatisticsReply
from parcae_adapters.http.route import Call, Handler, Param, Reply, Route, Scope
from parcae_adapters.http.submission import LEAST_SPAN, meant
from parcae_adapters.records import queues as plain

MOST = 1_000_000
WINDOW = Param(
    name="window_seconds",
    kind=int,
    description="Which ends count: those since so long ago.",
    default=900,
    least=1,
    most=604_800,
)
LINES = Param(
    name="limit",
    kind=int,
    description="How many queues, and how many of their keys, to list.",
    default=1_000,
    least=1,
    most=1_000,
)


@frozen(kw_only=True)
class LimitQueue:
    """How many jobs may run at once; ``null``: no bound."""

    limit: int | None = number(least=1, most=MOST)
    key: str | None = name(None, description="Of this key alone.")
    each: bool = described(False, description="Of every key that has no bound of its own.")


@frozen(kw_only=True)
class RateQueue:
    """How often jobs may start; a count of ``null``: no bound."""

    count: int | None = number(least=1, most=MOST)
    per: timedelta = span(timedelta(seconds=1), least=LEAST_SPAN)
    burst: int = number(1, least=1, most=MOST)
    key: str | None = name(None, description="Of this key alone.")
    each: bool = described(False, description="Of every key that has no bound of its own.")


@frozen(kw_only=True)
class AgeQueue:
    """How many places in line a level of priority is worth; ``null``: always more."""

    places: int | None = number(least=1, most=MOST)


async def listed(call: Call) -> Reply:
    """What is in all queues."""
    return await _statistics(call, None)


async def counted(call: Call) -> Reply:
    """What is in one queue."""
    return await _statistics(call, _name(call))


async def _statistics(call: Call, queue: str | None) -> Reply:
    window = timedelta(seconds=call.query["window_seconds"])
    found = await call.engine.stats(queue, window=window, lines=call.query["limit"])
    return Reply(body=plain.everything(found))


def _name(call: Call) -> str:
    with meant():
        return Lane(queue=call.path["queue"]).queue


def _told(queue: Queue) -> Reply:
    return Reply(body=plain.settings(queue))


async def shown(call: Call) -> Reply:
    """What is set for a queue."""
    return _told(await call.engine.queue(_name(call)))


async def pause(call: Call) -> Reply:
    """Start nothing forward."""
    return _told(await call.engine.pause(_name(call), by=call.caller.name))


async def resume(call: Call) -> Reply:
    """Start jobs again."""
    return _told(await call.engine.resume_queue(_name(call), by=call.caller.name))


async def bound(call: Call) -> Reply:
    """Bound how many run at once."""
    body: LimitQueue = call.body
    with meant():
        done = await call.engine.limit(
            _name(call), body.limit, key=body.key, each=body.each, by=call.caller.name
        )
    return _told(done)


async def rate(call: Call) -> Reply:
    """Bound how often jobs start."""
    body: RateQueue = call.body
    with meant():
        done = await call.engine.rate(
            _name(call),
            body.count,
            body.per,
            burst=body.burst,
            key=body.key,
            each=body.each,
            by=call.caller.name,
        )
    return _told(done)


async def age(call: Call) -> Reply:
    """Say what a level of priority is worth."""
    with meant():
        done = await call.engine.aging(_name(call), call.body.places, by=call.caller.name)
    return _told(done)


def _change(
    verb: str, handler: Handler, body: type, summary: str, *, required: bool = True
) -> Route:
    return Route(
        method="POST",
        path=f"/v1/queues/{{queue}}:{verb}",
        handler=handler,
        scope=Scope.OPERATE,
        summary=summary,
        body=body,
        body_required=required,
        reply=QueueReply,
        problems=(BAD_INPUT,),
        tag="queues",
    )


ROUTES = (
    Route(
        method="GET",
        path="/v1/queues",
        handler=listed,
        scope=Scope.READ,
        summary="Tell what is in all queues, of one instant",
        reply=StatisticsReply,
        query=(WINDOW, LINES),
        tag="queues",
    ),
    Route(
        method="GET",
        path="/v1/queues/{queue}",
        handler=shown,
        scope=Scope.READ,
        summary="Show what is set for a queue",
        reply=QueueReply,
        problems=(BAD_INPUT,),
        tag="queues",
    ),
    Route(
        method="GET",
        path="/v1/queues/{queue}/stats",
        handler=counted,
        scope=Scope.READ,
        summary="Tell what is in a queue, of one instant",
        reply=StatisticsReply,
        query=(WINDOW, LINES),
        problems=(BAD_INPUT,),
        tag="queues",
    ),
    _change(
        "pause", pause, Nothing, "Start nothing forward from a queue from now on", required=False
    ),
    _change("resume", resume, Nothing, "Start jobs of a queue again", required=False),
    _change("limit", bound, LimitQueue, "Bound how many jobs of a queue run at once"),
    _change("rate", rate, RateQueue, "Bound how often jobs of a queue start"),
    _change("aging", age, AgeQueue, "Say how many places in line a level of priority is worth"),
)
