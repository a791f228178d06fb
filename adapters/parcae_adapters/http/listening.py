"""Sockets: where the server listens, how much it takes on, and how it stops."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from attrs import frozen

from parcae_adapters.http.app import CLOSING, HEADERS, UNDER_WAY
from parcae_adapters.http.problems import BAD_REQUEST, INTERNAL, Problem, answer

MOST_LINE = 8_190
MOST_HEADERS = 64
KEEP_ALIVE = 75.0
"""Seconds for which an idle connection is kept, or one whose next request is slow to come."""
LAST_WORDS = 1.0
"""Seconds for answers to be written once all is decided."""
PATIENCE = 10.0
"""Seconds that a new connection has for its handshake, and for its first request."""

EXPECTED = (
    f"expected HTTP/1.1: a line and headers of {MOST_LINE} bytes at the most each, "
    f"{MOST_HEADERS} headers, and a body without Content-Encoding"
)
"""Said of whatever cannot be read, whose parts are not told apart."""

FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)


@frozen(kw_only=True)
class Address:
    """Where to listen.

    Attributes:
        host: a name or an address.
        port: 0: any that is free.
    """

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def address(text: str) -> Address:
    """``host:port``, ``[::1]:port`` or a port of the loopback.

    Raises:
        ValueError: it is something else.
    """
    host, _, port = text.rpartition(":")
    host = (host or "127.0.0.1").strip("[]")
    if not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise ValueError(f"expected HOST:PORT, got {text!r}")
    return Address(host=host, port=int(port))


def tls(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 or later, with the certificate and the key of these files.

    Raises:
        ValueError: they cannot be used.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(
            f"cannot use {certificate} with {key}: {error.strerror or error}"
        ) from None
    return context


class Wordless(logging.Filter):
    """Keeps what was malformed out of the log: a header that nobody could read may be a token."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Leave the class of the error, and nothing of its text."""
        if record.exc_info and record.exc_info[0] is not None:
            record.msg = f"{record.getMessage()}: {record.exc_info[0].__name__}"
            record.args, record.exc_info = (), None
        return True


errors = logging.getLogger("parcae.http")
log = logging.getLogger("parcae.http.connections")
log.addFilter(Wordless())

QUIET = logging.getLogger("parcae.http.nothing")
"""In place of the log of aiohttp, which has queries in it: the application writes its own."""
QUIET.disabled = True


class _Handler(web.RequestHandler):
    """Tells that a request is malformed without repeating it, as aiohttp itself would."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it quotes the request
    ) -> web.StreamResponse:
        """The problem, and the end of the connection."""
        if status >= 500:
            errors.error("a request from %s failed", request.remote, exc_info=exc)
        else:
            log.info("a request from %s is malformed: %s", request.remote, type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("part of an answer was sent already")
        kind = BAD_REQUEST if 400 <= status < 500 else INTERNAL
        response = answer(Problem(kind, EXPECTED))
        response.headers.update(HEADERS)
        response.force_close()
        return response


class _Full(asyncio.Protocol):
    """Tells whoever comes when as many are there as the server takes on."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(FULL)
        transport.close()


@asynccontextmanager
async def listening(
    app: web.Application,
    where: Address,
    *,
    context: ssl.SSLContext | None = None,
    connections: int = 2_000,
    drain: float = 10.0,
    notice: float = 0.0,
) -> AsyncIterator[str]:
    """Serve ``app`` at ``where``: its URL. At the end no new request is taken, and those that are
    under way get ``drain`` seconds.

    Args:
        app: from :func:`parcae_adapters.http.app.make_app`.
        where: to listen.
        context: for TLS.
        connections: so many at once; another is told that the server is full.
        drain: seconds.
        notice: seconds for which ``/readyz`` says that the server stops, before it does.

    Raises:
        OSError: nobody can listen there.
    """
    runner = web.AppRunner(app, shutdown_timeout=LAST_WORDS)
    await runner.setup()
    served, loop = runner.server, asyncio.get_running_loop()
    assert served is not None

    def connected() -> asyncio.Protocol:
        if len(served.connections) >= connections:
            return _Full()
        protocol = _Handler(
            served,
            loop=loop,
            access_log=QUIET,
            logger=log,
            keepalive_timeout=KEEP_ALIVE,
            max_line_size=MOST_LINE,
            max_field_size=MOST_LINE,
            max_headers=MOST_HEADERS,
            lingering_time=2.0,
        )
        loop.call_later(PATIENCE, _unless_heard, protocol)
        return protocol

    try:
        patience = PATIENCE if context else None
        server = await loop.create_server(
            connected,
            where.host,
            where.port,
            ssl=context,
            ssl_handshake_timeout=patience,
            backlog=512,
        )
        try:
            yield _url(server.sockets[0].getsockname(), secure=context is not None)
        finally:
            app[CLOSING].set()
            await asyncio.sleep(notice)
            server.close()
            # aiohttp's own shutdown reads nothing any more: a body half read would wait in vain.
            await asyncio.sleep(0)
            await app[UNDER_WAY].over(drain)
    finally:
        await runner.cleanup()


def _unless_heard(protocol: asyncio.Protocol) -> None:
    """A connection on which nothing was asked is only in the way of others.

    aiohttp bounds the time between two requests, not that before the first; nor does it count
    requests where others may look: a test tells when it counts them elsewhere.
    """
    transport = getattr(protocol, "transport", None)
    if transport is not None and not getattr(protocol, "_request_count", 1):
        transport.abort()


def _url(name: tuple[str | int, ...], *, secure: bool) -> str:
    host, port = name[0], name[1]
    shown = f"[{host}]" if ":" in str(host) else host
    return f"http{'s' * secure}://{shown}:{port}"
