"""Breadth first through all worlds of a slice; then whether every fair way ends well."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from time import process_time

from attrs import evolve as replace
from attrs import frozen

from parcae import deliveries as d
from parcae.errors import Corrupt
from parcae.seal import Seal
from parcae.subscriptions import Subscription
from parcae.subscriptions import decide as decide_subscription
from parcae.subscriptions import evolve as evolve_subscription
from parcae_specs.explorer.outgoing.desk import HOOK, Desk
from parcae_specs.explorer.outgoing.hosts import Hosts
from parcae_specs.explorer.outgoing.model import Mishap, Outgoing
from parcae_specs.explorer.outgoing.senders import Move, Senders
from parcae_specs.explorer.outgoing.shorten import NOW
from parcae_specs.explorer.outgoing.watch import Broken
from parcae_specs.explorer.outgoing.world import Mind, World
from parcae_specs.explorer.watch import Violation

LIMIT = 400_000
"""Worlds."""


class Space:
    """All worlds of one model."""

    def __init__(self, model: Outgoing) -> None:
        self.model = model
        self.mishaps = tuple(model.mishaps)
        self.desk = Desk(model)
        self.senders = Senders(self.desk)
        self.hosts = Hosts(self.desk)

    def first(self) -> World:
        """Somebody has subscribed; where tries are over already, the first commit is, too."""
        found: Subscription | None = None
        for event in decide_subscription(HOOK, None, self.model.subscription, NOW):
            found = evolve_subscription(HOOK, found, event)
        assert found is not None
        world = World(
            rows=(),
            subscription=found,
            seal=Seal(),
            minds=(Mind(),) * self.model.senders,
            happened=0,
            purse=tuple(self.model.mishaps.values()),
        )
        return self._tired(world) if self.model.tries else world

    def _tired(self, world: World) -> World:
        world = next(self.hosts.moves(world)).world
        tries = self.model.tries
        rows = (
            replace(
                row,
                delivery=replace(row.delivery, tries=tries),
                ghost=replace(row.ghost, burned=tries),
            )
            for row in world.rows
        )
        return world._replace(rows=tuple(rows))

    def moves(self, world: World) -> Iterator[Move]:
        """Every move that is still granted.

        Raises:
            Broken: one of them breaks a guarantee.
        """
        for maker in (self.senders, self.hosts):
            for move in maker.moves(world):
                purse = self._paid(world.purse, move.price)
                if purse is not None:
                    yield move._replace(world=move.world._replace(purse=purse))

    def _paid(self, purse: tuple[int, ...], price: Mishap | None) -> tuple[int, ...] | None:
        if price is None:
            return purse
        if price not in self.mishaps:
            return None
        at = self.mishaps.index(price)
        return (*purse[:at], purse[at] - 1, *purse[at + 1 :]) if purse[at] else None


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
        lines: the shortest way to it, in words.
        seen: what was reached.
    """

    model: Outgoing
    states: int
    steps: int
    depth: int
    whole: bool
    seconds: float
    violation: Violation | None = None
    lines: tuple[str, ...] = ()
    seen: frozenset[str] = frozenset()


class _Walk:
    def __init__(self, space: Space) -> None:
        self.space = space
        first = space.first()
        self.known: dict[World, int] = {first: 0}
        self.order = [first]
        self.origin: list[tuple[int, str]] = [(-1, "")]
        self.depths = [0]
        self.fair: list[list[int]] = []
        self.steps = 0

    def run(self, limit: int) -> tuple[Violation | None, int, str]:
        """Walk on until something breaks, or there is nothing new; and where it broke."""
        at = 0
        while at < len(self.order) and len(self.order) <= limit:
            self.fair.append([])
            try:
                for move in self.space.moves(self.order[at]):
                    self._go(at, move)
            except Broken as broken:
                return broken.violation, at, f"then {broken}"
            except Corrupt as corrupt:
                return Violation("S5", str(corrupt)), at, f"then {corrupt}"
            at += 1
        return None, at, ""

    def _go(self, at: int, move: Move) -> None:
        self.steps += 1
        to = self.known.setdefault(move.world, len(self.order))
        if to == len(self.order):
            self.order.append(move.world)
            self.origin.append((at, move.name))
            self.depths.append(self.depths[at] + 1)
        if move.fair and to != at:
            self.fair[at].append(to)

    def way(self, at: int) -> tuple[str, ...]:
        """How a world is reached."""
        lines: list[str] = []
        while at > 0:
            at, name = self.origin[at]
            lines.append(name)
        return tuple(reversed(lines))


def explore(model: Outgoing, limit: int = LIMIT) -> Found:
    """Walk every world of ``model``, or ``limit`` of them; stop at the first fault."""
    begun = process_time()
    space = Space(model)
    walk = _Walk(space)
    violation, at, last = walk.run(limit)
    whole = violation is None and at == len(walk.order)
    lines = (*walk.way(at), last) if violation is not None else ()
    if whole:
        violation, lines = _ends(walk)
    missed = sorted(set(model.sometimes) - space.desk.seen)
    if whole and violation is None and missed:
        violation = Violation("vacuous", f"never reached: {'; '.join(missed)}")
    return Found(
        model=model,
        states=len(walk.order),
        steps=walk.steps,
        depth=walk.depths[-1],
        whole=whole,
        seconds=process_time() - begun,
        violation=violation,
        lines=lines,
        seen=frozenset(space.desk.seen),
    )


def _ends(walk: _Walk) -> tuple[Violation | None, tuple[str, ...]]:
    """L4: where only what is fair happens, no way goes on for ever, and each ends quietly.

    Fair is that time passes, that senders go on, and that retention sweeps: an end of all of these
    is an end, and a circle among them would be a way on which something is owed for ever.
    """
    for at, world in enumerate(walk.order):
        if not walk.fair[at] and not _quiet(world):
            return Violation("L4", "something is owed, and nobody will send it"), walk.way(at)
    waits = [0] * len(walk.order)
    for some in walk.fair:
        for to in some:
            waits[to] += 1
    free = deque(at for at, count in enumerate(waits) if not count)
    left = len(walk.order)
    while free:
        left -= 1
        for to in walk.fair[free.popleft()]:
            waits[to] -= 1
            if not waits[to]:
                free.append(to)
    if left:
        at = next(at for at, count in enumerate(waits) if count)
        return Violation("L4", "it goes round and round, and something is owed"), walk.way(at)
    return None, ()


def _quiet(world: World) -> bool:
    """Everything is delivered, dead, withheld, or owed to one that is disabled."""
    withheld = world.seal.closed or world.subscription.disabled_at is not None
    return all(row.ghost.over or (withheld and _lies(row.delivery)) for row in world.rows)


def _lies(one: d.Delivery) -> bool:
    """Nobody holds it."""
    return one.open and not one.held(NOW)
