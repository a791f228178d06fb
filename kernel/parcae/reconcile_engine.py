"""Reconciling by hand: what has fallen due, what becomes of it and why; or what would."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from attrs import Factory, frozen

from parcae import answers as a
from parcae import grouping
from parcae import handle as rules
from parcae.assess import tell
from parcae.change import Aggregate, Change, Revision, View, stream_of
from parcae.groups import Group
from parcae.ports import Overdue, Restless, Rule, Selection, Store
from parcae.state import Stored
from parcae.telling import tell_aggregate
from parcae.timing import Due, next_due
from parcae.values import Cause, Instant, StreamId, WorkerId
from parcae.worker_engine import WorkerEngine

MOST = 1_000
"""So many jobs are looked at in one commit, at the most."""


@frozen(kw_only=True)
class Settlement:
    """What the reconciler did to one job or group, or would do.

    Attributes:
        stream: the id of the job, or the name of the group.
        before: its status before.
        after: its status after.
        cause: why it is in it, where there is a cause.
        due: what had fallen due, and when; ``None``: it follows from what became of another.
        worker: who held it.
        heard_at: when that worker was last heard of.
        says: what happened to it, sentence by sentence.
    """

    stream: StreamId
    before: str
    after: str
    cause: Cause | None = None
    due: Due | None = None
    worker: WorkerId | None = None
    heard_at: Instant | None = None
    says: tuple[str, ...] = ()


@frozen(kw_only=True)
class Round:
    """What one commit settled, or would.

    Attributes:
        now: the instant by which it was decided.
        looked_at: how many overdue jobs were looked at; 0: there was nothing to do.
        settled: those to which something happens, and whoever it concerns in the same commit.
    """

    now: Instant
    looked_at: int = 0
    settled: tuple[Settlement, ...] = Factory(tuple)


class ReconcileEngine:
    """Settles what is overdue, as every worker does by the way, and says what it did.

    Several at once are safe: each commit looks again, and what another has settled is not due.

    Args:
        store: where the jobs are.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._engine = WorkerEngine(store)

    async def preview(self, limit: int = 100) -> Round:
        """What :meth:`settle` would do now; nothing is changed: the outcome is thrown away.

        What one commit cannot hold, and so follows in later ones, is not among it.
        """
        jobs = await self._run(Overdue(limit=limit), rules.reconcile, keep=False)
        groups = await self._run(Restless(), grouping.advance, keep=False)
        return Round(
            now=jobs.now, looked_at=jobs.looked_at, settled=(*jobs.settled, *groups.settled)
        )

    async def settle(self, limit: int = 100) -> Round:
        """Settle up to ``limit`` overdue jobs in one commit, and what follows from that."""
        return await self._run(Overdue(limit=limit), rules.reconcile, keep=True)

    async def finish(self) -> None:
        """Go on with what groups have begun and did not finish, if somebody crashed over it."""
        await self._engine.resume()

    async def _run(self, selection: Selection, rule: Rule, *, keep: bool) -> Round:
        found: list[Round] = []

        def recorded(view: View) -> Sequence[Change | Revision]:
            made = tuple(rule(view))
            waiting = {child for children in view.dependents.values() for child in children}
            looked_at = len(view.jobs.keys() - waiting) if made else 0
            settled = settlements(view, made)
            found[:] = [Round(now=view.now, looked_at=looked_at, settled=settled)]
            return made if keep else ()

        committed = await self.store.transact(selection, recorded)
        if keep:
            await self._engine.follow(committed)
        return found[0]


def settlements(view: View, made: Iterable[Change | Revision]) -> tuple[Settlement, ...]:
    """What a rule made of a view, one by one; what nobody can see is left out.

    Args:
        view: what the rule saw.
        made: its changes. Of the same job there may be several, in their order.
    """
    jobs = dict(view.jobs)
    groups: dict[StreamId, Aggregate] = {stream_of(one): one for one in view.groups.values()}
    found: list[Settlement] = []
    for one in made:
        if isinstance(one, Change):
            found += _of_job(view, jobs.get(one.job_id), one)
            if one.job is not None:
                jobs[one.job_id] = Stored(job=one.job, liveness=one.liveness)
        else:
            found += _of_group(groups.get(one.stream), one)
            if one.after is not None:
                groups[one.stream] = one.after
    return tuple(found)


def _of_job(view: View, stored: Stored | None, change: Change) -> Iterator[Settlement]:
    if not change.events or change.job is None:
        return
    lease = stored.job.lease if stored else None
    liveness = stored.liveness if stored else None
    answer = change.answer
    yield Settlement(
        stream=StreamId(change.job_id),
        before=str(stored.job.status) if stored else "",
        after=str(change.job.status),
        cause=answer.cause if isinstance(answer, a.Reconciled) else _cause(change),
        due=_due(view, stored) if stored else None,
        worker=lease.worker if lease else None,
        heard_at=liveness.renewed_at if lease and liveness else None,
        says=tuple(map(tell, change.events)),
    )


def _cause(change: Change) -> Cause | None:
    causes = (getattr(event, "cause", None) for event in reversed(change.events))
    return next((one for one in causes if one is not None), None)


def _due(view: View, stored: Stored) -> Due | None:
    job = stored.job
    due = next_due(job, stored.liveness, view.queues.get(job.spec.lane.queue))
    return due if due is not None and due.at <= view.now else None


def _of_group(before: Aggregate | None, revision: Revision) -> Iterator[Settlement]:
    if revision.events:
        yield Settlement(
            stream=revision.stream,
            before=_standing(before),
            after=_standing(revision.after),
            says=tuple(map(tell_aggregate, revision.events)),
        )


def _standing(found: Aggregate | None) -> str:
    if not isinstance(found, Group):
        return ""
    return str(found.status or type(found.state).__name__.lower())


Tell = Callable[[Round], None]


async def until_settled(engine: ReconcileEngine, limit: int | None, batch: int, tell: Tell) -> int:
    """Settle batch by batch until nothing is overdue, or ``limit`` jobs were; how many were.

    Args:
        engine: what settles.
        limit: so many at the most; ``None``: all.
        batch: so many in a commit.
        tell: is told of each commit.
    """
    settled = 0
    while limit is None or settled < limit:
        room = batch if limit is None else min(batch, limit - settled)
        done = await engine.settle(room)
        tell(done)
        settled += done.looked_at
        if done.looked_at == 0:
            break
    await engine.finish()
    return settled
