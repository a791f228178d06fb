"""What the server says of itself: its description, and its metrics."""

from __future__ import annotations

import asyncio
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from aiohttp import web

from parcae_adapters.http.app import TABLE
from parcae_adapters.http.openapi import described
from parcae_adapters.http.problems import NOT_INSTALLED, Problem
from parcae_adapters.http.route import Call, Reply, Route, Scope

LOOKING = web.AppKey("looking", asyncio.Lock)
COUNTED: web.AppKey[list[Any]] = web.AppKey("counted", list)
"""The counters, once somebody has asked for them."""


def setup(app: web.Application) -> None:
    """Make room for the counters."""
    app[LOOKING] = asyncio.Lock()
    app[COUNTED] = []


async def description(call: Call) -> Reply:
    """The OpenAPI document."""
    try:
        number = version("parcae")
    except PackageNotFoundError:  # run from a tree that was never installed
        number = "0"
    return Reply(body=described(call.request.app[TABLE].routes, number))


async def metrics(call: Call) -> web.Response:
    """What happened since the log began, and how the queues are now."""
    try:
        from parcae_adapters.metrics import Metrics
    except ModuleNotFoundError:
        raise Problem(NOT_INSTALLED, "the server needs the extra parcae[metrics]") from None
    app = call.request.app
    # One counts after the other: two that read the log at once would count it twice.
    async with app[LOOKING]:
        counted = app[COUNTED]
        if not counted:
            counted.append(Metrics(call.engine))
        await counted[0].update()
        text: str = counted[0].text()
    return web.Response(text=text, content_type="text/plain", charset="utf-8")


ROUTES = (
    Route(
        method="GET",
        path="/openapi.json",
        handler=description,
        scope=None,
        summary="This document",
        reply=dict[str, Any],
        tag="documents",
    ),
    Route(
        method="GET",
        path="/metrics",
        handler=metrics,
        scope=Scope.READ,
        summary="Metrics, for Prometheus",
        media="text/plain",
        tag="documents",
    ),
)
