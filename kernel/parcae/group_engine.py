"""The use cases of groups: graphs and batches, admitted in one commit, with one end in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from attrs import frozen

from parcae import grouping
from parcae.admit import Idempotency
from parcae.answers import GroupAdmitted
from parcae.change import Change, Key, Revision, View
from parcae.definitions import Request
from parcae.errors import Reason, Rejected
from parcae.graphs import Graph, batch
from parcae.grouping import Plan
from parcae.groups import Group
from parcae.ports import Named, Store
from parcae.values import GroupId, JobId, Status, StreamId
from parcae.worker_engine import WorkerEngine

KEY_TTL = timedelta(days=30)
"""How long an idempotency key is remembered."""


@frozen(kw_only=True)
class GroupOutcome:
    """How a group ended.

    Attributes:
        group_id: which one.
        status: one of the five terminal ones: the worst that any member came to, or
            ``compensated`` if what completed members did is undone.
        ended: how many members ended with which status.
    """

    group_id: GroupId
    status: Status
    ended: Mapping[Status, int]

    @property
    def completed(self) -> bool:
        """Whether all members ended well."""
        return self.status is Status.COMPLETED


class GroupHandle:
    """One submitted graph or batch.

    Attributes:
        group_id: its name.
        jobs: its members, in their order.
        names: of a graph: the members by their names in it.
    """

    def __init__(
        self, engine: GroupEngine, admitted: GroupAdmitted, names: Sequence[str] = ()
    ) -> None:
        self._engine = engine
        self.admitted = admitted
        self.group_id = admitted.group_id
        self.jobs = admitted.jobs
        self.names: Mapping[str, JobId] = dict(zip(names, admitted.jobs, strict=False))

    async def wait(self, timeout: timedelta | None = None) -> GroupOutcome:  # noqa: ASYNC109 - on the store's clock
        """Wait for its end.

        Raises:
            TimeoutError: it has not ended within ``timeout``.
        """
        return await self._engine.wait_for_group(self.group_id, timeout)

    async def cancel(self, *, by: str = "", reason: str = "") -> Group:
        """Ask all its members to stop; see :meth:`GroupEngine.cancel_group`."""
        return await self._engine.cancel_group(self.group_id, by=by, reason=reason)

    async def progress(self) -> Group:
        """How far it is: ``ended``, ``left`` and ``status``."""
        return await self._engine.group(self.group_id)


class GroupEngine(WorkerEngine):
    """What can be asked of groups."""

    store: Store

    async def submit_graph(
        self,
        graph: Graph,
        *,
        callback: Request[Any] | None = None,
        idempotency_key: str | None = None,
        key_ttl: timedelta = KEY_TTL,
    ) -> GroupHandle:
        """Admit all jobs of a graph in one commit, or none of them.

        Args:
            graph: the jobs, and who waits for whom.
            callback: a job that runs once all of them have ended, however they did.
            idempotency_key: a repeated submission with the same key gives the same group.
            key_ttl: for how long that key is remembered.

        Raises:
            Rejected: they wait for each other in a circle, which is named; too many of them; too
                large; one has a uniqueness constraint; or the key came with another group before.
        """
        names, plan = graph.names(), graph.plan(callback)
        admitted = await self._admit_group(plan, idempotency(idempotency_key, key_ttl))
        return GroupHandle(self, admitted, names)

    async def submit_many(
        self,
        requests: Sequence[Request[Any]],
        *,
        callback: Request[Any] | None = None,
        label: str = "",
        idempotency_key: str | None = None,
        key_ttl: timedelta = KEY_TTL,
    ) -> GroupHandle:
        """Admit many jobs in one commit, or none of them; see :meth:`submit_graph`."""
        plan = batch(requests, callback, label)
        admitted = await self._admit_group(plan, idempotency(idempotency_key, key_ttl))
        return GroupHandle(self, admitted)

    async def _admit_group(self, plan: Plan, key: Idempotency | None) -> GroupAdmitted:
        answers: list[GroupAdmitted] = []

        def rule(view: View) -> Sequence[Change | Revision]:
            changes, answer = grouping.submit_group(view, plan, key)
            answers[:] = [answer]
            return changes

        outside = {d.parent: None for one in plan.members for d in one.spec.dependencies}
        keys = () if key is None else (key.key,)
        queues = dict.fromkeys(one.spec.lane.queue for one in plan.members)
        selection = Named(ids=tuple(outside), keys=keys, queues=tuple(queues))
        await self.follow(await self.store.transact(selection, rule))
        return answers[0]

    async def group(self, group_id: GroupId) -> Group:
        """A group as it is now.

        Raises:
            Rejected: there is none.
        """
        found = await self.store.aggregate(StreamId(group_id))
        if not isinstance(found, Group):
            raise Rejected(Reason.NOT_FOUND, f"there is no group {group_id}", command="group")
        return found

    async def cancel_group(self, group_id: GroupId, *, by: str = "", reason: str = "") -> Group:
        """Ask all members to stop; where the group compensates, what they did is undone.

        Raises:
            Rejected: there is no such group.
        """
        committed = await self.store.transact(
            Named(groups=(group_id,)),
            lambda view: grouping.cancel_group(view, group_id, by, reason),
        )
        await self.follow(committed)
        return await self.group(group_id)

    async def wait_for_group(
        self,
        group_id: GroupId,
        timeout: timedelta | None = None,  # noqa: ASYNC109 - on the store's clock, not the loop's
    ) -> GroupOutcome:
        """Wait until a group has ended; see :meth:`GroupHandle.wait`."""
        until = None if timeout is None else self.store.clock.now() + timeout
        while True:
            mark = self.store.mark()
            group = await self.group(group_id)
            if group.status is not None:
                return GroupOutcome(group_id=group_id, status=group.status, ended=group.ended)
            if until is not None and until <= self.store.clock.now():
                raise TimeoutError(f"{group_id} has {group.left} jobs left after {timeout}")
            await self.store.wait(mark, until, JobId(group_id))


def idempotency(key: str | None, ttl: timedelta) -> Idempotency | None:
    """The key of a submission, if it has one.

    Raises:
        ValueError: it is empty or too long.
    """
    if key is None:
        return None
    if not key or len(key) > 200:
        raise ValueError(f"expected an idempotency key of 1 to 200 characters, got {key!r}")
    return Idempotency(key=Key(scope="submit", key=key), ttl=ttl)
