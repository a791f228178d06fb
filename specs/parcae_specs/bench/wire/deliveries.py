"""Signed deliveries to a local receiver beside a bare loop of an aiohttp client."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import aiohttp

from parcae import Engine
from parcae.filters import Filter
from parcae.outbox_engine import OutboxEngine
from parcae_adapters.http.dispatcher import Dispatcher, Settings
from parcae_adapters.http.guard import Allowed
from parcae_adapters.http.whsec import new_secret
from parcae_adapters.sqlite import SqliteStore
from parcae_specs.bench.load import noop
from parcae_specs.bench.smoke import Ratio
from parcae_specs.bench.wire.servers import server

CONNECTIONS = 50
AT_ONCE = 100


async def ours(path: Path, port: int, count: int) -> float:
    """Deliveries a second, from the first that is taken to the last that is recorded."""
    store = SqliteStore(path)
    async with Engine(store) as engine:
        outbox = OutboxEngine(store)
        await outbox.subscribe(
            "bench",
            f"http://127.0.0.1:{port}/hook",
            wanted=Filter(types=("submitted",)),
            secret=new_secret(),
        )
        await _submit(engine, count)
        settings = Settings(
            concurrency=CONNECTIONS,
            per_endpoint=CONNECTIONS,
            allowed=Allowed(hosts=("127.0.0.1",), http=True),
        )
        began = time.perf_counter()
        async with Dispatcher(outbox, settings):
            while True:
                mark = store.mark()
                if await _delivered(store, count):
                    break
                await store.wait(mark)
            return count / (time.perf_counter() - began)


async def _submit(engine: Engine, count: int) -> None:
    jobs = noop()

    async def client(share: int) -> None:
        for _ in range(share):
            await engine.submit(jobs["noop"]())

    await asyncio.gather(*(client(count // AT_ONCE) for _ in range(AT_ONCE)))


async def _delivered(store: SqliteStore, count: int) -> bool:
    tally = await store.tally()
    return sum(number for (_, stage), number in tally.items() if stage == "delivered") == count


async def bare(port: int, count: int, body: bytes) -> float:
    """Requests a second of as many tasks as there are connections, each one after the other."""
    left = count
    url, headers = f"http://127.0.0.1:{port}/hook", {"Content-Type": "application/json"}

    async def task(session: aiohttp.ClientSession) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            async with session.post(url, data=body, headers=headers) as response:
                await response.read()
                assert response.status == 204

    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector) as session:
        began = time.perf_counter()
        await asyncio.gather(*(task(session) for _ in range(CONNECTIONS)))
        return count / (time.perf_counter() - began)


def compare(folder: Path, *, rounds: int, count: int) -> Ratio:
    """Both in turns, to one receiver in a process of its own."""
    pairs = []
    with server("sink") as port:
        for turn in range(rounds + 1):
            own = asyncio.run(ours(folder / f"deliveries-{turn}.db", port, count))
            pairs.append((own, asyncio.run(bare(port, count, b"x" * 400))))
    # The first round warms both up.
    return Ratio(ours=[one for one, _ in pairs[1:]], plain=[one for _, one in pairs[1:]])
