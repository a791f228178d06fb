"""Breadth first through all worlds of a crowd: the shortest way to whatever is wrong."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from time import process_time

from attrs import Factory, frozen

from parcae.spec import Spec
from parcae_specs.explorer.crowds.host import Hosts
from parcae_specs.explorer.crowds.model import Crowd, ending
from parcae_specs.explorer.crowds.moves import Move
from parcae_specs.explorer.crowds.shorten import Shortener
from parcae_specs.explorer.crowds.workers import Workers
from parcae_specs.explorer.crowds.world import World
from parcae_specs.explorer.watch import Violation


class Space:
    """All worlds of one model."""

    def __init__(self, model: Crowd, *, symmetric: bool | None = None) -> None:
        self.model = model
        self.workers = Workers(model)
        self.hosts = Hosts(model)
        specs = [one for one in (*model.first, *model.later) if isinstance(one, Spec)]
        patient = any(one.timing.stale_after for one in specs)
        folded = model.symmetric if symmetric is None else symmetric
        self.shortener = Shortener(symmetric=folded, patient=patient)
        self.seen: set[str] = set()
        self.actions: Counter[str] = Counter()

    def first(self) -> World:
        """The first world."""
        return self.short(self.hosts.first())

    def short(self, world: World) -> World:
        """The world by its shortest name."""
        return self.shortener.short(world)

    def moves(self, world: World) -> Iterator[Move]:
        """Every move from a world, shortened or not."""
        yield from self.workers.moves(world)
        yield from self.hosts.moves(world)

    def note(self, world: World) -> None:
        """Tick off what has to be reached."""
        for row in world.rows:
            if row.ghost.outcome is not None:
                self.seen.add(ending(row.ghost.outcome))
        for group in world.groups:
            if group.outcome is not None:
                self.seen.add(ending(group.outcome, of_group=True))


@frozen(kw_only=True)
class Found:
    """What an exploration came to.

    Attributes:
        model: what was explored.
        states: how many worlds.
        steps: how many steps between them.
        depth: of the last world found.
        whole: there are no more; otherwise it was stopped.
        seconds: of processor time it took.
        violation: what is wrong, if anything.
        path: the worlds on the shortest way to it, and the last move, in words.
        actions: how often each kind of step was taken.
    """

    model: Crowd
    states: int
    steps: int
    depth: int
    whole: bool
    seconds: float
    violation: Violation | None = None
    path: tuple[World, ...] = ()
    last: str = ""
    actions: Counter[str] = Factory(Counter)


class Walk:
    """A search under way."""

    def __init__(self, model: Crowd) -> None:
        self.space = Space(model)
        first = self.space.first()
        self.order = [first]
        self.known = {first}
        self.parents = array("I", [0])
        self.steps = 0
        self.levels = [0, 1]
        self.violation: Violation | None = None
        self.last = ""
        self.at = 0

    def run(self, limit: int | None) -> bool:
        """Find all worlds, or at most ``limit``, or the first fault; whether that was all."""
        index = 0
        while index < len(self.order):
            if index == self.levels[-1]:
                self.levels.append(len(self.order))
            if limit is not None and len(self.order) >= limit:
                return False
            self.at = index
            if self._faulty(index):
                return False
            index += 1
        return True

    def _faulty(self, index: int) -> bool:
        """Take every step from a world; whether that has shown a fault."""
        world, taken = self.order[index], 0
        self.space.note(world)
        for move in self.space.moves(world):
            taken += 1
            if move.broken:
                self.violation, self.last = move.broken[0], f"{move.actor} {move.verb}"
                return True
            after = self.space.short(move.world)
            self.space.actions[_kind(move)] += 1
            if after not in self.known:
                self.known.add(after)
                self.order.append(after)
                self.parents.append(index)
        self.steps += taken
        if not taken and not world.quiet and not world.queue.paused:
            self.violation = Violation("L1", "a job has not ended, and nothing can happen any more")
        return self.violation is not None

    def path(self) -> tuple[World, ...]:
        """The worlds on the shortest way to where the fault was found."""
        index = self.at
        way = [self.order[index]]
        while index:
            index = self.parents[index]
            way.append(self.order[index])
        return tuple(way[::-1])


def _kind(move: Move) -> str:
    words = [word for word in move.verb.split() if not word.rstrip(",").isdigit()]
    actor = move.actor.split()[0]
    return f"{actor}: {'time passes' if actor == 'clock' else ' '.join(words)}"


def explore(model: Crowd, limit: int | None = None) -> Found:
    """Walk every world of ``model``, or ``limit`` of them; stop at the first fault."""
    begun = process_time()
    walk = Walk(model)
    whole = walk.run(limit)
    violation = walk.violation
    if whole:
        missed = [one for one in model.reached if one not in walk.space.seen]
        violation = Violation("vacuous", f"never reached: {missed}") if missed else None
    return Found(
        model=model,
        states=len(walk.order),
        steps=walk.steps,
        depth=len(walk.levels) - 2,
        whole=whole,
        seconds=process_time() - begun,
        violation=violation,
        path=walk.path() if violation is not None and not whole else (),
        last=walk.last,
        actions=walk.space.actions,
    )
