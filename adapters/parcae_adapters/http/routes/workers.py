"""The register of workers: who is there. Workers without the database say so here."""

from __future__ import annotations

from datetime import datetime, timedelta

from attrs import frozen

from parcae import workers
from parcae.roster import roster
from parcae.values import MAX_NAME, Instant, WorkerId
from parcae_adapters.http.fields import label, many, name, number
from parcae_adapters.http.problems import BAD_INPUT, Problem
from parcae_adapters.http.route import Call, Reply, Route, Scope
from parcae_adapters.records.workers import worker_record


@frozen(kw_only=True)
class PresenceBody:
    """What a worker says of itself; when it has said so, the server knows.

    Attributes:
        id: its name, unique among all workers.
        host: the machine that it runs on; empty: unknown.
        pid: its process there; 0: unknown.
        kinds: what it can run.
        queues: only from these; none: from all.
        capacity: how many jobs it runs at once.
        abandoned: handlers that go on although their lease is gone.
        draining: it stops, and takes no more jobs.
        version: of whatever it is written with.
        up_for: seconds since it started.
        again_in: seconds within which it says so again.
    """

    id: str = name()
    host: str = label()
    pid: int = number(0, least=0, most=2**53)
    kinds: tuple[str, ...] = many(most=1_000)
    queues: tuple[str, ...] | None = many(None, most=1_000)
    capacity: int = number(1, least=1, most=1_000)
    abandoned: int = number(0, least=0, most=1_000)
    draining: bool = False
    version: str = label()
    up_for: float = number(0, least=0, most=10**9)
    again_in: float = number(10, least=1, most=3_600)


@frozen(kw_only=True)
class WorkerReply:
    """A worker; null where it has written nothing down, so that only its leases are known."""

    worker: str
    state: str
    jobs: int
    heard_at: datetime | None
    lapsed: bool
    host: str | None
    pid: int | None
    kinds: tuple[str, ...] | None
    queues: tuple[str, ...] | None
    capacity: int | None
    abandoned: int | None
    started_at: datetime | None
    until: datetime | None
    version: str | None


@frozen(kw_only=True)
class WorkersReply:
    """All workers of whom anything is known, by name."""

    workers: tuple[WorkerReply, ...]


async def listed(call: Call) -> Reply:
    """Who is there, and who holds leases without having said so."""
    found = await roster(call.engine.store)
    return Reply(body={"workers": [worker_record(one) for one in found]})


async def enlist(call: Call) -> Reply:
    """Write down that a worker is there."""
    body: PresenceBody = call.body
    try:
        presence = _presence(body, call.engine.clock.now())
    except ValueError as error:
        raise Problem(BAD_INPUT, f"$: {error}") from None
    await call.engine.enlist(presence)
    return Reply(status=204)


def _presence(body: PresenceBody, now: Instant) -> workers.Presence:
    return workers.Presence(
        id=WorkerId(body.id),
        host=body.host,
        pid=body.pid,
        kinds=body.kinds,
        queues=body.queues,
        capacity=body.capacity,
        abandoned=body.abandoned,
        draining=body.draining,
        version=body.version,
        started_at=now - timedelta(seconds=body.up_for),
        heard_at=now,
        until=workers.until(now, timedelta(seconds=body.again_in)),
    )


async def dismiss(call: Call) -> Reply:
    """Strike a worker out; one that is not there is struck out too."""
    worker = call.path["worker"]
    if len(worker) > MAX_NAME:
        raise Problem(BAD_INPUT, f"expected a name of at most {MAX_NAME} characters")
    await call.engine.dismiss(WorkerId(worker))
    return Reply(status=204)


ROUTES = (
    Route(
        method="GET",
        path="/v1/workers",
        handler=listed,
        scope=Scope.READ,
        summary="List the workers: who is there, what they can run, and what does not stop",
        reply=WorkersReply,
        tag="work",
    ),
    Route(
        method="POST",
        path="/v1/workers",
        handler=enlist,
        scope=Scope.WORK,
        summary="Say that a worker is there, again and again",
        body=PresenceBody,
        reply=None,
        status=204,
        problems=(BAD_INPUT,),
        tag="work",
    ),
    Route(
        method="DELETE",
        path="/v1/workers/{worker}",
        handler=dismiss,
        scope=Scope.WORK,
        summary="Say that a worker has stopped",
        reply=None,
        status=204,
        problems=(BAD_INPUT,),
        tag="work",
    ),
)
