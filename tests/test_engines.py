"""One contract of the use cases, held to by the engine on a store and by the one on a server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from http_server import TOKENS, access, served

from parcae import Engine
from parcae.ports import Store
from parcae_adapters.clock import ManualClock
from parcae_adapters.http.app import make_app
from parcae_adapters.http.remote import RemoteEngine
from parcae_adapters.http.route import Scope
from parcae_adapters.memory import MemoryStore
from parcae_adapters.sqlite import SqliteStore
from parcae_specs.contracts.engines import EngineContract
from parcae_specs.contracts.world import World


@asynccontextmanager
async def local(store: Store, clock: ManualClock) -> AsyncIterator[World]:
    """The engine on ``store`` itself."""
    async with Engine(store) as engine:
        yield World(engine, engine, clock)


@asynccontextmanager
async def remote(store: Store, clock: ManualClock) -> AsyncIterator[World]:
    """An engine on a server, a real one, whose store this is."""
    async with (
        Engine(store) as host,
        served(make_app(host, access=access())) as url,
        RemoteEngine(url, TOKENS[Scope.ADMIN]) as engine,
    ):
        yield World(engine, host, clock)


class TestMemory(EngineContract):
    def opened(self, folder: Path) -> AbstractAsyncContextManager[World]:  # noqa: ARG002
        clock = ManualClock()
        return local(MemoryStore(clock=clock), clock)


class TestSqlite(EngineContract):
    def opened(self, folder: Path) -> AbstractAsyncContextManager[World]:
        clock = ManualClock()
        return local(SqliteStore(folder / "jobs.db", clock=clock, durability="normal"), clock)


class TestRemoteOnMemory(EngineContract):
    def opened(self, folder: Path) -> AbstractAsyncContextManager[World]:  # noqa: ARG002
        clock = ManualClock()
        return remote(MemoryStore(clock=clock), clock)


class TestRemoteOnSqlite(EngineContract):
    def opened(self, folder: Path) -> AbstractAsyncContextManager[World]:
        clock = ManualClock()
        return remote(SqliteStore(folder / "jobs.db", clock=clock, durability="normal"), clock)
