"""Our server, for one of its routes to be measured."""

from __future__ import annotations

import asyncio
import sys

from aiohttp import web

from parcae import Engine
from parcae_adapters.http.access import Access
from parcae_adapters.http.app import make_app
from parcae_adapters.http.route import Scope
from parcae_adapters.sqlite import SqliteStore

TOKEN = "parcae_bench_token_that_guards_nothing"


async def serve(path: str) -> None:
    """Serve until somebody kills us; the port is told on standard output."""
    access = Access.of(("bench", TOKEN, (Scope.ADMIN,)))
    async with Engine(SqliteStore(path)) as engine:
        runner = web.AppRunner(make_app(engine, access=access), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        sys.stdout.write(f"{runner.addresses[0][1]}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
