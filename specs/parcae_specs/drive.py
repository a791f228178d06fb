"""Short words for driving a store by the kernel's rules, without an engine."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from parcae import admit
from parcae import answers as a
from parcae import commands as c
from parcae import handle as rules
from parcae.admit import Idempotency
from parcae.change import Change, Key, Revision, View
from parcae.configure import configure
from parcae.errors import Reason, Rejected, Superseded
from parcae.ports import Claimable, Committed, Named, Overdue, Query, Selection, Store
from parcae.queues import QueueCommand
from parcae.spec import PhaseSpec, Spec
from parcae.values import Blob, JobId, WorkerId, blob, seconds

KIND = "noop"
PAYLOAD = b'{"n": 1}'
WORKER = WorkerId("w1")


def spec(*phases: str, kind: str = KIND) -> Spec:
    """A job of these phases, by default of one."""
    named = tuple(PhaseSpec(name=name) for name in phases or ("only",))
    return Spec(kind=kind, phases=named, payload=blob("payload", PAYLOAD))


def needs(what: Spec) -> tuple[JobId, ...]:
    """The jobs that have to be looked at before this one is admitted."""
    return tuple(one.parent for one in what.dependencies)


class Driver:
    """Speaks to one store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def submit(self, what: Spec | None = None, key: str | None = None) -> JobId:
        """Admit a job, under a key or without."""
        once = None
        if key is not None:
            once = Idempotency(key=Key(scope="submit", key=key), ttl=seconds(60))
        chosen, keys = what or spec(), (once.key,) if once else ()
        done = await self.store.transact(
            Named(ids=needs(chosen), keys=keys, queues=(chosen.lane.queue,)),
            lambda view: admit.submit(view, chosen, PAYLOAD, once),
        )
        return done.changes[0].job_id

    async def set(self, queue: str, command: QueueCommand) -> Committed:
        """Set something for a queue."""
        return await self.store.transact(
            Named(queues=(queue,)), lambda view: configure(view, queue, command)
        )

    async def claim(
        self,
        request: str = "r1",
        worker: WorkerId = WORKER,
        limit: int = 1,
        queues: frozenset[str] | None = None,
    ) -> Sequence[a.Granted]:
        """Take up to ``limit`` jobs."""
        kinds, command = frozenset({KIND}), c.Claim(worker=worker, request=request)
        done = await self.store.transact(
            Claimable(worker=worker, request=request, kinds=kinds, queues=queues, limit=limit),
            lambda view: rules.claim(view, command, kinds=kinds, queues=queues, limit=limit),
        )
        return [one.answer for one in done.changes if isinstance(one.answer, a.Granted)]

    async def tell(self, job: JobId, command: c.Command, data: bytes | None = None) -> Committed:
        """Give ``command`` to one job."""
        return await self.store.transact(
            Named(ids=(job,)), lambda view: rules.obey(view, job, command, data)
        )

    async def shown(self, selection: Selection) -> View:
        """What a rule is shown."""
        views: list[View] = []

        def look(view: View) -> Sequence[Change | Revision]:
            views.append(view)
            return ()

        await self.store.transact(selection, look)
        return views[-1]

    async def reconcile(self, limit: int = 100) -> Committed:
        """Settle what is due."""
        return await self.store.transact(Overdue(limit=limit), rules.reconcile)

    async def work(self, granted: a.Granted, data: bytes = b"{}") -> None:
        """Do all phases of a job."""
        job, token = granted.job, granted.lease.token
        for phase in job.spec.phases:
            await self.tell(job.id, c.StartPhase(token=token, phase=phase.name))
            done = c.CompletePhase(token=token, phase=phase.name, result=result(phase.name, data))
            await self.tell(job.id, done, data)

    async def finished(self) -> JobId:
        """A job from its submission to its end."""
        job = await self.submit()
        (granted,) = await self.claim(request=f"for {job}")
        assert granted.job.id == job, "others wait, too"
        await self.work(granted)
        return job


def result(phase: str, data: bytes = b"{}") -> Blob:
    """The reference under which a phase's result is kept."""
    return blob(f"result/{phase}", data)


async def everything(store: Store) -> list[object]:
    """All that can be asked of it."""
    jobs = (await store.find(Query())).jobs
    blobs = [await store.blobs(one.job.id, ["payload", "result/only"]) for one in jobs]
    return [jobs, blobs, await store.log(), await store.count(Query()), await store.next_due()]


async def refused(driver: Driver, doing: Awaitable[object], reason: Reason) -> None:
    """It is refused for that reason, and everything is as it was (S18)."""
    before = await everything(driver.store)
    found: object = None
    try:
        await doing
    except (Rejected, Superseded) as refusal:
        found = refusal.reason
    assert found is reason, f"expected a refusal for {reason}, got {found}"
    assert await everything(driver.store) == before
