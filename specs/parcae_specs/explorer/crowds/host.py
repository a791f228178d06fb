"""What everybody else may do: the reconciler, operators, those who submit, and the clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from attrs import evolve as replace

from parcae import admit, grouping
from parcae import answers as a
from parcae import commands as c
from parcae import handle as rules
from parcae.change import Change
from parcae.configure import configure
from parcae.grouping import Plan
from parcae.queues import Pause, QueueCommand, Resume, SetLimit, SetRate
from parcae.spec import RetryMode, Spec
from parcae.values import Instant
from parcae_specs.explorer.cell import NOW
from parcae_specs.explorer.crowds.model import DATA, Mishap
from parcae_specs.explorer.crowds.moves import Done, Move, Mover, transact
from parcae_specs.explorer.crowds.store import Shelf
from parcae_specs.explorer.crowds.together import stands
from parcae_specs.explorer.crowds.world import QueueRow, World
from parcae_specs.explorer.watch import Violation

QUEUE = "default"
KEPT = timedelta(0)


class Hosts(Mover):
    """Finds the moves of whoever is no worker."""

    def first(self) -> World:
        """The world in which all that comes first has just been admitted."""
        world = self.empty()
        for done in self.beginnings(world):
            world = done.world
        return world

    def empty(self) -> World:
        """A world without anything."""
        return World(
            now=NOW,
            rows=(),
            groups=(),
            queue=QueueRow(),
            keys=(),
            minds=((),) * self.model.workers,
            purse=tuple(self.model.mishaps.values()),
            asked=0,
        )

    def beginnings(self, world: World) -> Iterator[Done]:
        """Everything that comes first, one by one."""
        for command in self.model.setup:
            done = self.set(world, command)
            world = self._clean(done)
            yield done
        for asked in self.model.first:
            done = self.submit(world, asked)
            world = self._clean(done)
            yield done

    def _clean(self, done: Done) -> World:
        assert done.changes, f"{self.model.name}: what comes first is refused"
        assert not done.broken, done.broken
        return done.world

    def moves(self, world: World) -> Iterator[Move]:
        """Those of all of them."""
        yield from self._reconciles(world)
        yield from self._passes(world)
        for index, asked in enumerate(self.model.later):
            if not world.asked >> index & 1:
                done = self.submit(world, asked)
                after = done.world._replace(asked=world.asked | 1 << index)
                done = replace(done, world=after)
                yield from self.move("host", f"submits {index + 1}", world, None, done)
        yield from self._operates(world)

    def _reconciles(self, world: World) -> Iterator[Move]:
        shelf = Shelf(world, self.model.cascade)
        view = shelf.overdue(self.model.batch)
        if view.jobs:
            done = transact(world, view, rules.reconcile)
            yield from self.move("reconciler", "looks", world, None, done)
        restless = shelf.restless(self.model.window)
        if restless is not None:
            done = transact(world, restless, grouping.advance)
            yield from self.move("reconciler", "goes on with a group", world, None, done)

    def _passes(self, world: World) -> Iterator[Move]:
        """Time passes, as long as nothing is due, to the next instant that matters."""
        reminds = [row.remind for row in world.rows if row.remind is not None]
        reminds += [row.remind for row in world.groups if row.remind is not None]
        waits = [*reminds, *_instants(world)]
        later = [at for at in waits if at > world.now]
        if not later or any(at <= world.now for at in reminds):
            return
        to = min(later)
        slow = any(
            row.stored is not None
            and row.stored.liveness is not None
            and row.stored.liveness.expires_at <= to
            and any(held == slot for mind in world.minds for held, _ in mind)
            for slot, row in enumerate(world.rows)
        )
        cost = Mishap.SLOW if slow else None
        verb = f"{(to - world.now).total_seconds():g}s pass"
        yield from self.move("clock", verb, world, cost, Done(world._replace(now=to), ()))

    def _operates(self, world: World) -> Iterator[Move]:
        for slot, row in enumerate(world.rows):
            allowed = self.model.cancels is None or slot in self.model.cancels
            if row.stored is not None and not row.quiet and allowed:
                yield from self._asks(world, slot, c.Cancel(), "cancels", Mishap.CANCEL)
            if row.stored is not None and row.quiet:
                delete = c.Delete(retention=KEPT)
                yield from self._asks(world, slot, delete, "deletes", Mishap.DELETE)
                for mode in self.model.modes:
                    yield from self._retries(world, slot, mode)
        for number, group in enumerate(world.groups):
            name = group.group.id
            view = Shelf(world, self.model.cascade).named((name,))
            stopped = transact(world, view, lambda shown: grouping.cancel_group(shown, name))  # noqa: B023
            verb = f"cancels group {number + 1}"
            yield from self.move("host", verb, world, Mishap.STOP, stopped)
        for command in self.model.settings:
            verb = f"sets {_words(command)}"
            yield from self.move("host", verb, world, Mishap.SET, self.set(world, command))

    def _asks(
        self, world: World, slot: int, command: c.Command, verb: str, cost: Mishap
    ) -> Iterator[Move]:
        if not self.can(world, cost):
            return
        name = world.rows[slot].id
        view = Shelf(world, self.model.cascade).named((name,))
        done = transact(world, view, lambda shown: rules.obey(shown, name, command))
        yield from self.move("host", f"{verb} job {slot + 1}", world, cost, done)

    def _retries(self, world: World, slot: int, mode: RetryMode) -> Iterator[Move]:
        if not self.can(world, Mishap.RETRY):
            return
        name = world.rows[slot].id
        keys = (admit.carry_key(name),)
        view = Shelf(world, self.model.cascade).named((name,), keys, blobs=True)
        done = transact(world, view, lambda shown: (admit.retry(shown, name, mode),))
        verb = f"retries job {slot + 1}, {mode}"
        yield from self.move("host", verb, world, Mishap.RETRY, done)

    def set(self, world: World, command: QueueCommand) -> Done:
        """Set something for the queue; the observer notes what was asked for."""
        view = Shelf(world, self.model.cascade).named()
        done = transact(world, view, lambda shown: configure(shown, QUEUE, command))
        queue = _noted(done.world.queue, command)
        return replace(done, world=done.world._replace(queue=queue))

    def submit(self, world: World, asked: Spec | Plan) -> Done:
        """Admit a job or a group."""
        shelf = Shelf(world, self.model.cascade)
        if isinstance(asked, Plan):
            view = shelf.named(one.parent for m in asked.members for one in m.spec.dependencies)
            return transact(world, view, lambda shown: grouping.submit_group(shown, asked)[0])
        keys = [] if asked.unique is None else [admit.unique_key(admit.named(asked).name)]
        view = shelf.named((one.parent for one in asked.dependencies), keys)
        done = transact(world, view, lambda shown: admit.submit(shown, asked, DATA))
        return replace(done, broken=(*done.broken, *_named(done)))


def _named(done: Done) -> Sequence[Violation]:
    """S17: the answer names a job that is there, or says that it is gone."""
    for change in done.changes or ():
        if isinstance(change, Change) and isinstance(change.answer, a.Admitted):
            named = change.answer.job_id
            row = next((row for row in done.world.rows if row.id == named), None)
            if row is None:
                return (Violation("S17", f"{named} stands, but was never stored"),)
            if change.answer.duplicate and not stands(row, done.world):
                return (Violation("S17", f"{named} does not stand for the constraint any more"),)
    return ()


def _instants(world: World) -> Iterator[Instant]:
    for row in world.rows:
        if row.offer is not None:
            yield row.offer.at
        if row.ghost.stands_until is not None:
            yield row.ghost.stands_until
    for key in world.keys:
        if key.expires_at is not None:
            yield key.expires_at


def _noted(row: QueueRow, command: QueueCommand) -> QueueRow:
    if isinstance(command, Pause | Resume):
        return replace(row, paused=isinstance(command, Pause))
    if isinstance(command, SetLimit):
        limit = command.limit
        return replace(row, each=limit) if command.each else replace(row, limit=limit)
    if isinstance(command, SetRate):
        return replace(row, every=command.rate.interval if command.rate else None)
    return row


def _words(command: QueueCommand) -> str:
    if isinstance(command, SetLimit):
        return f"a limit of {command.limit}{' for each key' if command.each else ''}"
    return type(command).__name__.lower()
