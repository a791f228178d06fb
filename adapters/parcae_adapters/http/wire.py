"""Questions to a server, and its answers as values and exceptions, the same that a store raises."""

from __future__ import annotations

import asyncio
import io
import json
import random
import ssl
import threading
from collections.abc import Callable, Mapping
from typing import Any, NoReturn
from urllib.parse import urlencode, urlsplit

import aiohttp
from yarl import URL

from parcae.errors import Conflict, Corrupt, LeaseLost, ParcaeError, Reason, Rejected, Unavailable
from parcae_adapters.http.outbound import client_session, read

TOTAL = 20.0
"""Seconds for an answer, beside those that the question asks the server to wait."""

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 2.0
"""Seconds that are let pass after a failure, the first time and at the most: a server that comes
back is not to be overrun by those who waited for it."""

Token = Callable[[], str]
"""The token for the next question: a file of it may change meanwhile."""


class Refused(Unavailable):
    """The server does not take this token, now: once it has another, repeating helps."""


class Wire:
    """A connection to a server, for any event loop and any thread.

    It has a thread of its own: a handler that blocks its event loop keeps no lease from being
    renewed, and whoever asks needs no session of its own.

    Args:
        url: of the server, such as ``https://jobs.example:8443``.
        token: what it knows us by.
        sealed: whether nothing may go out, or what tells so.
        tls: in place of the certificates that the system trusts.
        insecure: take ``http`` to another machine too: the token can then be read on the way.

    Raises:
        ValueError: that is no such address, or the token would go in the clear.
        Sealed: nothing may leave this process.
    """

    def __init__(
        self,
        url: str,
        token: str | Token,
        *,
        sealed: bool | Callable[[], bool] = False,
        tls: ssl.SSLContext | None = None,
        insecure: bool = False,
    ) -> None:
        self.url = _checked(url, insecure=insecure)
        self._token: Token = token if callable(token) else lambda: token
        self._pause = 0.0
        self._loop = asyncio.new_event_loop()
        self.closed = False
        self._thread = threading.Thread(
            target=self._loop.run_forever, daemon=True, name="parcae-wire"
        )
        self._thread.start()
        try:
            self._session = self._in_thread(_opened(sealed, tls)).result()
        except BaseException:
            self._end()
            raise

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        wait: float = 0.0,
    ) -> Any:
        """The answer to one question, a JSON value; ``None``: an empty one.

        Args:
            method: of HTTP.
            path: on the server, its parts quoted.
            body: a JSON value.
            query: its parameters.
            headers: besides the token.
            wait: seconds for which the server is asked to wait.

        Raises:
            Rejected: the server refused it.
            LeaseLost: the lease is gone.
            Conflict: somebody else was first.
            Unavailable: no answer, or none that is to be relied on.
            Corrupt: the server cannot read what it has stored.
        """
        if self.closed:
            raise Unavailable("the connection is closed")
        data = None if body is None else json.dumps(body).encode()
        asked = self._asked(method, path, data, dict(query or {}), dict(headers or {}), wait)
        try:
            return await asyncio.wrap_future(self._in_thread(asked))
        except asyncio.CancelledError:
            if self.closed:
                raise Unavailable("the connection was closed meanwhile") from None
            raise

    def close(self) -> None:
        """Let go of the connection, and of all who wait for an answer; a second call: nothing."""
        if not self.closed:
            self.closed = True
            self._in_thread(self._let_go()).result()
            self._end()

    async def _let_go(self) -> None:
        asking = asyncio.all_tasks() - {asyncio.current_task()}
        for one in asking:
            one.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await self._session.close()

    def _in_thread(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _asked(
        self,
        method: str,
        path: str,
        data: bytes | None,
        query: dict[str, str],
        headers: dict[str, str],
        wait: float,
    ) -> Any:
        try:
            status, found = await self._exchanged(method, path, data, query, headers, wait)
            if status < 500:
                # A refusal is an answer too: the server is there.
                self._pause = 0.0
            if status < 300:
                value = json.loads(found) if found else None
            else:
                _raise(status, found)
        except Unavailable:
            await self._rest()
            raise
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # A timeout is an OSError; what is no JSON was not said by a server of ours.
            await self._rest()
            what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise Unavailable(f"{self.url} did not answer ({what:.300})") from error
        return value

    async def _exchanged(
        self,
        method: str,
        path: str,
        data: bytes | None,
        query: dict[str, str],
        headers: dict[str, str],
        wait: float,
    ) -> tuple[int, bytes]:
        headers["Authorization"] = f"Bearer {self._token()}"
        if data is not None:
            headers["Content-Type"] = "application/json"
        timeout = aiohttp.ClientTimeout(total=TOTAL + wait, sock_connect=TOTAL / 2)
        async with self._session.request(
            method,
            # Encoded by us: what is quoted in a name must not be taken for a part of the path.
            URL(f"{self.url}{path}?{urlencode(query)}" if query else self.url + path, encoded=True),
            # Only what can be read piece by piece lets others have their turn meanwhile.
            data=None if data is None else io.BytesIO(data),
            headers=headers,
            timeout=timeout,
            allow_redirects=False,
        ) as response:
            return response.status, await read(response)

    async def _rest(self) -> None:
        """Let time pass before the next try, more from failure to failure."""
        self._pause = min(max(self._pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
        await asyncio.sleep(self._pause * random.uniform(0.5, 1))


async def _opened(
    sealed: bool | Callable[[], bool], tls: ssl.SSLContext | None
) -> aiohttp.ClientSession:
    return client_session(sealed=sealed, tls=tls)


def _checked(url: str, *, insecure: bool) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"expected an address such as https://jobs.example:8443, got {url!r:.200}")
    if parts.username or parts.password:
        raise ValueError("expected an address without a password; give the token in a file")
    here = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme == "http" and not here and not insecure:
        raise ValueError(
            f"expected https:// for {parts.hostname}: over http:// the token can be read on the way"
        )
    return url.rstrip("/")


def _raise(status: int, body: bytes) -> NoReturn:
    """Raise what the server has raised."""
    try:
        problem = json.loads(body)
    except ValueError:
        problem = None
    if not isinstance(problem, dict) or "type" not in problem:
        raise Unavailable(f"status {status} from something that is no server of Parcae's")
    raise error_of(status, problem)


def error_of(status: int, problem: Mapping[str, Any]) -> ParcaeError:
    """The exception that a problem of the server tells of."""
    detail = str(problem.get("detail", ""))
    match problem.get("error"):
        case "Rejected":
            return Rejected(
                _reason(problem, Reason.UNLAWFUL),
                detail,
                status=problem.get("job_status"),
                command=str(problem.get("command", "")),
                lawful=map(str, problem.get("lawful", ())),
            )
        case "LeaseLost":
            return LeaseLost(_reason(problem, Reason.STALE_TOKEN), detail)
        case "Conflict":
            return Conflict(_reason(problem, Reason.MOVED_ON), detail)
        case "Corrupt":
            return Corrupt(detail)
        case _:
            return _other(status, detail)


def _other(status: int, detail: str) -> ParcaeError:
    match status:
        case 401 | 403 | 421:
            return Refused(f"the server refuses us: {detail}")
        case 404 | 405:
            return Rejected(Reason.NOT_FOUND, f"the server knows no such path: {detail}")
        case 412:
            return Conflict(Reason.MOVED_ON, detail)
        case 413:
            return Rejected(Reason.TOO_LARGE, detail)
        case _ if status < 500 and status not in (408, 429):
            return Rejected(Reason.BAD_INPUT, detail)
        case _:
            return Unavailable(f"the server answered {status}: {detail}")


def _reason(problem: Mapping[str, Any], otherwise: Reason) -> Reason:
    """A newer server may have reasons that we do not know."""
    try:
        return Reason(str(problem.get("reason")))
    except ValueError:
        return otherwise
