"""Receivers of webhooks on real sockets, and stores that owe them something."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from aiohttp import web
from attrs import Factory, define, frozen

from parcae import Context, Engine, Jobs
from parcae.deliveries import Delivery, Standing
from parcae.filters import Filter
from parcae.outbox_engine import OutboxEngine
from parcae.ports import DeliveryQuery
from parcae.values import JobId
from parcae_adapters.http.dispatcher import Dispatcher, Settings
from parcae_adapters.http.guard import Allowed

jobs = Jobs()
LOCAL = Allowed(hosts=["localhost"], http=True)
PATIENCE = 20.0


@jobs.job("greet", queue="mail")
def greet(ctx: Context, name: str) -> str:  # noqa: ARG001
    return name


@frozen(kw_only=True)
class Message:
    """What a receiver got."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """That of the webhook: the same over all tries."""
        return self.headers["webhook-id"]


Answer = Callable[[web.Request, Message], Awaitable[web.StreamResponse]]


async def fine(request: web.Request, message: Message) -> web.StreamResponse:  # noqa: ARG001
    """Take whatever comes."""
    return web.Response(status=204)


@define
class Receiver:
    """Somebody who listens on a free port of the loopback."""

    answer: Answer = fine
    port: int = 0
    got: list[Message] = Factory(list)
    now: int = 0
    most: int = 0

    def url(self, path: str = "/hooks") -> str:
        """Where it is."""
        return f"http://localhost:{self.port}{path}"

    @property
    def ids(self) -> list[str]:
        """Of what came, in order."""
        return [one.id for one in self.got]

    async def hear(self, request: web.Request) -> web.StreamResponse:
        """Keep what came, and answer."""
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            headers = {name.lower(): value for name, value in request.headers.items()}
            message = Message(path=request.path, headers=headers, body=await request.read())
            self.got.append(message)
            return await self.answer(request, message)
        finally:
            self.now -= 1


@asynccontextmanager
async def receiving(answer: Answer = fine) -> AsyncIterator[Receiver]:
    """A receiver that listens."""
    one = Receiver(answer)
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", one.hear)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    one.port = runner.addresses[0][1]
    try:
        yield one
    finally:
        await runner.cleanup()


def dispatcher(outbox: OutboxEngine, **options: Any) -> Dispatcher:
    """One that may reach the loopback by its name."""
    parts = {name: options.pop(name) for name in ("clock", "guard", "name") if name in options}
    settings = Settings(**{"allowed": LOCAL, "drain": timedelta(seconds=5), **options})
    return Dispatcher(outbox, settings, **parts)


async def until(condition: Callable[[], Awaitable[Any] | Any]) -> None:
    """Return once it holds.

    Raises:
        TimeoutError: it did not within :data:`PATIENCE` seconds.
    """
    async with asyncio.timeout(PATIENCE):
        while True:
            found = condition()
            if isinstance(found, Awaitable):
                found = await found
            if found:
                return
            await asyncio.sleep(0.005)


async def owe(engine: Engine, number: int, prefix: str = "") -> list[str]:
    """Have so many jobs submitted, of which each owes one delivery to who hears of that."""
    made = [engine.submit(greet(f"{prefix}{one}")) for one in range(number)]
    return [str(one.job_id) for one in await asyncio.gather(*made)]


SUBMITTED = Filter(types=["submitted"])


async def notes(engine: Engine, job_id: str, number: int) -> None:
    """Have so many notes added to a job, one after the other."""
    for one in range(number):
        await engine.annotate(JobId(job_id), f"note {one}")


async def standings(outbox: OutboxEngine, name: str) -> dict[Standing, int]:
    """How many deliveries of a subscription are in which state."""
    tally = await outbox.store.tally()
    return {stage: number for (whose, stage), number in tally.items() if whose == name}


async def all_delivered(outbox: OutboxEngine, name: str, number: int) -> bool:
    """Whether so many are delivered to it, and nothing else is left."""
    return await standings(outbox, name) == ({Standing.DELIVERED: number} if number else {})


async def listed(outbox: OutboxEngine, name: str) -> Sequence[Delivery]:
    """The deliveries of a subscription, the newest first."""
    found = await outbox.deliveries(DeliveryQuery(subscriptions=frozenset({name}), limit=1_000))
    return found.deliveries
