"""One try: sign, post through the guard, read a bounded answer. Whatever happens is an attempt."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import aiohttp
from yarl import URL

from parcae.deliveries import Attempt, is_success
from parcae.outbox import Dispatch
from parcae.outbox_engine import OutboxEngine
from parcae_adapters.http.dispatcher.answers import beginning, retry_after
from parcae_adapters.http.dispatcher.settings import Settings
from parcae_adapters.http.dispatcher.signing import Signer, Unsigned
from parcae_adapters.http.guard import Forbidden, Guard
from parcae_adapters.http.outbound import client_session

HEADERS = {
    "Content-Type": "application/cloudevents+json; charset=utf-8",
    "User-Agent": "parcae",
    "Accept-Encoding": "identity",
}
REMEMBERED = 2_000
"""Addresses that were looked at, and need not be again."""


class Sender:
    """Sends deliveries, one try each.

    Args:
        engine: knows the secrets.
        settings: how to send.
        guard: says where to.
        sealed: whether nothing may be sent, asked at every request.
        tls: in place of the certificates that the system trusts.
    """

    def __init__(
        self,
        engine: OutboxEngine,
        settings: Settings,
        guard: Guard,
        sealed: Callable[[], bool],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._signer = Signer(engine)
        self._settings = settings
        self._guard = guard
        self._sealed = sealed
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None
        self._urls: dict[str, URL] = {}

    async def send(self, one: Dispatch) -> Attempt:
        """Try once; what came of it. Its errors say nothing of the address but its host.

        Raises:
            Sealed: nothing may be sent any more, and nothing was.
        """
        began = time.perf_counter()
        try:
            return await self._post(one, began)
        except (Unsigned, ValueError) as error:
            return _failed(f"not sent: {error}", began)
        except TimeoutError:
            limit = self._settings.timeout.total_seconds()
            return _failed(f"no answer within {limit:g} seconds", began)
        except (aiohttp.ClientError, OSError) as error:
            return _failed(_said(error), began)

    async def _post(self, one: Dispatch, began: float) -> Attempt:
        url = self._url(one.subscription.url)
        headers = await self._signer.headers(one, datetime.now(UTC))
        session = self._opened()
        async with session.post(
            url, data=one.body, headers=headers, allow_redirects=False
        ) as response:
            attempt = Attempt(
                status=response.status,
                excerpt=await beginning(response),
                latency=_since(began),
            )
            if is_success(attempt):
                return attempt
            asked = retry_after(response.headers.get("Retry-After"), datetime.now(UTC))
            return Attempt(
                status=attempt.status,
                excerpt=attempt.excerpt,
                latency=attempt.latency,
                retry_after=asked,
            )

    def _url(self, text: str) -> URL:
        """The address, held against the guard.

        Raises:
            ValueError: nothing may be sent there.
        """
        found = self._urls.get(text)
        if found is None:
            found = self._guard.check(text)
            if len(self._urls) >= REMEMBERED:
                self._urls.clear()
            self._urls[text] = found
        return found

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = client_session(
                sealed=self._sealed,
                policy=self._guard,
                total=self._settings.timeout.total_seconds(),
                connections=self._settings.concurrency,
                tls=self._tls,
                headers=HEADERS,
                decompress=False,
            )
        return self._session

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()


def _since(began: float) -> timedelta:
    return timedelta(seconds=time.perf_counter() - began)


def _failed(error: str, began: float) -> Attempt:
    return Attempt(error=error, latency=_since(began))


def _said(error: BaseException) -> str:
    """What went wrong, without the address: its path or query is often a secret itself."""
    inner = getattr(error, "os_error", None)
    if isinstance(error, Forbidden) or isinstance(inner, Forbidden):
        return f"not sent: {inner or error}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "cannot connect: the name of the host was not found"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "cannot connect: its certificate is not trusted"
    if isinstance(error, aiohttp.ClientConnectorError):
        why = inner.strerror if inner is not None and inner.strerror else type(inner).__name__
        return f"cannot connect: {why}"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the connection was closed before there was an answer"
    return f"no answer that can be understood: {type(error).__name__}"
