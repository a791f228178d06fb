"""What is done to two stores side by side: jobs, from their submission to their end."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import rule

from parcae import admit
from parcae import commands as c
from parcae import handle as rules
from parcae.admit import Idempotency
from parcae.change import Key
from parcae.errors import ParcaeError
from parcae.handle import Held
from parcae.ports import Claimable, Committed, Named, Overdue
from parcae.state import Compensating, Job, Pending, Stored, UndoStatus
from parcae.values import Error, JobId, Status, Token, WorkerId, seconds
from parcae_specs.drive import needs
from parcae_specs.inputs import KINDS, QUEUES, payloads, result_of, specs
from parcae_specs.twins import WORKERS, Twins, alive

ERRORS = (Error(type="Flaky"), Error(type="Fatal"), Error(type="Flaky", permanent=True))


class Workers(Twins):
    """Jobs are submitted, worked on and reported."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[tuple[WorkerId, str]] = []

    def command(self, job: JobId, command: c.Command, data: bytes | None = None) -> None:
        """Give ``command`` to one job."""
        self.transact(Named(ids=(job,)), lambda view: rules.obey(view, job, command, data))

    def job(self, pick: int) -> JobId | None:
        """One of the jobs admitted so far; mostly one of the last that have not ended."""
        live = [job for job in self.jobs if alive(self.stored(job))]
        some = live if live and pick % 7 else self.jobs
        return some[-1 - (pick % min(len(some), 4))] if some else None

    def admitted(self, done: Committed | ParcaeError) -> None:
        """Remember the job that was admitted."""
        if isinstance(done, Committed):
            self.jobs.extend(one.job_id for one in done.changes if one.job_id not in self.jobs)

    @rule(data=st.data(), payload=payloads, key=st.sampled_from([None, None, "k1", "k2"]))
    def submit(self, data: st.DataObject, payload: bytes, key: str | None) -> None:
        """Admit a job, perhaps under a key that was used before."""
        spec = data.draw(specs(self.clock.now(), tuple(self.jobs[-3:]), payload))
        once = Idempotency(key=Key(scope="submit", key=key), ttl=seconds(60)) if key else None
        keys = (once.key,) if once else ()
        selection = Named(ids=needs(spec), keys=keys, queues=(spec.lane.queue,))
        self.admitted(
            self.transact(selection, lambda view: admit.submit(view, spec, payload, once))
        )

    @rule(
        worker=st.sampled_from(WORKERS),
        repeat=st.integers(0, 4),
        kinds=st.frozensets(st.sampled_from(KINDS), min_size=1),
        queues=st.none() | st.frozensets(st.sampled_from(QUEUES)),
        limit=st.integers(1, 3),
    )
    def claim(
        self,
        worker: WorkerId,
        repeat: int,
        kinds: frozenset[str],
        queues: frozenset[str] | None,
        limit: int,
    ) -> None:
        """Claim some, or repeat a claim."""
        if repeat == 0 and self.requests:
            worker, request = self.requests[-1]
        else:
            request = f"r{len(self.requests)}"
            self.requests.append((worker, request))
        selection = Claimable(
            worker=worker, request=request, kinds=kinds, queues=queues, limit=limit
        )
        command = c.Claim(worker=worker, request=request)
        self.transact(
            selection,
            lambda view: rules.claim(view, command, kinds=kinds, queues=queues, limit=limit),
        )

    @rule(pick=st.integers(0, 20), stale=st.integers(0, 19), data=payloads)
    def go_on(self, pick: int, stale: int, data: bytes) -> None:
        """Do what a well-behaved worker does next; seldom under an old token."""
        stored = self.stored(self.job(pick))
        if stored is None:
            return
        if isinstance(stored.job.state, Pending):
            self.settle(pick)
        else:
            self.step(stored, stale, data)

    def step(self, stored: Stored, stale: int, data: bytes) -> None:
        """Take one step with a job that has been scheduled."""
        state = stored.job.state
        if stored.job.token == 0 or (stored.job.lease is None and stale):
            self.clock.set(max(getattr(state, "ready_at", self.clock.now()), self.clock.now()))
            self.claim(WORKERS[0], 1, frozenset(KINDS), None, 3)
            return
        token = Token(stored.job.token - (stale == 0))
        command = _next_step(stored.job, token, data)
        self.command(stored.job.id, command, data)

    @rule(pick=st.integers(0, 20), steps=st.integers(2, 9), data=payloads)
    def go_on_for_long(self, pick: int, steps: int, data: bytes) -> None:
        """Several such steps."""
        for _ in range(steps):
            self.go_on(pick, 1, data)

    @rule(
        data=st.data(),
        before=st.integers(1, 7),
        how=st.sampled_from(["fail", "cancel", "force", "lose", "nothing"]),
        then=st.integers(0, 6),
        error=st.sampled_from(ERRORS),
    )
    def live(self, data: st.DataObject, before: int, how: str, then: int, error: Error) -> None:
        """A job of its own: get somewhere, come to grief there, and go on from that."""
        self.submit(data, b"{}", None)
        newest = 0
        self.go_on_for_long(newest, before, b"{}")
        if how in ("cancel", "force"):
            self.cancel(newest, how == "force")
        elif how == "lose":
            self.clock.set(self.clock.now() + seconds(30))
            self.reconcile(3)
        if how in ("cancel", "fail"):
            self.report(newest, 1, "confirm" if how == "cancel" else "fail", error)
        self.go_on_for_long(newest, then, b"{}")

    @rule(
        pick=st.integers(0, 20),
        stale=st.integers(0, 9),
        what=st.sampled_from(["fail", "release", "confirm", "renew"]),
        error=st.sampled_from(ERRORS),
    )
    def report(self, pick: int, stale: int, what: str, error: Error) -> None:
        """Say something else that a worker may say."""
        stored = self.stored(self.job(pick))
        if stored is None:
            return
        job, token = stored.job, Token(stored.job.token - (stale == 0))
        undoing = [one.phase for one in job.undos if one.status == "running"]
        fail: c.Command = c.Fail(token=token, error=error)
        if undoing:
            fail = c.FailUndo(token=token, phase=undoing[0], error=error)
        self.command(
            job.id,
            {
                "fail": fail,
                "release": c.Release(token=token),
                "confirm": c.ConfirmCancel(token=token),
                "renew": c.Renew(token=token, progress=c.Progress(done=stale)),
            }[what],
        )

    @rule()
    def renew_all(self) -> None:
        """Renew whatever is held, in one transaction."""
        held = [
            Held(job_id=job, command=c.Renew(token=stored.job.token))
            for job in self.jobs
            if (stored := self.stored(job)) is not None and stored.job.lease is not None
        ]
        ids = tuple(one.job_id for one in held)
        self.transact(Named(ids=ids), lambda view: rules.renew(view, held)[0])

    @rule(pick=st.integers(0, 20), force=st.booleans())
    def cancel(self, pick: int, force: bool) -> None:
        """Ask a job to stop."""
        if (job := self.job(pick)) is not None:
            self.command(job, c.Cancel(by="me", force=force))

    @rule(limit=st.integers(1, 3))
    def reconcile(self, limit: int) -> None:
        """Settle what is due."""
        self.transact(Overdue(limit=limit), rules.reconcile)

    @rule(pick=st.integers(0, 20))
    def settle(self, pick: int) -> None:
        """Tell a pending job how one that it waits for has ended."""
        stored = self.stored(self.job(pick))
        if stored is None or not isinstance(stored.job.state, Pending):
            return
        parent = stored.job.state.unsettled[0]
        ended = self.stored(parent)
        outcome = ended.job.status if ended else Status.COMPLETED
        self.command(stored.job.id, c.SettleDependency(parent=parent, outcome=outcome))


def _next_step(job: Job, token: Token, data: bytes) -> c.Command:
    """What the worker that holds ``job`` says next, if all goes well."""
    if isinstance(job.state, Compensating):
        undo = job.state.next
        work = c.CompleteUndo if undo.status is UndoStatus.RUNNING else c.StartUndo
        return work(token=token, phase=undo.phase)
    index = job.running_phase
    if index is None:
        return c.StartPhase(token=token, phase=job.spec.phases[job.next_phase or 0].name)
    phase = job.spec.phases[index].name
    return c.CompletePhase(token=token, phase=phase, result=result_of(phase, data))
