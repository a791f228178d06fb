"""The bus over HTTP: held to the very contract that the stores' own buses pass."""

from __future__ import annotations

import asyncio
import socket

import pytest
from aiohttp import web
from http_server import TOKENS, access, served

from parcae import Engine
from parcae.errors import Unavailable
from parcae.ports import EventBus, Store
from parcae_adapters.http.app import make_app
from parcae_adapters.http.bus import HttpBus
from parcae_adapters.http.outbound import SEALED, Sealed
from parcae_adapters.http.route import Scope
from parcae_adapters.memory import MemoryStore
from parcae_specs.contracts import EventBusContract
from parcae_specs.contracts.kit import Kit
from parcae_specs.contracts.ours import MEMORY, SQLITE
from parcae_specs.drive import Driver

TOKEN = TOKENS[Scope.READ]


class Http(EventBusContract):
    async def bus(self, kit: Kit, driver: Driver) -> EventBus:
        app = make_app(Engine(store=driver.store), access=access())
        url = await kit.beside.enter_async_context(served(app))
        return await kit.beside.enter_async_context(HttpBus(url, TOKEN, clock=kit.clock))


class TestHttpBusOnMemory(Http):
    """L2, L8."""

    subject = MEMORY


class TestHttpBusOnSqlite(Http):
    """L2, L8."""

    subject = SQLITE


async def _serve(store: Store, port: int = 0) -> tuple[web.AppRunner, int]:
    app = make_app(Engine(store=store), access=access())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True).start()
    return runner, runner.addresses[0][1]


def test_l2_given_a_server_that_was_away_when_it_is_back_then_what_happened_meanwhile_wakes() -> (
    None
):
    """L2: a job that ended while nobody could listen is told of on the next connection."""

    async def play() -> None:
        driver = Driver(MemoryStore())
        job = await driver.submit()
        (granted,) = await driver.claim()
        runner, port = await _serve(driver.store)
        async with HttpBus(f"http://127.0.0.1:{port}", TOKEN) as bus:
            mark = bus.mark()
            waiting = asyncio.create_task(bus.wait(mark, None, job))
            # An event, so that it knows where it was and asks to go on from there.
            await driver.submit()
            await bus.wait(mark)
            await runner.cleanup()
            await driver.work(granted)
            assert not waiting.done()
            runner, _ = await _serve(driver.store, port)
            assert await asyncio.wait_for(waiting, 10) > mark
        await runner.cleanup()

    asyncio.run(play())


def test_given_no_server_or_a_wrong_token_when_it_connects_then_it_says_so() -> None:
    async def play() -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(Unavailable, match=nobody):
            await HttpBus(nobody, TOKEN).__aenter__()
        runner, port = await _serve(MemoryStore())
        with pytest.raises(Unavailable, match="401") as caught:
            await HttpBus(f"http://127.0.0.1:{port}", "s3cret").__aenter__()
        assert "s3cret" not in str(caught.value)
        await runner.cleanup()

    asyncio.run(play())


def test_given_a_sealed_process_when_it_connects_then_nothing_is_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(SEALED, "1")
    with pytest.raises(Sealed):
        asyncio.run(HttpBus("http://127.0.0.1:1", TOKEN).__aenter__())


def test_given_a_closed_bus_when_somebody_waits_then_it_is_told() -> None:
    async def play() -> None:
        runner, port = await _serve(MemoryStore())
        async with HttpBus(f"http://127.0.0.1:{port}", TOKEN) as bus:
            waiting = asyncio.create_task(bus.wait(bus.mark()))
            await asyncio.sleep(0)
        await asyncio.wait_for(waiting, 5)
        with pytest.raises(Unavailable):
            await bus.wait(bus.mark())
        await bus.close()
        await runner.cleanup()

    asyncio.run(play())
