"""What a worker needs of whoever has the jobs: an engine on a store, or a server elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from attrs import frozen

from parcae import answers as a
from parcae.errors import ParcaeError
from parcae.handle import Held
from parcae.ports import Clock
from parcae.values import Blob, Error, Instant, JobId, Token, WorkerId
from parcae.workers import Presence


@frozen(kw_only=True)
class Handed:
    """What a handler is given to work with.

    Attributes:
        blobs: the payload and the results of completed phases, by their names.
        parents: the results of the jobs that this one has waited for, by name and by id.
    """

    blobs: Mapping[str, bytes]
    parents: Mapping[str, bytes]


class Employer(Protocol):
    """Gives work, and takes what becomes of it.

    1. All methods may be awaited from any event loop, in any thread.
    2. Whoever cannot answer raises ``Unavailable``: whether it has happened is unknown, and the
       same call again is safe (rule 1 of the lifecycle).
    3. Every instant that it gives or takes is read by ``clock``. What a worker compares with a
       lease's end must never lie behind the clock that leases live by, however clocks are set:
       an employer elsewhere counts spans from before it asked, on a clock that nobody sets.
    4. ``news`` and ``wait_for_news`` are ``mark`` and ``wait`` of :class:`parcae.ports.EventBus`:
       no news is missed, but some may be told twice, and some tell nothing new.
    """

    @property
    def clock(self) -> Clock:
        """The clock by which leases end."""
        ...

    def news(self) -> int:
        """How much news there was so far: work, cancels, whatever is worth a look."""
        ...

    async def wait_for_news(self, mark: int) -> int:
        """Return once there is more news than ``mark``, with how much there is."""
        ...

    async def next_due(self, after: Instant) -> Instant | None:
        """When, past ``after``, it is worth while to claim although there is no news."""
        ...

    async def claim(
        self,
        worker: WorkerId,
        kinds: frozenset[str],
        *,
        request: str,
        limit: int = 1,
        queues: frozenset[str] | None = None,
        without: frozenset[JobId] = frozenset(),
    ) -> Sequence[a.Granted]:
        """Take up to ``limit`` jobs; see :meth:`parcae.worker_engine.WorkerEngine.claim`."""
        ...

    async def handed(self, granted: a.Granted) -> Handed:
        """What the handlers of a job that was granted are given."""
        ...

    async def renew(self, held: Sequence[Held]) -> Sequence[a.Renewed | ParcaeError]:
        """Extend many leases; each has its own answer or refusal, in order."""
        ...

    async def cancels(self, worker: WorkerId) -> Mapping[JobId, Token]:
        """The jobs that ``worker`` runs and somebody wants cancelled, with their leases' tokens."""
        ...

    async def start_phase(self, job_id: JobId, token: Token, phase: str) -> a.Accepted:
        """Ask leave to begin a phase."""
        ...

    async def complete_phase(
        self, job_id: JobId, token: Token, phase: str, result: tuple[Blob, bytes] | None = None
    ) -> a.Accepted:
        """Report that a phase is done; the last one completes the job."""
        ...

    async def fail(self, job_id: JobId, token: Token, error: Error) -> a.Accepted:
        """Report that the handler raised."""
        ...

    async def release(self, job_id: JobId, token: Token, lacks: str = "") -> a.Accepted:
        """Give a job back; ``lacks``: what this worker lacks to run it, where that is why."""
        ...

    async def confirm_cancel(self, job_id: JobId, token: Token) -> a.Accepted:
        """Report that the handler has stopped as it was asked to."""
        ...

    async def start_undo(self, job_id: JobId, token: Token, phase: str) -> a.Accepted:
        """Ask leave to begin an undo."""
        ...

    async def complete_undo(self, job_id: JobId, token: Token, phase: str) -> a.Accepted:
        """Report that a phase is undone."""
        ...

    async def fail_undo(self, job_id: JobId, token: Token, phase: str, error: Error) -> a.Accepted:
        """Report that an undo raised."""
        ...

    async def reconcile(self, limit: int = 100) -> Sequence[a.Reconciled]:
        """Settle what has fallen due; nothing where the employer sees to that by itself."""
        ...


@runtime_checkable
class Registrar(Protocol):
    """Where a worker writes down that it is there. An employer may be one; it need not be."""

    @property
    def clock(self) -> Clock:
        """The clock by which somebody is taken to be there."""
        ...

    async def enlist(self, presence: Presence) -> None:
        """Write down that a worker is there; in place of what it said before."""
        ...

    async def dismiss(self, worker: WorkerId) -> None:
        """Strike a worker out."""
        ...

    async def tidy(self, limit: int = 1_000) -> int:
        """Delete up to ``limit`` keys that are over, and say how many: a worker sees to that."""
        ...
