"""An engine on a server elsewhere: the use cases of an application and of a worker, over HTTP."""

from __future__ import annotations

import asyncio
import logging
import math
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

from parcae import answers as a
from parcae.codec import decode_event, encode_spec
from parcae.converter import CONVERTER, dump, load
from parcae.definitions import Request
from parcae.engine import Handle, Outcome
from parcae.errors import Reason, Rejected, Unavailable
from parcae.events import Event
from parcae.graphs import tailored
from parcae.group_engine import KEY_TTL
from parcae.payloads import structure
from parcae.ports import Recorded
from parcae.spec import Dependency, RetryMode, Unique
from parcae.state import Job, Liveness, Stored
from parcae.values import (
    Cause,
    Error,
    Instant,
    JobId,
    Position,
    Status,
    StreamId,
    Version,
    WorkerId,
)
from parcae.why import Explanation
from parcae_adapters.http.remote_work import LISTEN, RemoteWork, decoded
from parcae_adapters.http.wire import Refused, Token, Wire

R = TypeVar("R")
log = logging.getLogger("parcae.remote")

LONGEST_TOKEN = 1_000
"""Characters in the file of a token."""


def token_from(path: str | Path) -> Token:
    """What reads the token in a file, each time anew: another may be put there meanwhile."""
    file = Path(path)

    def read() -> str:
        try:
            with file.open(encoding="ascii") as opened:
                token = opened.read(LONGEST_TOKEN + 1).strip()
        except (OSError, ValueError) as error:
            # What the file holds is not repeated: it may be a secret.
            raise Refused(f"cannot read a token from {file} ({type(error).__name__})") from None
        if not token or len(token) > LONGEST_TOKEN or not token.isprintable() or " " in token:
            raise Refused(f"expected one token in {file}, and nothing else")
        return token

    return read


