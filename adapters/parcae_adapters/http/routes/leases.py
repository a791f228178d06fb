"""Work for whoever has no access to the database: claims, and what it takes to do the work.

A claim whose answer was lost is repeated under its request key, and grants the same leases again.
"""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

from aiohttp import web

from parcae.answers import Granted
from parcae.context import PAYLOAD, result_name
from parcae.engine import Engine
from parcae.ports import Query
from parcae.state import Running
from parcae.values import JobId, Status, Token, WorkerId
from parcae_adapters.http import leased as w
from parcae_adapters.http.holding import told
from parcae_adapters.http.problems import BAD_INPUT, LEASE_LOST, NOT_FOUND, OVERLOADED
from parcae_adapters.http.route import Call, Param, Reply, Route, Scope
from parcae_adapters.http.waiting import CROWD, Crowd, news, still_there

MOST_PAYLOADS = 4 * 1_048_576
"""Bytes of payloads that come along with one claim; what is more has to be asked for."""

PATIENCE = timedelta(seconds=w.MOST_WAIT + 15)


def setup(app: web.Application) -> None:
    """Count those that wait, for as long as the server lives."""
    app[CROWD] = Crowd()


async def claim(call: Call) -> Reply:
    """Grant what there is, or wait for it; to a repeated request what it was granted before."""
    body: w.Claim = call.body
    loop = asyncio.get_running_loop()
    began = loop.time()
    granted, waited = await _granted(call, body), 0.0
    if not granted and body.wait and body.kinds:
        with call.request.app[CROWD].joined():
            granted, waited = await _waited(call, body, began)
    now = call.engine.clock.now()
    due = None if granted else await call.engine.next_due(now)
    leases = await _leases(call.engine, granted, record=body.record)
    next_in = None if due is None else max((due - now).total_seconds(), 0.0)
    return Reply(body=w.Leases(leases=leases, waited=waited, next_in=next_in))


async def _granted(call: Call, body: w.Claim) -> tuple[Granted, ...]:
    still_there(call)
    found = await call.engine.claim(
        WorkerId(body.worker),
        frozenset(body.kinds),
        request=body.request,
        limit=body.limit,
        queues=None if body.queues is None else frozenset(body.queues),
        without=frozenset(map(JobId, body.without)),
    )
    return tuple(found)


async def _waited(call: Call, body: w.Claim, began: float) -> tuple[tuple[Granted, ...], float]:
    """What is granted within the time, and how many seconds after ``began`` it was asked for."""
    loop = asyncio.get_running_loop()
    until = began + body.wait
    while True:
        mark = call.engine.news()
        asked = loop.time()
        granted = await _granted(call, body)
        if granted or asked >= until or call.closing.is_set():
            return granted, asked - began
        now = call.engine.clock.now()
        due = await call.engine.next_due(now)
        look = until if due is None else min(until, loop.time() + (due - now).total_seconds())
        await news(call, mark, look)


async def _leases(
    engine: Engine, granted: tuple[Granted, ...], *, record: bool
) -> tuple[w.Lease, ...]:
    found: list[w.Lease] = []
    room = 0 if record else MOST_PAYLOADS
    for one in granted:
        size = one.job.spec.payload.size
        payload = None
        if size <= room:
            payload = (await engine.blobs(one.job.id, (PAYLOAD,))).get(PAYLOAD)
            room -= size
        found.append(w.lease(one, engine.clock.now(), payload=payload, record=record))
    return tuple(found)


async def held(call: Call) -> Reply:
    """What a worker holds."""
    query = Query(
        worker=WorkerId(call.query["worker"]),
        statuses=frozenset({Status.RUNNING, Status.COMPENSATING}),
        limit=1_000,
    )
    page = await call.engine.find(query)
    leases = []
    for stored in page.jobs:
        state, lease = stored.job.state, stored.job.lease
        if lease is None:
            continue
        cancel = isinstance(state, Running) and state.cancel is not None
        one = w.HeldLease(
            job_id=stored.job.id,
            token=lease.token,
            status=str(stored.job.status),
            cancel_requested=cancel,
        )
        leases.append(one)
    return Reply(body=w.HeldLeases(leases=tuple(leases)))


async def inputs(call: Call) -> Reply:
    """What the handlers of a job are given, for whoever holds it."""
    job_id, token = JobId(call.path["job_id"]), Token(call.query["token"])
    handed = await told(call.engine, job_id, call.engine.inputs(job_id, token))
    as_text: bool = call.query["text"]

    def value(data: bytes) -> Any:
        return data.decode() if as_text else json.loads(data)

    prefix = result_name("")
    results = {
        name.removeprefix(prefix): value(data)
        for name, data in handed.blobs.items()
        if name.startswith(prefix)
    }
    payload = handed.blobs.get(PAYLOAD)
    body = w.Inputs(
        payload=None if payload is None else value(payload),
        results=results,
        parents={name: value(data) for name, data in handed.parents.items()},
    )
    return Reply(body=body)


async def listen(call: Call) -> Reply:
    """Wait for news of any kind; nothing is claimed by it, so that it may be cut off."""
    crowd = call.request.app[CROWD]
    known, loop = call.query["after"], asyncio.get_running_loop()
    mark = call.engine.news()
    if known == crowd.mark(mark):
        with crowd.joined():
            await news(call, mark, loop.time() + call.query["wait"])
    now = crowd.mark(call.engine.news())
    return Reply(body=w.News(mark=now, news=now != known))


ROUTES = (
    Route(
        method="POST",
        path="/v1/leases",
        handler=claim,
        scope=Scope.WORK,
        summary="Claim jobs, or wait until there are some",
        description="Repeated under the same request key it grants the same leases. A request "
        "whose connection is lost while it waits claims nothing.",
        body=w.Claim,
        reply=w.Leases,
        problems=(BAD_INPUT, OVERLOADED),
        timeout=PATIENCE,
        tag="work",
    ),
    Route(
        method="GET",
        path="/v1/leases",
        handler=held,
        scope=Scope.WORK,
        summary="What a worker holds, and which of it somebody wants cancelled",
        reply=w.HeldLeases,
        query=(Param(name="worker", description="whose leases", default="", most=200),),
        tag="work",
    ),
    Route(
        method="GET",
        path="/v1/leases/{job_id}/inputs",
        handler=inputs,
        scope=Scope.WORK,
        summary="What the handlers of a job are given, for whoever holds it",
        reply=w.Inputs,
        query=(
            Param(
                name="token", kind=int, description="of the lease", default=0, least=0, most=2**53
            ),
            Param(name="text", kind=bool, description="each value as JSON text", default=False),
        ),
        problems=(NOT_FOUND, LEASE_LOST),
        tag="work",
    ),
    Route(
        method="GET",
        path="/v1/leases:news",
        handler=listen,
        scope=Scope.WORK,
        summary="Wait for news: work, cancels, whatever is worth a look",
        reply=w.News,
        query=(
            Param(name="after", description="the mark of the last answer", default=""),
            Param(
                name="wait",
                kind=int,
                description="seconds to wait at the most",
                default=0,
                least=0,
                most=w.MOST_WAIT,
            ),
        ),
        problems=(OVERLOADED,),
        timeout=PATIENCE,
        tag="work",
    ),
)
