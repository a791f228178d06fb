"""A proxy that loses questions and answers, each as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from urllib.parse import urlsplit


class Fate(StrEnum):
    """What becomes of one exchange."""

    PASS = "pass"
    LOSE_QUESTION = "the question is lost"
    LOSE_ANSWER = "the answer is lost"
    CUT_ANSWER = "the answer breaks off"
    TWICE = "the question arrives twice, and the first answer is lost"


FAULTS = tuple(fate for fate in Fate if fate is not Fate.PASS)


class Proxy:
    """One exchange after the other, each with the fate that it is given."""

    def __init__(self, host: str, port: int) -> None:
        self.fate: Callable[[bytes], Fate] = lambda _: Fate.PASS
        self.url = ""
        self._upstream = host, port
        self._serving: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """End what is under way."""
        for one in self._serving:
            one.cancel()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Everything that comes over one connection."""
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._exchange(reader, writer):
                pass
        self._serving.discard(task)
        writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection goes on."""
        question = await _message(reader)
        fate = self.fate(question.split(b"\r\n", 1)[0])
        if fate is Fate.LOSE_QUESTION:
            return False
        answer = await self._asked(question)
        if fate is Fate.TWICE:
            answer = await self._asked(question)
        if fate is Fate.LOSE_ANSWER:
            return False
        if fate is Fate.CUT_ANSWER:
            writer.write(answer[: len(answer) // 2])
            await writer.drain()
            return False
        writer.write(answer)
        await writer.drain()
        return True

    async def _asked(self, question: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*self._upstream)
        try:
            writer.write(question)
            await writer.drain()
            return await _message(reader)
        finally:
            writer.close()


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return head + await reader.readexactly(length)


@asynccontextmanager
async def between(url: str) -> AsyncIterator[Proxy]:
    """A proxy before the server at ``url``; its own address is in ``Proxy.url``."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    proxy = Proxy(parts.hostname, parts.port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    proxy.url = f"http://{host}:{port}"
    try:
        yield proxy
    finally:
        server.close()
        proxy.close()
