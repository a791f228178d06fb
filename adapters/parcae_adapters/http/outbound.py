"""The one place in which connections to elsewhere are opened.

Whoever wants one asks here, so that the seal (rule 12 of the lifecycle) holds for all: sealed,
nothing is opened, whoever asks. It is asked at every request, not once: a seal may commit later.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Protocol

import aiohttp
from aiohttp.abc import AbstractResolver

from parcae.errors import ParcaeError

SEALED = "PARCAE_SEALED"
"""The environment variable that seals a process."""

CONNECT = 10.0
"""Seconds in which a connection must stand."""

TOTAL = 30.0
"""Seconds for a whole request, its answer included, unless it asks for more."""

CONNECTIONS = 100
"""Connections that one session holds at the most; further requests wait for one."""

MOST = 64 * 1024 * 1024
"""Bytes of an answer that are read at the most, unless the caller says otherwise."""

_CHUNK = 64 * 1024
_NO = ("", "0", "false", "no", "off")

Address = tuple[int, int, int, str, tuple[Any, ...]]
"""As :func:`socket.getaddrinfo` gives it: family, kind, protocol, name, and where."""


class Sealed(ParcaeError):
    """A connection was to be opened although nothing may leave this process."""


class TooLong(ParcaeError):
    """An answer has more bytes than may be read."""


class Policy(Protocol):
    """Where connections may go."""

    def resolver(self) -> AbstractResolver | None:
        """What finds the addresses of a name; ``None``: the system."""
        ...

    def permit(self, host: str, address: Address) -> None:
        """Let a connection go to ``address``, to which ``host`` was resolved, or which it is.

        Raises:
            OSError: it may not.
        """
        ...


class Anywhere:
    """To wherever an operator has said: for the address of a server that he gave himself."""

    def resolver(self) -> AbstractResolver | None:
        """The system's."""
        return None

    def permit(self, host: str, address: Address) -> None:
        """Any address will do."""


def sealed_by_environment() -> bool:
    """Whether ``PARCAE_SEALED`` says that nothing may leave this process."""
    return os.environ.get(SEALED, "").strip().lower() not in _NO


def client_session(
    *,
    sealed: bool | Callable[[], bool] = False,
    policy: Policy | None = None,
    total: float = TOTAL,
    connections: int = CONNECTIONS,
    tls: ssl.SSLContext | None = None,
    headers: dict[str, str] | None = None,
    decompress: bool = True,
) -> aiohttp.ClientSession:
    """A session whose every request has time limits, and none of which goes out under a seal.

    It keeps no cookies and takes no proxy from the environment, for then somebody else would
    choose where it goes. Requests must say ``allow_redirects=False`` for the same reason.

    Args:
        sealed: whether nothing may go out, or what tells so, asked anew for each request; the
            environment variable ``PARCAE_SEALED`` seals it in any case.
        policy: where connections may go; ``None``: anywhere.
        total: seconds for a whole request; a single request may set its own.
        connections: how many at the most at once.
        tls: in place of the certificates that the system trusts.
        headers: sent with every request.
        decompress: unpack answers; a stranger's may be a small one that unpacks into a large one.

    Raises:
        Sealed: it is sealed already.
    """
    seal = sealed if callable(sealed) else (lambda: bool(sealed))
    _refuse_sealed(seal)
    policy = policy or Anywhere()
    connector = _Connector(seal, policy, limit=connections, ssl=True if tls is None else tls)
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=total, sock_connect=CONNECT),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        headers=headers,
        auto_decompress=decompress,
    )


async def read(response: aiohttp.ClientResponse, most: int = MOST) -> bytes:
    """The whole body of an answer.

    Raises:
        TooLong: it has more than ``most`` bytes; the rest is not read.
    """
    found = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        found += chunk
        if len(found) > most:
            response.close()
            raise TooLong(f"expected an answer of at most {most} bytes from {response.url.host}")
    return bytes(found)


def _refuse_sealed(seal: Callable[[], bool]) -> None:
    if sealed_by_environment():
        raise Sealed(f"sealed by {SEALED}: no connection to elsewhere is opened")
    if seal():
        raise Sealed("sealed: no connection to elsewhere is opened")


_HOST: ContextVar[str] = ContextVar("host")
"""For whose sake this task, and those that it starts, open a connection."""


class _Connector(aiohttp.TCPConnector):
    """Asks the seal before each request, and the policy before each connection."""

    def __init__(self, seal: Callable[[], bool], policy: Policy, **options: Any) -> None:
        def opened(address: Any) -> socket.socket:
            # Here the address is the one that is connected to, whatever the name said before.
            policy.permit(_HOST.get(), address)
            made = socket.socket(*address[:3])
            made.setblocking(False)
            return made

        super().__init__(resolver=policy.resolver(), socket_factory=opened, **options)
        self._seal = seal

    async def connect(self, req: aiohttp.ClientRequest, *args: Any, **options: Any) -> Any:
        """A connection, kept open from before or new; under a seal neither."""
        _refuse_sealed(self._seal)
        _HOST.set(req.url.raw_host or "")
        return await super().connect(req, *args, **options)
