"""Many connections that each repeat one request: as little work as a client can do.

It runs in a process of its own, so that what is measured is the server.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from functools import partial

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def request(path: str, body: bytes, *, token: str = "", host: str = "127.0.0.1") -> bytes:
    """One POST, ready to be written."""
    head = [f"POST {path} HTTP/1.1", f"Host: {host}", "Content-Type: application/json"]
    head += [f"Content-Length: {len(body)}"]
    head += [f"Authorization: Bearer {token}"] if token else []
    return "\r\n".join([*head, "", ""]).encode() + body


class Repeater(asyncio.Protocol):
    """Writes the request again as soon as an answer is whole, as often as there is one to make."""

    def __init__(self, one: bytes, more: Callable[[], bool], over: asyncio.Future[None]) -> None:
        self._one, self._more, self._over = one, more, over
        self._read = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        """A part of an answer."""
        self._read += data
        head = self._read.find(b"\r\n\r\n")
        if head < 0:
            return
        length = LENGTH.search(self._read, 0, head + 2)
        end = head + 4 + int(length.group(1) if length else 0)
        if len(self._read) < end:
            return
        if self._read[9:10] != b"2":
            self._fail(RuntimeError(f"refused: {self._read[:500]!r}"))
            return
        self._read = b""
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        """The end; too early if there was more to do."""
        self._fail(error or ConnectionError("the server closed the connection"))

    def _next(self) -> None:
        assert self._transport is not None
        if self._more():
            self._transport.write(self._one)
        elif not self._over.done():
            self._over.set_result(None)
            self._transport.close()

    def _fail(self, error: Exception) -> None:
        if not self._over.done():
            self._over.set_exception(error)


async def repeat(port: int, one: bytes, connections: int, count: int) -> float:
    """Seconds that ``count`` requests take over so many connections."""
    loop = asyncio.get_running_loop()
    left = count

    def more() -> bool:
        nonlocal left
        left -= 1
        return left >= 0

    over = [loop.create_future() for _ in range(connections)]
    began = time.perf_counter()
    for future in over:
        await loop.create_connection(partial(Repeater, one, more, future), "127.0.0.1", port)
    await asyncio.gather(*over)
    return time.perf_counter() - began
