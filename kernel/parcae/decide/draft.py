"""A decision while it is being made: the events so far, and the job as they leave it."""

from __future__ import annotations

from attrs import frozen

from parcae import commands as c
from parcae.errors import LeaseLost, Reason, Rejected
from parcae.events import Event
from parcae.evolve import evolve
from parcae.lifecycle import lawful
from parcae.queues import Queue
from parcae.state import Job, Lease, Liveness, Running, Stored
from parcae.timing import expired
from parcae.values import Instant, JobId, Place, Status


@frozen(kw_only=True)
class Decision:
    """What a command brings about.

    Attributes:
        events: what happens, in order; empty where the command asks for what is already so.
        job: the fold after them.
        liveness: beside it.
        status: what the caller is told: for a repeated result, the status of the first answer.
    """

    events: tuple[Event, ...]
    job: Job | None
    liveness: Liveness | None
    status: Status | None


class Draft:
    """Collects events, each applied before the next is chosen."""

    def __init__(
        self,
        job_id: JobId,
        stored: Stored | None,
        now: Instant,
        place: Place,
        queue: Queue | None = None,
    ) -> None:
        self.job_id = job_id
        self.queue = queue
        self.now = now
        self.place = place
        self.liveness = stored.liveness if stored else None
        self.first_answer: Status | None = None
        self._job = stored.job if stored else None
        self._events: list[Event] = []

    @property
    def job(self) -> Job:
        """The job as the events so far leave it."""
        assert self._job is not None
        return self._job

    @property
    def status(self) -> Status | None:
        """Its status; ``None``: there is no job."""
        return self._job.status if self._job else None

    def add(self, event: Event) -> None:
        """Apply ``event``. A lease that it gives or clears takes the liveness with it."""
        self._job = evolve(self.job_id, self._job, event)
        self._events.append(event)
        lease = self._job.lease if self._job else None
        if lease is None:
            self.liveness = None
        elif self.liveness is None or self.liveness.token != lease.token:
            self.liveness = Liveness(
                token=lease.token, expires_at=lease.expires_at, renewed_at=lease.since
            )

    def decision(self) -> Decision:
        """What has been decided."""
        return Decision(
            events=tuple(self._events),
            job=self._job,
            liveness=self.liveness,
            status=self.first_answer or self.status,
        )

    def running(self) -> Running:
        """The state of a job known to run."""
        state = self.job.state
        assert isinstance(state, Running)
        return state

    def interrupted(self) -> str | None:
        """The name of the phase that is cut off if forward work ends now."""
        index = self.job.running_phase
        return None if index is None else self.job.spec.phases[index].name

    def expired(self) -> bool:
        """Whether the lease has run out."""
        return expired(self.liveness, self.now)

    def fence(self, due: Instant) -> Instant | None:
        """The expiry of a lease that outlives ``due``: until then its handler may be alive."""
        expiry = self.liveness.expires_at if self.liveness else self.job.fence
        return expiry if expiry is not None and expiry > due else None

    def lease_of(self, command: c.Claim) -> Lease | None:
        """The lease that this very claim was granted before.

        Raises:
            LeaseLost: it has expired since.
            Rejected: a cancel was requested since.
        """
        lease = self._job.lease if self._job else None
        if lease is None or (lease.request, lease.worker) != (command.request, command.worker):
            return None
        if self.expired():
            raise LeaseLost(Reason.EXPIRED, f"the lease of {command.request!r} has expired")
        self.refuse_if_cancelled(command)
        return lease

    def refuse_if_cancelled(self, command: c.Command) -> None:
        """Forward work is not permitted once a cancel is requested."""
        state = self.job.state
        if isinstance(state, Running) and state.cancel is not None:
            raise self.rejected(command, Reason.CANCEL_REQUESTED, "a cancel was requested")

    def rejected(self, command: c.Command, reason: Reason, message: str) -> Rejected:
        """A refusal of ``command`` that says what would be lawful."""
        return Rejected(
            reason,
            f"{type(command).__name__} refused for job {self.job_id}: {message}",
            status=self.status,
            command=type(command).__name__,
            lawful=lawful(self.status),
        )

    def unlawful(self, command: c.Command) -> Rejected:
        """The refusal of a command that this status does not take."""
        if self.status is None or isinstance(command, c.Submit):
            return self.rejected(command, Reason.DUPLICATE_ID, "the job exists already")
        names = ", ".join(lawful(self.status))
        return self.rejected(
            command, Reason.UNLAWFUL, f"the job is {self.status}, which takes {names}"
        )
