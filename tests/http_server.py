"""A real server on a free port, and a client that speaks to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientResponse, ClientSession, web
from multidict import CIMultiDict

from parcae import Engine, Jobs
from parcae_adapters.http.access import Access, new_token
from parcae_adapters.http.app import make_app
from parcae_adapters.http.listening import Address, listening
from parcae_adapters.http.route import Scope
from parcae_adapters.http.throttle import Throttle

TOKENS = {scope: new_token() for scope in Scope}
"""One for each scope, named like it."""


def access() -> Access:
    """Who may ask: the four of :data:`TOKENS`; and as often wrongly as anybody likes."""
    tokens = ((str(scope), token, (scope,)) for scope, token in TOKENS.items())
    return Access.of(*tokens, throttle=Throttle(burst=1_000_000))


class Client:
    """A session with the server, as the holder of one token."""

    def __init__(self, session: ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def __call__(
        self, method: str, path: str, *, scope: Scope | None = Scope.ADMIN, **options: Any
    ) -> ClientResponse:
        """Ask; the body is read before this returns."""
        headers = CIMultiDict(options.pop("headers", {}))
        if scope is not None:
            headers.setdefault("Authorization", f"Bearer {TOKENS[scope]}")
        response = await self.session.request(method, self.url + path, headers=headers, **options)
        await response.read()
        return response


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[str]:
    """Serve ``app`` on a free port of the loopback; its address."""
    async with listening(app, Address(host="127.0.0.1", port=0), drain=2) as url:
        yield url


@asynccontextmanager
async def serving(engine: Engine, jobs: Jobs | None = None) -> AsyncIterator[Client]:
    """A server on ``engine``, and a client of it."""
    async with (
        served(make_app(engine, access=access(), jobs=jobs)) as url,
        ClientSession() as session,
    ):
        yield Client(session, url)