class RemoteEngine(RemoteWork):
    """What an application and a worker can ask of a server.

    It answers and refuses like :class:`parcae.Engine`: the same values, the same exceptions. A
    worker on it needs a token with the scope ``work``; whoever submits, one with ``operate``.

    Args:
        url: of the server, such as ``https://jobs.example:8443``.
        token: what the server knows us by, or what tells it, anew for each question.
        sealed: whether nothing may go out, or what tells so.
        tls: in place of the certificates that the system trusts.
        insecure: take ``http`` to another machine too: the token can then be read on the way.

    Raises:
        ValueError: that is no such address.
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
        super().__init__(Wire(url, token, sealed=sealed, tls=tls, insecure=insecure))

    async def __aenter__(self) -> Self:
        """The engine itself; its connection is closed at the end of the block."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connection."""
        await self.close()

    async def introduce(self) -> None:
        """See that the server takes our token, if it is there: one that is not is waited for.

        Raises:
            Refused: it does not; the connection is closed.
        """
        try:
            await self.cancels(WorkerId("-"))
        except Refused:
            await self.close()
            raise
        except Unavailable as error:
            log.warning("%s; repeating", error)

    async def close(self) -> None:
        """Let go of the connection; a second call does nothing."""
        self.wire.close()

    async def submit(
        self,
        request: Request[R],
        *,
        idempotency_key: str | None = None,
        key_ttl: timedelta = KEY_TTL,
        key: str | None = None,
        priority: int | None = None,
        run_at: Instant | None = None,
        deadline: Instant | None = None,
        after: Sequence[JobId | Dependency] = (),
        unique: Unique | None = None,
    ) -> Handle[R]:
        """Admit a job; arguments and errors as in :meth:`parcae.Engine.submit`.

        After ``Unavailable`` nobody knows whether it was admitted: with an idempotency key the
        same call again gives the same job, without one it may give a second.
        """
        asked = tailored(
            request,
            key=key,
            priority=priority,
            run_at=run_at,
            deadline=deadline,
            dependencies=(*request.spec.dependencies, *map(_dependency, after)),
            unique=request.spec.unique if unique is None else unique,
        )
        body = {
            "spec": load(encode_spec(asked.spec)),
            "payload": asked.payload.decode(),
            "idempotency_key": idempotency_key,
            "key_ttl": key_ttl.total_seconds(),
        }
        found = await self.wire.ask("POST", "/v1/records", body)
        return Handle(self, CONVERTER.structure(found, a.Admitted), asked.returns)

    async def retry(
        self,
        origin: JobId,
        mode: RetryMode = RetryMode.RESUME,
        *,
        settled: Sequence[str] = (),
        idempotency_key: str | None = None,
        key_ttl: timedelta = KEY_TTL,
    ) -> Handle[Any]:
        """Admit a new job that takes up an ended one; see :meth:`parcae.Engine.retry`."""
        body = {
            "mode": str(RetryMode(mode)),
            "settled": list(settled),
            "idempotency_key": idempotency_key,
            "key_ttl": key_ttl.total_seconds(),
        }
        found = await self.wire.ask("POST", f"{_path(origin)}:retry", body)
        return Handle(self, CONVERTER.structure(found, a.Admitted), Any)

    async def cancel(
        self, job_id: JobId, *, by: str = "", reason: str = "", force: bool = False
    ) -> a.CancelAnswer:
        """Ask a job to stop, and be told the truth about it; see :meth:`parcae.Engine.cancel`."""
        body = {"by": by, "reason": reason, "force": force}
        found = await self.wire.ask("POST", f"{_path(job_id)}:cancel", body)
        return CONVERTER.structure(found, a.CancelAnswer)

    async def annotate(self, job_id: JobId, note: str, *, by: str = "") -> a.Accepted:
        """Add a note to a job's record; see :meth:`parcae.Engine.annotate`."""
        body = {"note": note, "by": by}
        found = await self.wire.ask("POST", f"{_path(job_id)}:annotate", body)
        return CONVERTER.structure(found, a.Accepted)

    async def wait(
        self,
        job_id: JobId,
        timeout: timedelta | None = None,  # noqa: ASYNC109 - counted here, whatever the loop does
        *,
        returns: Any = Any,
    ) -> Outcome[Any]:
        """Wait until a job has ended; see :meth:`parcae.Handle.wait`.

        Raises:
            TimeoutError: it has not ended within ``timeout``.
            Rejected: there is no such job any more.
            Unavailable: the server cannot answer.
        """
        until = None if timeout is None else time.monotonic() + timeout.total_seconds()
        while True:
            left = LISTEN if until is None else max(until - time.monotonic(), 0.0)
            with suppress(TimeoutError):
                async with asyncio.timeout(left if 0 < left < LISTEN else None):
                    found = await self._ended(job_id, min(left, LISTEN))
                    if found["ended"]:
                        return _outcome(found, returns)
            if until is not None and time.monotonic() >= until:
                job = await self.show(job_id)
                raise TimeoutError(f"job {job_id} is still {job.status} after {timeout}")

    async def _ended(self, job_id: JobId, seconds: float) -> Any:
        wait = math.ceil(seconds)
        query = {"wait": str(wait)}
        return await self.wire.ask("GET", f"{_path(job_id)}/outcome", query=query, wait=wait)

    async def show(self, job_id: JobId) -> Job:
        """A job as it is now.

        Raises:
            Rejected: there is none.
        """
        return decoded(job_id, await self.wire.ask("GET", _path(job_id)))

    async def stored(self, job_id: JobId) -> Stored | None:
        """A job with its liveness, by the server's clock; ``None``: there is none."""
        try:
            found = await self.wire.ask("GET", _path(job_id))
        except Rejected as refused:
            if refused.reason is Reason.NOT_FOUND:
                return None
            raise
        said = found["liveness"]
        liveness = None if said is None else CONVERTER.structure(said, Liveness)
        return Stored(job=decoded(job_id, found), liveness=liveness)

    async def history(self, job_id: JobId) -> Sequence[Recorded[Event]]:
        """Everything that happened to a job, in order."""
        found = await self.wire.ask("GET", f"{_path(job_id)}/history")
        return tuple(_recorded(job_id, one) for one in found["history"])

    async def why(self, job_id: JobId, *, diagnostics: bool = False) -> Explanation:
        """Explain a job; see :meth:`parcae.Engine.why`."""
        query = {"diagnostics": str(diagnostics).lower()}
        found = await self.wire.ask("GET", f"{_path(job_id)}/why", query=query)
        return CONVERTER.structure(found, Explanation)


def _path(job_id: str) -> str:
    return f"/v1/records/{quote(job_id, safe='')}"


def _dependency(after: JobId | Dependency) -> Dependency:
    return after if isinstance(after, Dependency) else Dependency(parent=after)


def _outcome(found: Mapping[str, Any], returns: Any) -> Outcome[Any]:
    cause, error, result = found["cause"], found["error"], found["result"]
    return Outcome(
        job_id=JobId(found["job_id"]),
        status=Status(found["status"]),
        cause=None if cause is None else Cause(cause),
        reconciled=found["reconciled"],
        error=None if error is None else CONVERTER.structure(error, Error),
        result=None if result is None else structure(result, returns),
    )


def _recorded(job_id: JobId, one: Mapping[str, Any]) -> Recorded[Event]:
    return Recorded(
        position=Position(one["position"]),
        stream=StreamId(job_id),
        version=Version(one["version"]),
        event=decode_event(dump(one["event"]), job_id=job_id),
    )
