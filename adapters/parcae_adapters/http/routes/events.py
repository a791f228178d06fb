"""``GET /v1/events``: what happens, as server-sent events (HTML Living Standard, 9.2)."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any

from aiohttp import web
from attrs import frozen

from parcae.cloudevents import TYPES
from parcae.filters import MOST, Filter
from parcae.values import Position
from parcae_adapters.http.app import ACCESS, CLOSING, ENGINE, HEADERS
from parcae_adapters.http.problems import (
    BAD_INPUT,
    DRAINING,
    INVALID_HEADER,
    OVERLOADED,
    Fault,
    Problem,
)
from parcae_adapters.http.route import Call, Param, Route, Scope
from parcae_adapters.http.tail import Behind, Ended, Reader, Tail
from parcae_adapters.http.told import Told

TAIL = web.AppKey("tail", Tail)

log = logging.getLogger("parcae.http.events")

STREAMS = 2_000
"""Open at once, in one process."""

CHUNK = 32 * 1024
"""Bytes that are written at once, one event more or less."""

BUFFER = 64 * 1024
"""Bytes that may wait in a connection before its reader is waited for."""

GLANCE = 0.02
"""Seconds between two looks whether a reader that is cut off has taken what it was sent."""

LONGEST_POSITION = 18
"""Digits: no log is longer."""

RETRY = b"retry: 2000\n\n"
"""How many milliseconds a reader waits before it comes again."""

BEAT = b": still here\n\n"
CUT_OFF = b": cut off for reading too slowly; come again with the last id\n\n"
FAILED = b": the log cannot be read now; come again with the last id\n\n"
REVOKED = b": the token is good for nothing any more\n\n"
ENDS = b": the server is stopping; come again with the last id\n\n"


@frozen(kw_only=True)
class Pace:
    """The times of a stream, in seconds.

    Attributes:
        beat: after so long without an event a comment says that the connection stands.
        stall: so long a reader may take nothing at all.
        farewell: so long the rest may take that a reader is sent as it is cut off.
        look: so long a token is believed before it is looked at again.
    """

    beat: float = 15.0
    stall: float = 30.0
    farewell: float = 2.0
    look: float = 1.0


PACE = web.AppKey("pace", Pace)


def setup(app: web.Application) -> None:
    """Give the application the tail that all of its streams read along with."""
    app[TAIL] = Tail(app[ENGINE].store, closing=app[CLOSING])
    app[PACE] = Pace()
    app.on_shutdown.append(_close)


async def _close(app: web.Application) -> None:
    # Streams never end by themselves: without this the server would wait for them.
    app[CLOSING].set()


async def events(call: Call) -> web.StreamResponse:
    """Stream what happens until the reader goes, is cut off, or the server stops.

    Raises:
        Problem: there is no such position or type, or there are as many streams as may be.
    """
    after, choice = _after(call), _filter(call)
    tail = call.request.app[TAIL]
    if call.closing.is_set():
        raise Problem(DRAINING, "the server is stopping", headers={"Retry-After": "5"})
    if tail.readers >= STREAMS:
        detail = f"{STREAMS} streams are open already: come again later"
        raise Problem(OVERLOADED, detail, headers={"Retry-After": "5"})
    response = web.StreamResponse(
        headers={**HEADERS, "Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
    )
    if call.request.method == "HEAD":
        return response
    async with tail.reader(after, choice) as reader:
        # A reader that goes away is no error.
        with suppress(ConnectionError):
            await response.prepare(call.request)
            await _Stream(call, response).run(reader)
        return response


class _Stream:
    def __init__(self, call: Call, response: web.StreamResponse) -> None:
        self._call = call
        self._transport = call.request.transport
        self._response = response
        self._pace = call.request.app[PACE]
        self._last = 0.0
        self._looked = asyncio.get_running_loop().time()
        # The reader was last told this one: where others have passed, a beat says how far it is.
        self._said: Position | None = None

    async def run(self, reader: Reader) -> None:
        if self._transport is not None:
            self._transport.set_write_buffer_limits(high=BUFFER)
            # What waits in the system's own buffer is memory too: by itself it grows to megabytes.
            plain = self._transport.get_extra_info("socket")
            if plain is not None:
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        self._said = reader.position
        try:
            await self._write(RETRY)
            async for told in _each(reader):
                if not self._allowed():
                    await self._close(REVOKED)
                    return
                await self._tell(told, reader.position)
        except (Behind, TimeoutError):
            await self._close(CUT_OFF)
        except Ended:
            await self._close(ENDS)
        except ConnectionError:
            raise
        except Exception:
            # The status has been sent: no problem document can follow it, but the reader can.
            log.exception("a stream of events ends after %s", reader.position)
            await self._close(FAILED)

    def _allowed(self) -> bool:
        """Whether the token is still good: a stream may outlive it by days."""
        now = asyncio.get_running_loop().time()
        if now - self._looked < self._pace.look:
            return True
        self._looked = now
        return self._call.request.app[ACCESS].still(self._call.request, self._call.caller)

    async def _tell(self, told: Sequence[Told], position: Position) -> None:
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the reader is gone")
        for chunk in _chunks(told):
            await self._write(chunk)
        if told:
            self._said = told[-1].position
        elif asyncio.get_running_loop().time() - self._last >= self._pace.beat:
            # The comment has no id. A block of an id alone is no event either, but whoever comes
            # again does so from there, and not from before what it did not ask for.
            passed = b"" if position == self._said else b"id: %d\n\n" % position
            self._said = position
            await self._write(BEAT + passed)

    async def _write(self, data: bytes) -> None:
        async with asyncio.timeout(self._pace.stall):
            await self._response.write(data)
        self._last = asyncio.get_running_loop().time()

    async def _close(self, farewell: bytes) -> None:
        """Say why, to whoever still reads; nobody else keeps the connection."""
        transport = self._transport
        self._response.force_close()
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(self._pace.farewell):
                await self._response.write(farewell)
                await self._response.write_eof()
                # A transport tells nobody when it has sent everything.
                while transport and transport.get_write_buffer_size():  # noqa: ASYNC110
                    await asyncio.sleep(GLANCE)
        if transport and transport.get_write_buffer_size():
            transport.abort()


async def _each(reader: Reader) -> AsyncIterator[Sequence[Told]]:
    while True:
        yield await reader.more()


def _chunks(told: Sequence[Told]) -> Sequence[bytes]:
    """The frames, joined, for each write costs about as much as a frame of any size."""
    chunks: list[bytes] = []
    frames: list[bytes] = []
    size = 0
    for one in told:
        frames.append(one.frame)
        size += len(one.frame)
        if size >= CHUNK:
            chunks.append(b"".join(frames))
            frames, size = [], 0
    return [*chunks, b"".join(frames)] if frames else chunks


def _after(call: Call) -> Position | None:
    # A browser comes again at the same address, in which ``after`` is older than what it read.
    last = call.request.headers.get("Last-Event-ID")
    if last:
        if not _is_position(last):
            detail = f"expected a position of the log in Last-Event-ID, got {last[:50]!r}"
            raise Problem(INVALID_HEADER, detail)
        return Position(int(last))
    after: int | None = call.query["after"]
    return None if after is None else Position(after)


def _is_position(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= LONGEST_POSITION


def _filter(call: Call) -> Filter:
    query = call.query
    types = [_tag(name) for name in query["type"]]
    try:
        return Filter(types=types, kinds=query["kind"], queues=query["queue"], streams=query["job"])
    except ValueError as error:
        raise Problem(BAD_INPUT, str(error)) from error


def _tag(name: str) -> str:
    tag = TYPES.get(name, name)
    if tag not in TYPES.values():
        expected = "expected a type such as parcae.job.completed"
        fault = Fault(field="type", expected=expected)
        raise Problem(BAD_INPUT, f"type: {expected}, got {name[:50]!r}", faults=(fault,))
    return tag


def _many(name: str, description: str) -> Param:
    return Param(name=name, description=description, repeated=True, at_most=MOST, least=1)


ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/v1/events",
        handler=events,
        scope=Scope.READ,
        summary="Stream what happens, as server-sent events",
        description=(
            "Each event has the position in the log as its id, the type of its CloudEvent as its "
            "name and the CloudEvent as its data. Come again with Last-Event-ID, or with after, "
            "to go on where you were: nothing is missing and nothing comes twice. Where events "
            "have been deleted meanwhile, an event called reset says so."
        ),
        reply=Any,
        media="text/event-stream",
        query=(
            Param(
                name="after",
                kind=int,
                least=0,
                most=10**LONGEST_POSITION - 1,
                description="Go on after this position; by default with what happens from now on.",
            ),
            _many("job", "Only of these jobs or groups, by their ids."),
            _many("kind", "Only of jobs of these kinds."),
            _many("queue", "Only of jobs of these queues, and of the queues themselves."),
            _many("type", "Only of these types, such as parcae.job.completed."),
        ),
        problems=(BAD_INPUT, INVALID_HEADER, OVERLOADED, DRAINING),
        timeout=None,
        tag="events",
    ),
)
