"""Whether the server lives, and whether it can serve."""

from __future__ import annotations

from parcae.ports import Query
from parcae_adapters.http.problems import DRAINING, Problem
from parcae_adapters.http.route import Call, Reply, Route


async def live(call: Call) -> Reply:  # noqa: ARG001 - alike for all
    """It answers: nothing else is asked."""
    return Reply(body={"status": "ok"})


async def ready(call: Call) -> Reply:
    """It can serve: the store answers, and it is not about to stop."""
    if call.closing.is_set():
        raise Problem(DRAINING, "the server is stopping", headers={"Retry-After": "5"})
    await call.engine.find(Query(limit=1))
    return Reply(body={"status": "ok"})


ROUTES = (
    Route(
        method="GET",
        path="/livez",
        handler=live,
        scope=None,
        summary="Whether the process answers",
        reply=dict[str, str],
        tag="health",
    ),
    Route(
        method="GET",
        path="/readyz",
        handler=ready,
        scope=None,
        summary="Whether the server can serve: its store answers, and it is not stopping",
        reply=dict[str, str],
        tag="health",
    ),
)
