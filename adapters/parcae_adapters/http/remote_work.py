"""What a worker asks of a server: an :class:`parcae.employer.Employer` without a database."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from attrs import asdict

from parcae import answers as a
from parcae.codec import decode_job
from parcae.commands import Progress
from parcae.context import PAYLOAD, result_name
from parcae.converter import dump
from parcae.employer import Handed
from parcae.errors import ParcaeError, Unavailable
from parcae.handle import Held
from parcae.state import Job
from parcae.values import MAX_NOTE, Blob, Error, Instant, JobId, Status, Token, WorkerId
from parcae.workers import Presence
from parcae_adapters.http.elapsed import ElapsedClock
from parcae_adapters.http.wire import Wire, error_of

LISTEN = 25.0
"""Seconds that a question for news waits at the server: shorter than what proxies bear."""

LOOK = 2.0
"""Seconds between two questions for news that were refused."""

MOST_CLAIMED = 100
"""Jobs of one claim; as :data:`parcae_adapters.http.leased.MOST_CLAIMED`."""


WORDS_MISSED = 3
"""A worker is taken to be gone once so many of its words have not come: as the register has it."""


class RemoteWork:
    """The use cases of a worker, on a server elsewhere.

    Times are counted from before a question was sent, by a clock that nobody sets: what this
    worker takes for a lease's end never lies behind the real one, whatever its machine's clock
    says (S21, S24).

    Args:
        wire: to the server.
    """

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self._clock = ElapsedClock()
        self._lock = threading.Lock()
        self._news = 0
        self._known = ""
        self._due: Instant | None = None

    @property
    def clock(self) -> ElapsedClock:
        """How much time has passed here."""
        return self._clock

    def news(self) -> int:
        """How much news has come from the server."""
        return self._news

    async def wait_for_news(self, mark: int) -> int:
        """Return once there is more news than ``mark``; a server that is gone is waited for."""
        while self._news <= mark:
            known = self._known
            query = {"after": known, "wait": str(int(LISTEN))}
            try:
                found = await self.wire.ask("GET", "/v1/leases:news", query=query, wait=LISTEN)
            except Unavailable:
                if self.wire.closed:
                    raise
                # The wire lets time pass. Whatever happens meanwhile is news when it is back.
                self._known = ""
                continue
            except ParcaeError:
                # Sealed, or a server without this path: claims find out, now and then.
                await asyncio.sleep(LOOK)
                continue
            with self._lock:
                self._known = str(found["mark"])
                self._news += self._known != known
        return self._news

    async def next_due(self, after: Instant) -> Instant | None:
        """What the server has said with the last claim that found nothing."""
        due = self._due
        return due if due is not None and due > after else None

    async def claim(
        self,
        worker: WorkerId,
        kinds: frozenset[str],
        *,
        request: str,
        limit: int = 1,
        queues: frozenset[str] | None = None,
        without: frozenset[JobId] = frozenset(),
        wait: float = 0.0,
    ) -> Sequence[a.Granted]:
        """Take up to ``limit`` jobs; see :meth:`parcae.worker_engine.WorkerEngine.claim`.

        Args:
            worker: who asks.
            kinds: what it can run.
            request: a key of this very request: repeated, it grants the same jobs.
            limit: more than 100 count as 100.
            queues: in these only; ``None``: in all.
            without: none of these.
            wait: seconds to wait for work, where there is none.
        """
        began = self._clock.now()
        body = {
            "worker": worker,
            "request": request,
            "kinds": sorted(kinds),
            "queues": None if queues is None else sorted(queues),
            "limit": min(limit, MOST_CLAIMED),
            "wait": wait,
            "without": sorted(without),
            "record": True,
        }
        found = await self.wire.ask("POST", "/v1/leases", body, wait=wait)
        next_in = found["next_in"]
        self._due = None if next_in is None else self._clock.now() + _seconds(next_in)
        # The server began to count no earlier than we did, and says how long it waited first.
        asked = began + _seconds(found["waited"])
        return tuple(_granted(one, asked) for one in found["leases"])

    async def handed(self, granted: a.Granted) -> Handed:
        """The payload of a job that was granted, its results so far, and those of its parents.

        Raises:
            LeaseLost: somebody else holds the job by now.
        """
        query = {"token": str(granted.lease.token), "text": "true"}
        path = f"/v1/leases/{quote(granted.job.id, safe='')}/inputs"
        found = await self.wire.ask("GET", path, query=query)
        blobs = {result_name(name): text.encode() for name, text in found["results"].items()}
        if found["payload"] is not None:
            blobs[PAYLOAD] = found["payload"].encode()
        parents = {name: text.encode() for name, text in found["parents"].items()}
        return Handed(blobs=blobs, parents=parents)

    async def renew(self, held: Sequence[Held]) -> Sequence[a.Renewed | ParcaeError]:
        """Extend many leases; each has its own answer or refusal, in order."""
        if not held:
            return ()
        began = self._clock.now()
        leases = [
            {
                "job_id": one.job_id,
                "token": one.command.token,
                "progress": _progress(one.command.progress),
            }
            for one in held
        ]
        found = await self.wire.ask("POST", "/v1/leases:renew", {"leases": leases})
        return tuple(_renewed(one, began) for one in found["answers"])

    async def cancels(self, worker: WorkerId) -> Mapping[JobId, Token]:
        """The jobs that ``worker`` runs and somebody wants cancelled, with their leases' tokens."""
        found = await self.wire.ask("GET", "/v1/leases", query={"worker": worker})
        return {
            JobId(one["job_id"]): Token(one["token"])
            for one in found["leases"]
            if one["cancel_requested"]
        }

    async def start_phase(self, job_id: JobId, token: Token, phase: str) -> a.Accepted:
        """Ask leave to begin a phase; refused as by an engine on a store."""
        return await self._report(job_id, "start-phase", {"token": token, "phase": phase})

    async def complete_phase(
        self, job_id: JobId, token: Token, phase: str, result: tuple[Blob, bytes] | None = None
    ) -> a.Accepted:
        """Report that a phase is done; the last one completes the job."""
        body: dict[str, Any] = {"token": token, "phase": phase}
        if result is not None:
            body["result_json"] = result[1].decode()
        return await self._report(job_id, "complete-phase", body)

    async def fail(self, job_id: JobId, token: Token, error: Error) -> a.Accepted:
        """Report that the handler raised."""
        return await self._report(job_id, "fail", {"token": token, "error": _plain(error)})

    async def release(self, job_id: JobId, token: Token, lacks: str = "") -> a.Accepted:
        """Give a job back."""
        return await self._report(job_id, "release", {"token": token, "lacks": lacks[:MAX_NOTE]})

    async def confirm_cancel(self, job_id: JobId, token: Token) -> a.Accepted:
        """Report that the handler has stopped as it was asked to."""
        return await self._report(job_id, "confirm-cancel", {"token": token})

    async def start_undo(self, job_id: JobId, token: Token, phase: str) -> a.Accepted:
        """Ask leave to begin an undo."""
        return await self._report(job_id, "start-undo", {"token": token, "phase": phase})

    async def complete_undo(self, job_id: JobId, token: Token, phase: str) -> a.Accepted:
        """Report that a phase is undone."""
        return await self._report(job_id, "complete-undo", {"token": token, "phase": phase})

    async def fail_undo(self, job_id: JobId, token: Token, phase: str, error: Error) -> a.Accepted:
        """Report that an undo raised."""
        body = {"token": token, "phase": phase, "error": _plain(error)}
        return await self._report(job_id, "fail-undo", body)

    async def enlist(self, presence: Presence) -> None:
        """Write down that a worker is there; by the server's clock."""
        body = {
            "id": presence.id,
            "host": presence.host,
            "pid": presence.pid,
            "kinds": list(presence.kinds),
            "queues": None if presence.queues is None else list(presence.queues),
            "capacity": presence.capacity,
            "abandoned": presence.abandoned,
            "draining": presence.draining,
            "version": presence.version,
            "up_for": max((presence.heard_at - presence.started_at).total_seconds(), 0.0),
            "again_in": (presence.until - presence.heard_at).total_seconds() / WORDS_MISSED,
        }
        await self.wire.ask("POST", "/v1/workers", body)

    async def dismiss(self, worker: WorkerId) -> None:
        """Strike a worker out."""
        await self.wire.ask("DELETE", f"/v1/workers/{quote(worker, safe='')}")

    async def tidy(self, limit: int = 1_000) -> int:  # noqa: ARG002 - others see to that
        """Nothing: the server sees to keys that are over."""
        await asyncio.sleep(0)
        return 0

    async def reconcile(self, limit: int = 100) -> Sequence[a.Reconciled]:  # noqa: ARG002 - ours
        """Nothing: the server sees to what is stale, by its own clock."""
        await asyncio.sleep(0)
        return ()

    async def _report(self, job_id: JobId, verb: str, body: object) -> a.Accepted:
        path = f"/v1/leases/{quote(job_id, safe='')}:{verb}"
        found = await self.wire.ask("POST", path, body)
        return a.Accepted(job_id=JobId(found["job_id"]), status=Status(found["status"]))


def decoded(job_id: str, record: Mapping[str, Any]) -> Job:
    """The job that the server has sent as it is stored.

    Raises:
        Corrupt: damaged, or written by a later version.
    """
    return decode_job(JobId(job_id), dump(record["spec"]), dump(record["state"]))


def _granted(one: Mapping[str, Any], asked: Instant) -> a.Granted:
    job = decoded(one["job_id"], one["record"])
    assert job.lease is not None
    expires_at = asked + _seconds(one["expires_in"])
    return a.Granted(job=job, lease=job.lease, expires_at=expires_at)


def _renewed(one: Mapping[str, Any], began: Instant) -> a.Renewed | ParcaeError:
    found, problem = one["renewed"], one["problem"]
    if found is None:
        return error_of(int(problem["status"]), problem)
    expires_at = began + _seconds(found["expires_in"])
    return a.Renewed(expires_at=expires_at, cancel_requested=found["cancel_requested"])


def _progress(said: Progress | None) -> dict[str, Any] | None:
    return None if said is None else asdict(said)


def _plain(error: Error) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(asdict(error)))
    return plain


def _seconds(number: float) -> timedelta:
    return timedelta(seconds=number)
