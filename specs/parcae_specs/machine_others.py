"""What is done to two stores side by side: graphs, constraints and schedules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice

from attrs import evolve as replace
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from parcae import admit
from parcae import commands as c
from parcae.admit import Idempotency, unique_key
from parcae.change import Change, Key, Revision, View
from parcae.grouping import Edge, Member, Plan, advance, cancel_group, submit_group
from parcae.groups import Group, due_at
from parcae.ports import Named, Page, Query, Restless, Store, Ticking
from parcae.schedules import (
    Missed,
    PauseSchedule,
    RemoveSchedule,
    ResumeSchedule,
    ScheduleCommand,
    SetSchedule,
)
from parcae.schedules import Plan as SchedulePlan
from parcae.spec import PhaseSpec, Spec, Unique
from parcae.state import Pending, Running, Stored
from parcae.ticking import fire, set_schedule
from parcae.values import Error, GroupId, Status, blob, seconds
from parcae_specs.drive import needs
from parcae_specs.inputs import policies, specs, uniques
from parcae_specs.machine_workers import Workers
from parcae_specs.ticks import EverySeconds
from parcae_specs.twins import alive

SHAPES: tuple[tuple[tuple[int, ...], ...], ...] = (
    (),
    ((),),
    ((), ()),
    ((), (0,)),
    ((), (), (0, 1)),
    ((), (0,), (0,), (1, 2)),
)
"""Graphs: for each member whom it waits for."""
PAYLOAD = b"{}"
BARE = Spec(kind="pack", phases=(PhaseSpec(name="p0"),), payload=blob("payload", PAYLOAD))
PLANS = tuple(
    SchedulePlan(cron=cron, spec=BARE, payload=PAYLOAD.decode(), missed=missed, at_most=2)
    for cron, missed in (("9", Missed.ONCE), ("5", Missed.ALL), ("4", Missed.SKIP))
)
SCHEDULED: tuple[ScheduleCommand, ...] = (
    *(SetSchedule(plan=plan) for plan in PLANS),
    PauseSchedule(),
    ResumeSchedule(),
    RemoveSchedule(),
)
CALENDAR = EverySeconds()


class Others(Workers):
    """Jobs that have to do with each other."""

    def __init__(self) -> None:
        super().__init__()
        self.groups: list[GroupId] = []

    # -- graphs ------------------------------------------------------------------------------

    @rule(
        data=st.data(),
        shape=st.sampled_from(SHAPES),
        compensate=st.booleans(),
        callback=st.booleans(),
        key=st.sampled_from([None, None, None, "g1"]),
    )
    def submit_group(
        self,
        data: st.DataObject,
        shape: Sequence[Sequence[int]],
        compensate: bool,
        callback: bool,
        key: str | None,
    ) -> None:
        """Admit a graph, which may wait for other jobs too."""
        now, outside = self.clock.now(), tuple(self.jobs[-2:])
        members = tuple(
            Member(
                spec=data.draw(specs(now, () if parents else outside, PAYLOAD)),
                payload=PAYLOAD,
                after=tuple(Edge(index=one, policy=data.draw(policies)) for one in parents),
            )
            for parents in shape
        )
        last = Member(spec=BARE, payload=PAYLOAD) if callback else None
        plan = Plan(members=members, callback=last, compensate=compensate)
        once = Idempotency(key=Key(scope="submit", key=key), ttl=seconds(60)) if key else None
        self._admit(plan, once)

    def _admit(self, plan: Plan, once: Idempotency | None) -> None:
        ids = tuple(dict.fromkeys(job for one in plan.members for job in needs(one.spec)))
        lanes = tuple(one.spec.lane.queue for one in plan.members)
        keys = (once.key,) if once else ()
        named: list[GroupId] = []

        def rule(view: View) -> Sequence[Change | Revision]:
            changes, answer = submit_group(view, plan, once)
            named.append(answer.group_id)
            return changes

        self.admitted(self.transact(Named(ids=ids, keys=keys, queues=lanes), rule))
        self.groups.extend(one for one in named[-1:] if one not in self.groups)

    @rule(
        data=st.data(),
        shape=st.sampled_from(SHAPES[3:]),
        compensate=st.booleans(),
        steps=st.integers(1, 12),
        how=st.sampled_from(["fail", "cancel", "nothing"]),
        then=st.integers(0, 12),
    )
    def live_together(
        self,
        data: st.DataObject,
        shape: Sequence[Sequence[int]],
        compensate: bool,
        steps: int,
        how: str,
        then: int,
    ) -> None:
        """A graph of its own: get somewhere, come to grief there, and go on from that."""
        first = len(self.jobs)
        self.submit_group(data, shape, compensate, True, None)
        self._work(first, steps)
        if how == "cancel":
            self.cancel_group(0)
        elif how == "fail":
            self._fail(first)
        for _ in range(then):
            self.go_on_by_themselves(2)
            self._work(first, 1)

    def _work(self, first: int, steps: int) -> None:
        for _ in range(steps):
            for stored in self._ready(first)[:1]:
                self.step(stored, 1, PAYLOAD)

    def _fail(self, first: int) -> None:
        running = (one for one in self._ready(first) if isinstance(one.job.state, Running))
        for stored in islice(running, 1):
            error = Error(type="Fatal", permanent=True)
            self.command(stored.job.id, c.Fail(token=stored.job.token, error=error))

    def _ready(self, first: int) -> list[Stored]:
        """Those of the jobs from there on who wait for nobody and have not ended."""
        ours = (self.stored(job) for job in self.jobs[first:])
        return [one for one in ours if one is not None and _ready(one)]

    @rule(pick=st.integers(0, 9))
    def cancel_group(self, pick: int) -> None:
        """Ask all members of a group to stop."""
        if self.groups:
            name = self.groups[-1 - pick % len(self.groups)]
            self.transact(Named(groups=(name,)), lambda view: cancel_group(view, name, "me"))

    @rule(limit=st.integers(1, 3))
    def go_on_by_themselves(self, limit: int) -> None:
        """Let the group go on that has waited for longest."""
        self.admitted(self.transact(Restless(limit=limit), advance))

    # -- constraints and schedules -----------------------------------------------------------

    @rule(data=st.data(), unique=uniques)
    def submit_once(self, data: st.DataObject, unique: Unique) -> None:
        """Admit a job unless one stands for it, or in place of that one."""
        drawn = data.draw(specs(self.clock.now(), tuple(self.jobs[-2:]), PAYLOAD))
        spec = replace(drawn, unique=unique)
        key = unique_key(admit.named(spec).name)
        selection = Named(ids=needs(spec), keys=(key,), queues=(spec.lane.queue,))
        self.admitted(self.transact(selection, lambda view: admit.submit(view, spec, PAYLOAD)))

    @rule(name=st.sampled_from(["a", "b"]), command=st.sampled_from(SCHEDULED))
    def schedule(self, name: str, command: ScheduleCommand) -> None:
        """Set something for a schedule."""
        selection = Named(schedules=(name,))
        self.transact(selection, lambda view: set_schedule(view, name, command, CALENDAR))

    @rule(limit=st.integers(1, 2))
    def tick(self, limit: int) -> None:
        """Admit what is due by schedules."""
        self.admitted(self.transact(Ticking(limit=limit), lambda view: fire(view, CALENDAR)[0]))

    # -- what holds after every step ---------------------------------------------------------

    @invariant()
    def nobody_is_forgotten(self) -> None:
        """S8, S5, S12: who waits waits for the living, and a group counts each end, once."""
        if not hasattr(self, "system"):
            return
        found = self.runner.run(_everyone(self.model))
        jobs = {one.job.id: one for one in found.jobs}
        groups = {one.id: one for one in self.runner.run(_groups(self.model))}
        for stored in found.jobs:
            state = stored.job.state
            for parent in state.unsettled if isinstance(state, Pending) else ():
                # So few wait here that nothing is ever left for a later commit.
                group = groups.get(GroupId(parent))
                waits = alive(jobs.get(parent)) if group is None else group.status is None
                assert waits, f"S8: {stored.job.id} waits for {parent}, which has ended"
        for group in groups.values():
            _require_counted(group, [one for one in found.jobs if _belongs(one, group)])


def _ready(stored: Stored) -> bool:
    return alive(stored) and not isinstance(stored.job.state, Pending)


def _belongs(stored: Stored, group: Group) -> bool:
    membership = stored.job.spec.group
    return membership is not None and membership.group_id == group.id


def _require_counted(group: Group, jobs: Sequence[Stored]) -> None:
    ended: Counter[Status] = Counter()
    undone: Counter[Status] = Counter()
    for stored in jobs:
        membership = stored.job.spec.group
        assert membership is not None
        if not alive(stored):
            (undone if membership.undoes else ended)[stored.job.status] += 1
    if group.status is None:
        assert group.ended == ended, f"S5: {group} counts otherwise than {ended}"
        assert group.undone == undone, f"S12: {group} counts otherwise than {undone}"
        moving = due_at(group) is not None or any(map(alive, jobs))
        assert moving, f"L3: {group} waits for nobody, and is not to go on"
    # Of a group that has ended members may have been deleted; and some may be retried by hand.
    assert all(group.ended.get(status, 0) >= number for status, number in ended.items())


async def _everyone(store: Store) -> Page:
    return await store.find(Query(limit=1_000))


async def _groups(store: Store) -> list[Group]:
    return [one for one in await store.aggregates("", 1_000) if isinstance(one, Group)]
