"""The contract of senders, held to by the dispatcher's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

from parcae.deliveries import Attempt
from parcae.outbox import WebhookSender
from parcae.outbox_engine import OutboxEngine
from parcae.values import WorkerId, seconds
from parcae_adapters.clock import ManualClock
from parcae_adapters.http.dispatcher.sender import Sender
from parcae_adapters.http.dispatcher.settings import Settings
from parcae_adapters.http.guard import Allowed, Guard
from parcae_adapters.memory import MemoryStore
from parcae_specs.contracts import WebhookSenderContract
from parcae_specs.contracts.senders import MakeSender, Recording
from parcae_specs.drive import Driver


@asynccontextmanager
async def opened(engine: OutboxEngine) -> AsyncIterator[WebhookSender]:
    allowed = ALLOWED
    sender = Sender(engine, Settings(timeout=seconds(5), allowed=allowed), Guard(allowed), _never)
    try:
        yield sender
    finally:
        await sender.close()


ALLOWED = Allowed(hosts=("127.0.0.1",), http=True)


def _never() -> bool:
    return False


class TestSender(WebhookSenderContract):
    """S15, S28, L4."""

    make: ClassVar[MakeSender] = staticmethod(opened)


def test_a_sender_that_only_remembers_answers_as_it_was_told() -> None:
    async def use() -> None:
        engine = OutboxEngine(MemoryStore(clock=ManualClock()))
        await engine.subscribe("hook", "https://example.org/")
        await Driver(engine.store).submit()
        sender = Recording(Attempt(status=503))
        given = await engine.take(WorkerId("sender"), request="1")
        assert [(await sender.send(one)).status for one in given] == [503, 204]
        assert sender.sent == list(given)

    asyncio.run(use())
