"""The use cases of a host that runs jobs on a queue of its own, and keeps the truth here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from attrs import evolve as replace
from attrs import field, frozen

from parcae import admit as admission
from parcae import answers as a
from parcae import commands as c
from parcae import handle as rules
from parcae.admit import Idempotency
from parcae.change import Change, Key, Revision, View
from parcae.context import PAYLOAD
from parcae.errors import Reason, Rejected
from parcae.ports import Named
from parcae.spec import MOMENT, Lost, OnLost, PhaseSpec, Retry, Spec, Timing
from parcae.state import Stored
from parcae.values import (
    MAX_NAME,
    Error,
    Instant,
    JobId,
    Lane,
    Token,
    WorkerId,
    blob,
    hours,
    valid_duration,
)
from parcae.worker_engine import NOTHING, WorkerEngine, accepted

PHASE = "run"
"""The one phase of a job that a host's own queue runs."""

DAY = Timing(attempt=hours(24), stale_after=hours(24))
LOST = OnLost(action=Lost.FAIL)
OFTEN = Retry(max_attempts=1_000)
ONCE = Retry(max_attempts=1)
"""Of what nobody starts again under the same name: a cron's command."""


def host_key(external_id: str) -> Key:
    """Under which a job of a host's own queue is found, by the name that it has there.

    Raises:
        ValueError: it is empty or too long.
    """
    if not external_id or len(external_id) > MAX_NAME:
        message = f"expected a name of 1 to {MAX_NAME} characters in the host's queue"
        raise ValueError(f"{message}, got {external_id[:MAX_NAME]!r}")
    return Key(scope="host", key=external_id)


@frozen(kw_only=True)
class External:
    """What jobs have in common that a queue of the host's runs.

    They have one phase. How often one is tried is that queue's to say: our own policy only bounds
    it. What never reports is settled by the reconciler: a start by its lease and its hard timeout,
    a job that is never started by ``stale_after``.

    Attributes:
        queue: in which line of ours they stand, so that it can be paused and bounded.
        key: the lane within it.
        timing: the lease, and how long a start and the wait for one may take.
        on_lost: what follows where the host's worker was lost. By default the job has failed: many
            queues never run such a task again. Choose to retry where yours does.
        retry: an upper bound of starts, and the wait where the queue does not say when.
        ttl: for how long the name is remembered that a job has in the host's queue.
    """

    queue: str = "external"
    key: str = ""
    timing: Timing = DAY
    on_lost: OnLost = LOST
    retry: Retry = OFTEN
    ttl: timedelta = field(default=timedelta(days=30), validator=valid_duration(MOMENT))

    def spec(
        self,
        kind: str,
        payload: bytes = NOTHING,
        *,
        run_at: Instant | None = None,
        attempt: timedelta | None = None,
    ) -> Spec:
        """A job of this kind; ``attempt``: its own hard timeout.

        Raises:
            ValueError: a name or an instant is not lawful.
        """
        timing = self.timing if attempt is None else replace(self.timing, attempt=attempt)
        return Spec(
            kind=kind,
            phases=(PhaseSpec(name=PHASE),),
            payload=blob(PAYLOAD, payload),
            lane=Lane(queue=self.queue, key=self.key),
            run_at=run_at,
            retry=self.retry,
            on_lost=self.on_lost,
            timing=timing,
            external=True,
        )


class HostEngine(WorkerEngine):
    """What a host can ask for whose own queue chooses what runs, when, and how often."""

    async def admit_external(
        self, external_id: str, spec: Spec, payload: bytes, ttl: timedelta
    ) -> a.Admitted:
        """Admit a job that the host's queue knows as ``external_id``; repeated, it is one job.

        Args:
            external_id: its name there.
            spec: of a kind that no worker of ours serves.
            payload: what ``spec.payload`` refers to.
            ttl: for how long the name is remembered.

        Raises:
            Rejected: too large, or the name came with another kind or payload before.
            ValueError: the name is empty or too long.
        """
        keyed = Idempotency(key=host_key(external_id), ttl=ttl)

        def rule(view: View) -> Sequence[Change | Revision]:
            return admission.submit(view, spec, payload, keyed)

        selection = Named(keys=(keyed.key,), queues=(spec.lane.queue,))
        committed = await self.store.transact(selection, rule)
        await self.follow(committed)
        answer = committed.changes[0].answer
        assert isinstance(answer, a.Admitted)
        return answer

    async def external(self, external_id: str) -> Stored:
        """The job that the host's queue knows as ``external_id``.

        Raises:
            Rejected: there is none (any more).
            ValueError: the name is empty or too long.
        """
        key, found = host_key(external_id), list[Stored]()

        def look(view: View) -> tuple[()]:
            row = view.keys.get(key)
            stored = view.jobs.get(row.job_id) if row is not None else None
            found[:] = [] if stored is None else [stored]
            return ()

        await self.store.transact(Named(keys=(key,)), look)
        if not found:
            message = f"there is no job that the host's queue knows as {external_id!r}"
            raise Rejected(Reason.NOT_FOUND, message)
        return found[0]

    async def claim_named(self, job_id: JobId, worker: WorkerId, *, request: str) -> a.Granted:
        """Take this very job, which a queue of the host's has begun to run.

        Args:
            job_id: which one.
            worker: who runs it.
            request: a key of this very request: repeated, it grants the same lease.

        Raises:
            Rejected: it may not start now: it has ended, is held, is not due, or its queue is
                paused or full.
            LeaseLost: it was granted to this very request, and the lease has expired.
        """
        command = c.Claim(worker=worker, request=request)
        committed = await self.store.transact(
            Named(ids=(job_id,), lines=True), lambda view: rules.claim_named(view, job_id, command)
        )
        answer = committed.changes[0].answer
        assert isinstance(answer, a.Granted)
        return answer

    async def fail_external(
        self,
        job_id: JobId,
        token: Token,
        error: Error,
        *,
        final: bool = False,
        retry_at: Instant | None = None,
    ) -> a.Accepted:
        """Report that a run of the host's queue raised.

        Args:
            job_id: which one.
            token: its lease.
            error: what it raised.
            final: the host's queue has no retry left for it.
            retry_at: when it tries again; by default as the job's own policy says.

        Raises:
            LeaseLost: somebody else holds the job by now; the error is kept as evidence.
            Rejected: ``retry_at`` is too far away, or there with ``final``.
        """
        command = c.Fail(token=token, error=error, final=final, retry_at=retry_at)
        return accepted(await self.command(job_id, command))

    async def abandon(self, job_id: JobId, token: Token, error: Error) -> a.Accepted:
        """Report that the host's queue has given the job up.

        Args:
            job_id: which one.
            token: of its last start that the reporter knows of; 0: it has never started.
            error: what the queue said.

        Raises:
            LeaseLost: it was started again since, or has ended otherwise; kept as evidence.
            Rejected: there is no such job.
        """
        return accepted(await self.command(job_id, c.Abandon(token=token, error=error)))
