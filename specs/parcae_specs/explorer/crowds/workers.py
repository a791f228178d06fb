"""What workers may do: take jobs, work, hand back, fall silent, come too late."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve as replace

from parcae import answers as a
from parcae import commands as c
from parcae import handle as rules
from parcae.change import Change
from parcae.state import Compensating, Job, PhaseStatus, Running
from parcae.values import Token, WorkerId
from parcae_specs.explorer.belief import RAISED
from parcae_specs.explorer.crowds.line import startable
from parcae_specs.explorer.crowds.model import Mishap
from parcae_specs.explorer.crowds.moves import Done, Move, Mover, transact
from parcae_specs.explorer.crowds.store import Shelf
from parcae_specs.explorer.crowds.world import Mind, World
from parcae_specs.explorer.watch import Violation


class Workers(Mover):
    """Finds the moves of each worker. A grant is followed by its first beginning at once."""

    def moves(self, world: World) -> Iterator[Move]:
        """Those of all of them."""
        for index, mind in enumerate(world.minds):
            actor = f"worker {index + 1}"
            if len(mind) < self.model.grab:
                yield from self._claim(world, index, actor)
            if mind:
                gone = Done(_minded(world, index, ()), ())
                yield from self.move(actor, "dies", world, Mishap.CRASH, gone)
            for slot, token in mind:
                yield from self._works(world, index, actor, slot, token)

    def _claim(self, world: World, index: int, actor: str) -> Iterator[Move]:
        mind = world.minds[index]
        limit = self.model.grab - len(mind)
        kinds = frozenset(row.spec.kind for row in world.rows)
        # A key that no earlier claim has used.
        total = sum(row.stored.job.token for row in world.rows if row.stored is not None)
        command = c.Claim(worker=WorkerId(actor), request=f"{total} and more")
        view = Shelf(world, self.model.cascade).claimable()
        done = transact(
            world,
            view,
            lambda shown: rules.claim(shown, command, kinds=kinds, queues=None, limit=limit),
        )
        if not done.changes and not done.broken:
            waiting = next(startable(world), None)
            if waiting is not None:
                broken = (Violation("L2", f"{waiting.id} may start, and a claim gets nothing"),)
                done = Done(world, done.changes, broken)
        yield from self.move(actor, "claims", world, None, self._begun(done, index))

    def _begun(self, done: Done, index: int) -> Done:
        """What was granted is begun; a worker remembers all of it."""
        if not done.changes or done.broken:
            return done
        world, mind = done.world, done.world.minds[index]
        slots = {row.id: slot for slot, row in enumerate(world.rows)}
        for change in done.changes:
            if isinstance(change, Change) and isinstance(change.answer, a.Granted):
                slot = slots[change.job_id]
                mind = (*mind, (slot, int(change.answer.lease.token)))
        world = _minded(world, index, mind)
        log = done.log
        for slot, token in mind[len(done.world.minds[index]) :]:
            after = self._begin(world, slot, token)
            if after.broken:
                return after
            world, log = after.world, (*log, *after.log)
        return Done(world, done.changes, (), log)

    def _begin(self, world: World, slot: int, token: int) -> Done:
        """Begin what is next of a held job, if anything is."""
        stored = world.rows[slot].stored
        name = None if stored is None else _next(stored.job)
        if stored is None or name is None:
            return Done(world, ())
        undo = isinstance(stored.job.state, Compensating)
        kind = c.StartUndo if undo else c.StartPhase
        return self.put(world, slot, kind(token=Token(token), phase=name))

    def put(self, world: World, slot: int, command: c.Command) -> Done:
        """Put a command to the job in a slot, and all that follows in the same commit."""
        name = world.rows[slot].id
        view = Shelf(world, self.model.cascade).named((name,))
        return transact(world, view, lambda shown: rules.obey(shown, name, command))

    def _works(self, world: World, index: int, actor: str, slot: int, token: int) -> Iterator[Move]:
        row = world.rows[slot]
        job = row.stored.job if row.stored is not None else None
        current = job is not None and job.lease is not None and job.lease.token == token
        if job is None or not current:
            # It speaks of what it lost, is told so, and lets go.
            done = Done(_forgotten(world, index, slot), ())
            yield from self.move(actor, f"finds job {slot + 1} lost", world, None, done)
            return
        held = Token(token)
        for verb, command, cost in _commands(job, held):
            if cost is not None and not self.can(world, cost):
                continue
            done = self._heard(self.put(world, slot, command), index, slot, token)
            yield from self.move(actor, f"{verb} job {slot + 1}", world, cost, done)

    def _heard(self, done: Done, index: int, slot: int, token: int) -> Done:
        """What it does next, having heard the answer: goes on, or lets go."""
        if done.broken:
            return done
        row = done.world.rows[slot]
        job = row.stored.job if row.stored is not None else None
        if job is not None and job.lease is not None and job.lease.token == token:
            going = self._begin(done.world, slot, token)
            log = (*done.log, *going.log)
            return Done(going.world, done.changes, going.broken, log)
        return replace(done, world=_forgotten(done.world, index, slot))


def _next(job: Job) -> str | None:
    if isinstance(job.state, Compensating):
        return job.state.next.phase
    if not isinstance(job.state, Running) or job.state.cancel is not None:
        return None
    index = job.next_phase
    return None if index is None else job.spec.phases[index].name


def _commands(job: Job, token: Token) -> Iterator[tuple[str, c.Command, Mishap | None]]:
    state = job.state
    if isinstance(state, Compensating):
        name = state.next.phase
        yield "has undone", c.CompleteUndo(token=token, phase=name), None
        yield "fails to undo", c.FailUndo(token=token, phase=name, error=RAISED), Mishap.FAIL
    else:
        assert isinstance(state, Running)
        index = job.running_phase
        if index is not None and job.phases[index].status is PhaseStatus.RUNNING:
            name = job.spec.phases[index].name
            yield "has done", c.CompletePhase(token=token, phase=name), None
        yield "fails in", c.Fail(token=token, error=RAISED), Mishap.FAIL
        if state.cancel is not None:
            yield "stops", c.ConfirmCancel(token=token), None
    yield "hands back", c.Release(token=token), Mishap.RELEASE


def _minded(world: World, index: int, mind: Mind) -> World:
    minds = world.minds
    return world._replace(minds=(*minds[:index], mind, *minds[index + 1 :]))


def _forgotten(world: World, index: int, slot: int) -> World:
    mind = tuple(one for one in world.minds[index] if one[0] != slot)
    return _minded(world, index, mind)
