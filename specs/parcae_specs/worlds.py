"""Everybody who may put a command to a job, and what they may say; and a world of all of them.

Nothing here is random: a world is driven by whole numbers, from wherever they come.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from attrs import evolve as replace
from attrs import fields, frozen, has

from parcae import commands as c
from parcae.errors import Rejected
from parcae.saga import resubmission
from parcae.spec import RetryMode
from parcae.state import Compensating, Job, Pending, Running, Scheduled, Stored, UndoStatus
from parcae.timing import next_due
from parcae.values import JobId, Status, WorkerId
from parcae_specs import invariants
from parcae_specs.invariants.edges import repeated
from parcae_specs.invariants.history import outstanding
from parcae_specs.story import (
    START,
    Edge,
    Story,
    cancel,
    confirm,
    done,
    fail,
    note,
    release,
    renew,
    settle,
    start,
    undo,
    undo_failed,
    undone,
)

STEPS = tuple(map(timedelta, [0] * 8, [0, 0, 0, 1, 5, 10, 29, 60]))
"""By how much the clock moves between two commands; one more choice is: to what falls due."""
BACKWARD = tuple(map(timedelta, [0] * 3, [-1, -20, -60]))
OFFSETS = tuple(map(timedelta, [0] * 5, [0, 3, -3, 40, -40]))


def work(job: Job, token: int) -> tuple[c.Command, ...]:
    """What a worker that believes to hold ``job`` under ``token`` says, if it is sensible."""
    state = job.state
    if isinstance(state, Compensating):
        name = state.next.phase
        if state.next.status is UndoStatus.RUNNING:
            return (
                undone(name, token),
                undone(name, token),
                undo_failed(name, token),
                renew(token),
                release(token),
            )
        return undo(name, token), renew(token), release(token)
    index = job.running_phase
    if index is None:
        index = job.next_phase
    name = job.spec.phases[index or 0].name
    first: tuple[c.Command, ...] = (start(name, token),)
    if job.running_phase is not None:
        first = (done(name, token, result=name.encode()),)
    raised = (fail(token), fail(token, permanent=True))
    return (*first, *first, *first, *first, renew(token), *raised, release(token), confirm(token))


def sensible(stored: Stored) -> tuple[c.Command, ...]:
    """What may well be taken in this state, work first."""
    job, state = stored.job, stored.job.state
    others: tuple[c.Command, ...] = (c.Reconcile(), cancel("ops"), cancel("ops", force=True))
    if isinstance(state, Pending):
        good = tuple(settle(parent) for parent in state.unsettled)
        return (*good, *good, *(settle(p, Status.FAILED) for p in state.unsettled), *others)
    if isinstance(state, Scheduled) or (isinstance(state, Compensating) and state.lease is None):
        take = c.Claim(worker=WorkerId("ann"), request=f"r{job.token}")
        return (take, take, take, *others)
    if isinstance(state, Running | Compensating):
        return (*work(job, job.token), *others)
    return (note(), c.Reconcile())


def everything(stored: Stored) -> Iterator[c.Command]:
    """Every kind of command, right and wrong, with every token and every phase."""
    job = stored.job
    names = [phase.name for phase in job.spec.phases]
    yield from (c.Submit(spec=job.spec), c.Reconcile(), note(), cancel(), cancel(force=True))
    yield from (c.Delete(), c.Delete(retention=timedelta(days=1)))
    yield from (c.Claim(worker=WorkerId(w), request=r) for w in ("ann", "bob") for r in ("r0", "x"))
    parents = [dependency.parent for dependency in job.spec.dependencies]
    yield from (settle(parent, status) for parent in (*parents, "no") for status in Status)
    for token in range(job.token + 2):
        yield from (renew(token), fail(token), release(token), confirm(token))
        for name in (*names, "no"):
            yield from (start(name, token), done(name, token), done(name, token, result=b"2"))
            yield from (undo(name, token), undone(name, token), undo_failed(name, token))


def due_at(stored: Stored) -> datetime | None:
    """When something falls due, or the job may be claimed."""
    due, state = next_due(stored.job, stored.liveness), stored.job.state
    ready = state.ready_at if isinstance(state, Scheduled | Compensating) else None
    found = (None if due is None else due.at, ready)
    return min((one for one in found if one is not None), default=None)


def wander(submit: c.Submit, moves: Sequence[tuple[int, int]]) -> Story:
    """A job led by sensible commands: ``moves`` choose which, and how time goes on."""
    story = Story().when(submit)
    for which, step in moves:
        if story.stored is None:
            break
        choices = sensible(story.stored)
        due = due_at(story.stored)
        if step < len(STEPS):
            story.now += STEPS[step]
        elif due is not None and due > story.now:
            story.now = due
        story.when(choices[which % len(choices)])
    return story


@frozen
class Sent:
    """A message that may come again: to which job, what, and from whom."""

    story: Story
    command: c.Command
    actor: int


class World:
    """Two workers, a canceller, a reconciler, an operator, lost answers and clocks that jump."""

    def __init__(self, submit: c.Submit, offsets: Sequence[int]) -> None:
        self.now = START
        self.offsets = [OFFSETS[index] for index in offsets]
        self.story = Story()
        self.stories = [self.story]
        self.sent: list[Sent] = []
        self.tokens: dict[int, int] = {}
        self.first: dict[tuple[JobId, c.Command], Status | None] = {}
        self.put(0, submit, self.story)

    def step(self, actor: int, which: int, step: int) -> None:
        """One of them speaks: 0 and 1 work, 2 cancels, 3 reconciles, 4 operates, 5 repeats."""
        self._tick(step)
        if actor == 5 and self.sent:
            again = self.sent[which % len(self.sent)]
            self.put(again.actor, again.command, again.story)
        elif actor == 4 and self.story.stored and self.story.job.status.is_terminal:
            self._retry(which)
        else:
            command = self._says(actor, which)
            if command is not None:
                self.sent.append(Sent(self.story, command, actor))
                self.put(actor, command, self.story)

    def _tick(self, step: int) -> None:
        due = due_at(self.story.stored) if self.story.stored else None
        if step < len(STEPS):
            self.now += STEPS[step]
        elif step < len(STEPS) + len(BACKWARD):
            self.now += BACKWARD[step - len(STEPS)]
        elif due is not None:
            self.now = max(due, self.now)

    def _says(self, actor: int, which: int) -> c.Command | None:
        stored = self.story.stored
        if stored is None:
            return None
        if actor == 2:
            return cancel("ops", force=which % 4 == 0)
        if actor == 3:
            return c.Reconcile()
        if actor not in (0, 1):
            others = [one for one in sensible(stored) if isinstance(one, c.SettleDependency)]
            return others[which % len(others)] if others else note()
        token = self.tokens.get(actor)
        if token is None or which % 16 == 15:
            worker = WorkerId(f"w{actor}")
            return c.Claim(worker=worker, request=f"r{len(self.sent)}")
        said = work(stored.job, token)
        return said[which % len(said)]

    def put(self, actor: int, command: c.Command, story: Story) -> None:
        """Put a command to a job by the clock of ``actor``; hold what comes of it to the law."""
        story.now = self.now + self.offsets[actor % len(self.offsets)]
        story.when(command)
        edge = story.last
        self._hold(edge)
        broken = (*invariants.of_edge(edge), *self._of_story(story))
        assert not broken, f"{command} at {story.now}: {broken}"
        if isinstance(command, c.Claim) and edge.decision is not None:
            self.tokens[actor] = story.job.token
        elif isinstance(command, c.WorkerCommand) and story.stored and story.job.lease is None:
            self.tokens.pop(actor, None)

    def _of_story(self, story: Story) -> Iterator[str]:
        if story.stored is not None:
            yield from invariants.of_job(story.job)
            yield from invariants.of_history(story.job_id, story.history, story.job)

    def _hold(self, edge: Edge) -> None:
        """S25: every accepted result repeated gets its first answer, for ever."""
        late = any("LateResult" in type(event).__name__ for event in edge.events)
        if not isinstance(edge.command, c.Result) or edge.before is None:
            return
        key = (edge.job_id, edge.command)
        if key in self.first:
            broken = repeated(edge, self.first[key])
            assert broken is None, broken
        elif edge.decision is not None and not late:
            self.first[key] = edge.decision.status

    def _retry(self, which: int) -> None:
        origin, mode = self.story.job, tuple(RetryMode)[which % 3]
        fresh = JobId(f"{origin.id[:24]}{len(self.stories) + 1:012}")
        try:
            command = resubmission(origin, mode, job_id=fresh, seed=which)
        except Rejected:
            return
        fence = outstanding(self.story.history)
        self.story = Story(fresh)
        self.stories.append(self.story)
        self.tokens.clear()
        self.put(4, command, self.story)
        if self.story.stored is not None and fence is not None and fence > self.story.now:
            known = outstanding(self.story.history)
            assert known == fence, f"S29: the origin's fence {fence}, but {known} in its retry"


def shifted(value: Any, by: timedelta) -> Any:
    """``value`` with every instant in it later by ``by``."""
    if isinstance(value, datetime):
        return value + by
    if isinstance(value, tuple):
        return tuple(shifted(one, by) for one in value)
    if has(type(value)):
        changes = {one.name: shifted(getattr(value, one.name), by) for one in fields(type(value))}
        return replace(value, **changes)
    return value
