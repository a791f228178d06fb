"""Breadth first through all worlds of a model: the shortest way to whatever is wrong."""

from __future__ import annotations

from array import array
from collections import Counter
from time import process_time

from attrs import frozen

from parcae_specs.explorer.model import Model
from parcae_specs.explorer.options import Option
from parcae_specs.explorer.space import Broken, Renames, Space
from parcae_specs.explorer.watch import Violation

Path = tuple[tuple[int, Option | None, Renames], ...]
"""Worlds from the first on, what was done in each, and what its tokens are called then."""


@frozen(kw_only=True)
class Found:
    """What an exploration came to.

    Attributes:
        model: what was explored.
        space: its worlds.
        states: how many worlds.
        transitions: how many steps between them.
        depth: of the last world found.
        whole: there are no more; otherwise it was stopped.
        seconds: of processor time it took.
        violation: what is wrong, if anything.
        path: the shortest way to it.
    """

    model: Model
    space: Space
    states: int
    transitions: int
    depth: int
    whole: bool
    seconds: float
    violation: Violation | None = None
    path: Path = ()

    @property
    def clean(self) -> bool:
        """Whether everything was seen, and nothing is wrong."""
        return self.whole and self.violation is None

    def actions(self) -> Counter[str]:
        """How often each kind of step was taken."""
        return count_actions(self.space)


class Walk:
    """A search under way."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.order = [space.first()]
        self.known = set(self.order)
        self.parents = array("I", [0])
        self.transitions = 0
        self.levels = [0, 1]

    def run(self, limit: int | None = None) -> bool:
        """Find all worlds, or at most ``limit``; whether that was all."""
        order, known, parents = self.order, self.known, self.parents
        successors = self.space.successors
        index = transitions = 0
        while index < len(order):
            if index == self.levels[-1]:
                self.levels.append(len(order))
            if limit is not None and len(order) >= limit:
                break
            world = order[index]
            after = successors(world)
            if not after and not all(cell.quiet for cell in self.space.values(world)):
                raise DeadEnd(world)
            transitions += len(after)
            for one in after:
                if one not in known:
                    known.add(one)
                    order.append(one)
                    parents.append(index)
            index += 1
        self.transitions = transitions
        return index == len(order)

    def path_to(self, world: int) -> list[int]:
        """The worlds on the shortest way to one that was found."""
        index = self.order.index(world)
        path = [world]
        while index:
            index = self.parents[index]
            path.append(self.order[index])
        return path[::-1]


class DeadEnd(Exception):
    """A job has not ended, and nothing can happen any more."""

    def __init__(self, world: int) -> None:
        super().__init__("a job has not ended, and nothing can happen any more")
        self.world = world


def explore(model: Model, limit: int | None = None) -> Found:
    """Walk every world of ``model``, or ``limit`` of them; stop at the first fault."""
    begun = process_time()
    space = Space(model)
    walk = Walk(space)
    whole = False
    violation: Violation | None = None
    path: Path = ()
    try:
        whole = walk.run(limit)
    except Broken as broken:
        violation = broken.option.broken[0]
        path = labelled(space, walk.path_to(broken.world), violation)
    except DeadEnd as end:
        violation = Violation("L1", str(end))
        path = labelled(space, walk.path_to(end.world))
    if whole:
        violation = _vacuous(space)
    return Found(
        model=model,
        space=space,
        states=len(walk.order),
        transitions=walk.transitions,
        depth=len(walk.levels) - 2,
        whole=whole,
        seconds=process_time() - begun,
        violation=violation,
        path=path,
    )


def _vacuous(space: Space) -> Violation | None:
    """Something that has to be reached and was not: the model proves less than it seems to."""
    missed = [one.name for one in space.model.sometimes if one.name not in space.memo.seen]
    return Violation("vacuous", f"never reached: {'; '.join(missed)}") if missed else None


def labelled(space: Space, worlds: list[int], broken: Violation | None = None) -> Path:
    """What was done between these worlds, each one step from the one before.

    Workers keep their names here, whatever symmetry took them for.
    """
    symmetric, space.symmetric = space.symmetric, False
    same = space.sorted if symmetric else int
    path: list[tuple[int, Option | None, Renames]] = []
    world = worlds[0]
    for after in worlds[1:]:
        option, to, renames = next(step for step in space.steps(world) if same(step[1]) == after)
        path.append((world, option, renames))
        world = to
    last = next(
        (one for one in space.faults(world) if broken is not None and broken in one.broken), None
    )
    space.symmetric = symmetric
    return (*path, (world, last, ()))


def count_actions(space: Space) -> Counter[str]:
    """How often each kind of step was taken, jobs and phases left out of its name."""
    counts: Counter[str] = Counter()
    for group in space.all_groups():
        for name in group.kinds:
            counts[name] += group.uses
    return counts
