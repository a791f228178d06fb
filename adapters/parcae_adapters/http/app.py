"""The application: one entry that finds the route, checks what it says, and tells every error."""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import pkgutil
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from aiohttp import web
from attrs import evolve as replace

from parcae.definitions import Jobs
from parcae.engine import Engine
from parcae_adapters.http import routes as package
from parcae_adapters.http.access import NOBODY, Access, allow
from parcae_adapters.http.bodies import MOST_BYTES, plain, read_json, structured
from parcae_adapters.http.dispatch import Table, parameters
from parcae_adapters.http.hosts import Hosts
from parcae_adapters.http.problems import BAD_REQUEST, Problem, answer, of_error
from parcae_adapters.http.route import Call, Caller, Reply, Route

ENGINE = web.AppKey("engine", Engine)
JOBS = web.AppKey("jobs", Jobs)
CLOSING = web.AppKey("closing", asyncio.Event)
"""Set when the server begins to stop: what waits or streams then ends."""
ACCESS = web.AppKey("access", Access)
HOSTS = web.AppKey("hosts", Hosts)
TABLE = web.AppKey("table", Table)


class UnderWay:
    """Counts the requests that are being answered."""

    def __init__(self) -> None:
        self._count = 0
        self._none = asyncio.Event()
        self._none.set()

    def __enter__(self) -> None:
        """One more."""
        self._count += 1
        self._none.clear()

    def __exit__(self, *_: object) -> None:
        """One less."""
        self._count -= 1
        if not self._count:
            self._none.set()

    async def over(self, within: float) -> None:
        """Return once there are none, or after ``within`` seconds."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._none.wait(), within)


UNDER_WAY = web.AppKey("under_way", UnderWay)

HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Server": "parcae",
}
"""Of every answer of the API."""

log = logging.getLogger("parcae.http")
access_log = logging.getLogger("parcae.http.access")


def make_app(
    engine: Engine,
    *,
    access: Access,
    jobs: Jobs | None = None,
    hosts: Hosts | None = None,
    open_metrics: bool = False,
    more: Iterable[Route] = (),
) -> web.Application:
    """The HTTP interface on an engine.

    Args:
        engine: on the store, which the caller closes.
        access: who may ask what.
        jobs: the definitions that submissions are checked against, if any.
        hosts: the names that the server answers to; ``None``: to any.
        open_metrics: ``/metrics`` needs no token.
        more: further routes.
    """
    # As a middleware it sees every request, whatever its path: a route of all paths would not, but
    # spares aiohttp the making of a 404 that nobody sends.
    app = web.Application(client_max_size=MOST_BYTES, middlewares=[entry])
    app.router.add_route("*", "/{path:.*}", _nowhere, expect_handler=_expect)
    app[ENGINE] = engine
    app[ACCESS] = access
    app[CLOSING] = asyncio.Event()
    app[HOSTS] = Hosts.any() if hosts is None else hosts
    if jobs is not None:
        app[JOBS] = jobs
    table: list[Route] = [*more]
    for module in modules():
        table += module.ROUTES
        setup = getattr(module, "setup", None)
        if setup is not None:
            setup(app)
    if open_metrics:
        table = [replace(one, scope=None) if one.path == "/metrics" else one for one in table]
    app[TABLE] = Table(table)
    app[UNDER_WAY] = UnderWay()
    return app


def modules() -> list[Any]:
    """The modules with routes, by their names."""
    names = sorted(one.name for one in pkgutil.iter_modules(package.__path__))
    return [importlib.import_module(f"{package.__name__}.{name}") for name in names]


async def _nowhere(request: web.Request) -> web.StreamResponse:
    """Where no request gets: :func:`entry` answers it."""
    raise NotImplementedError(request.method)


async def _expect(request: web.Request) -> None:
    """Ask for the body where the client waits for that; other expectations may be ignored."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # What aiohttp itself does: an error may still be the first of the answer.
        request.writer.output_size = 0


@web.middleware
async def entry(request: web.Request, handler: Any) -> web.StreamResponse:  # noqa: ARG001
    """Answer one request, whatever happens."""
    with request.app[UNDER_WAY]:
        response = await _response(request)
    if request.app[CLOSING].is_set():
        response.force_close()
    return response


async def _response(request: web.Request) -> web.StreamResponse:
    began = time.perf_counter()
    caller = NOBODY
    try:
        app = request.app
        app[HOSTS].check(request)
        route, path = app[TABLE].find(request.method, request.rel_url.raw_path)
        if route.scope is not None:
            caller = app[ACCESS].caller(request)
            allow(caller, route.scope)
        response = await _within(route, request, caller, path)
    except asyncio.CancelledError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it becomes a problem
        response = _told(error, request)
    _log(request, caller, response, time.perf_counter() - began)
    return response


async def _within(
    route: Route, request: web.Request, caller: Caller, path: Any
) -> web.StreamResponse:
    if route.timeout is None:
        return await _answered(route, request, caller, path)
    async with asyncio.timeout(route.timeout.total_seconds()):
        return await _answered(route, request, caller, path)


async def _answered(
    route: Route, request: web.Request, caller: Caller, path: Any
) -> web.StreamResponse:
    app = request.app
    call = Call(
        request=request,
        engine=app[ENGINE],
        caller=caller,
        path=path,
        query=parameters(route, request.rel_url.raw_query_string),
        body=await _body(route, request),
        jobs=app.get(JOBS),
        closing=app[CLOSING],
    )
    reply = await route.handler(call)
    return written(reply) if isinstance(reply, Reply) else reply


async def _body(route: Route, request: web.Request) -> Any:
    if route.body is None:
        if request.body_exists and request.content_length != 0:
            raise Problem(BAD_REQUEST, "expected no body")
        return None
    if not route.body_required and (not request.body_exists or request.content_length == 0):
        return route.body()
    most = MOST_BYTES if route.most_bytes is None else route.most_bytes
    return structured(await read_json(request, most), route.body)


def written(reply: Reply) -> web.Response:
    """The response that carries a reply."""
    headers = {**HEADERS, **reply.headers}
    if reply.body is None:
        return web.Response(status=reply.status, headers=headers)
    # Most answers are plain values already; only what JSON does not know is made plain.
    body = json.dumps(reply.body, allow_nan=False, default=plain).encode()
    return web.Response(
        body=body, status=reply.status, headers=headers, content_type="application/json"
    )


def _told(error: Exception, request: web.Request) -> web.Response:
    problem = of_error(error)
    if problem.kind.status == 500:
        # Where it went wrong, for whoever runs the server; the caller learns only that it did.
        log.error(
            "%s %s failed: %s", request.method, request.path, type(error).__name__, exc_info=error
        )
    response = answer(problem)
    response.headers.update(HEADERS)
    if not request.content.at_eof():
        # What is left of the body is not read: the next request cannot follow it.
        response.force_close()
    return response


def _log(
    request: web.Request, caller: Caller, response: web.StreamResponse, seconds: float
) -> None:
    """A line for each request, without its query: somebody may have put a secret there."""
    if not access_log.isEnabledFor(logging.INFO):
        return
    access_log.info(
        "%s %s %s",
        request.method,
        request.rel_url.raw_path[:500],
        response.status,
        extra={
            "more": {
                "method": request.method,
                "path": request.rel_url.raw_path[:500],
                "status": response.status,
                "by": caller.name,
                "peer": request.app[ACCESS].peer(request),
                "seconds": round(seconds, 6),
            }
        },
    )
