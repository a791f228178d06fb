"""What every sender of webhooks promises: one try, the same bytes, and whatever happens told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import ClassVar

import pytest
from attrs import Factory, define

from parcae.deliveries import Attempt, is_success, webhook_id
from parcae.deliveries.attempt import LONGEST_EXCERPT
from parcae.outbox import Dispatch, WebhookSender
from parcae.outbox_engine import OutboxEngine
from parcae.values import WorkerId, seconds
from parcae_adapters.clock import SystemClock
from parcae_adapters.memory import MemoryStore
from parcae_specs.contracts.kit import PATIENCE
from parcae_specs.drive import Driver

MakeSender = Callable[[OutboxEngine], AbstractAsyncContextManager[WebhookSender]]
SECRET = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OK = b"HTTP/1.1 204 No Content\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


@define
class Receiver:
    """A real one, on a socket: what it got, and what it answers.

    Attributes:
        answer: all bytes of it; ``None``: it closes without one.
        got: of each request its headers, in small letters, and its body.
    """

    answer: bytes | None = OK
    got: list[tuple[Mapping[str, str], bytes]] = Factory(list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request on one connection."""
        try:
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            pairs = (line.partition(":") for line in lines if line)
            headers = {name.lower(): value.strip() for name, _, value in pairs}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.got.append(({**headers, ":": first}, body))
            if self.answer is not None:
                writer.write(self.answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


class WebhookSenderContract:
    """Inherit, and say in ``make`` how to make the sender; it may send to 127.0.0.1 by http."""

    make: ClassVar[MakeSender]

    def test_s15_what_is_sent_is_the_body_and_its_name_and_again_the_same(self) -> None:
        """S15, WebhookSender 1: in every try."""

        async def use(sender: WebhookSender, one: Dispatch, receiver: Receiver) -> None:
            for _ in range(2):
                assert is_success(await sender.send(one))
            (headers, body), (again, same) = receiver.got
            assert body == same == one.body, "S15: another body"
            assert headers[":"].startswith("POST /hook?x=1 ")
            name = webhook_id(one.delivery)
            assert headers["webhook-id"] == again["webhook-id"] == name, "S15: another name"
            assert headers["webhook-signature"].startswith("v1,")
            assert "whsec" not in str(headers)
            assert SECRET.decode().removeprefix("whsec_") not in str(headers)

        self._play(use)

    @pytest.mark.parametrize("status", [200, 299, 301, 307, 400, 410, 429, 500, 503])
    def test_l4_whatever_the_receiver_says_is_told_as_it_was(self, status: int) -> None:
        """L4, WebhookSender 2: no redirect is followed, and a wait that was asked for is told."""

        async def use(sender: WebhookSender, one: Dispatch, receiver: Receiver) -> None:
            where = f"Location: {receiver.url}\r\nRetry-After: 7\r\n"
            receiver.answer = (
                f"HTTP/1.1 {status} X\r\n{where}Content-Length: 5\r\n\r\nhello".encode()
            )
            attempt = await sender.send(one)
            assert (attempt.status, attempt.excerpt) == (status, "hello")
            assert attempt.retry_after == (None if is_success(attempt) else seconds(7))
            assert len(receiver.got) == 1, "a redirect was followed"

        self._play(use)

    @pytest.mark.parametrize(
        "answer", [None, b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200", b"\xff" * 99_999]
    )
    def test_l4_an_answer_that_is_none_is_told_as_an_error(self, answer: bytes | None) -> None:
        """L4, WebhookSender 3: nothing a receiver does is raised, and the address is not told."""

        async def use(sender: WebhookSender, one: Dispatch, receiver: Receiver) -> None:
            receiver.answer = answer
            attempt = await sender.send(one)
            assert attempt.status is None
            assert attempt.error
            assert "hook" not in attempt.error, "S28: the address may be a secret"

        self._play(use)

    def test_l4_where_nobody_listens_an_error_is_told(self) -> None:
        """L4, WebhookSender 3."""

        async def use(sender: WebhookSender, one: Dispatch, receiver: Receiver) -> None:
            assert receiver.got == []
            attempt = await sender.send(one)
            assert attempt.status is None
            assert attempt.error

        self._play(use, listening=False)

    def test_s28_of_an_answer_that_never_ends_only_the_beginning_is_kept(self) -> None:
        """S28, WebhookSender 4."""

        async def use(sender: WebhookSender, one: Dispatch, receiver: Receiver) -> None:
            length = 30_000_000
            head = f"HTTP/1.1 500 X\r\nContent-Length: {length}\r\n\r\n".encode()
            receiver.answer = head + b"x" * 200_000
            attempt = await sender.send(one)
            assert attempt.status in {None, 500}
            assert len(attempt.excerpt) <= LONGEST_EXCERPT

        self._play(use)

    def _play(
        self,
        use: Callable[[WebhookSender, Dispatch, Receiver], Awaitable[None]],
        *,
        listening: bool = True,
    ) -> None:
        async def body() -> None:
            async with asyncio.timeout(PATIENCE), _received(listening=listening) as receiver:
                engine = OutboxEngine(MemoryStore(clock=SystemClock()))
                await engine.subscribe("hook", receiver.url, secret=SECRET)
                await Driver(engine.store).submit()
                one, *_ = await engine.take(WorkerId("sender"), request="1")
                async with type(self).make(engine) as sender:
                    await use(sender, one, receiver)

        asyncio.run(body())


@asynccontextmanager
async def _received(*, listening: bool) -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    receiver.url = f"http://127.0.0.1:{port}/hook?x=1"
    if not listening:
        server.close()
        await server.wait_closed()
    try:
        yield receiver
    finally:
        server.close()


class Recording:
    """A sender for tests of those who use one: it opens no connection, and remembers.

    Args:
        answers: in turn; then every try succeeds.
    """

    def __init__(self, *answers: Attempt) -> None:
        self.answers = list(answers)
        self.sent: list[Dispatch] = []

    async def send(self, one: Dispatch, /) -> Attempt:
        """Remember, and answer as was wanted."""
        self.sent.append(one)
        return self.answers.pop(0) if self.answers else Attempt(status=204)
