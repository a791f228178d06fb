"""``eventually``: something every world comes to, if those who can be relied upon go on.

The counterexample of such a property is a lasso: a way to a loop in which nobody who is relied
upon is passed over for ever, and which never comes to it. It exists if and only if a strongly
connected component of the other worlds has, for each who is relied upon, a step of theirs or a
world in which they can do nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from attrs import frozen

from parcae_specs.explorer.model import Eventually, Fair, Model
from parcae_specs.explorer.options import Option
from parcae_specs.explorer.space import Space

Edge = tuple[int, int]
"""To which world, and which of those relied upon did it, as a bit mask."""


@frozen(kw_only=True)
class Lasso:
    """A way to a loop that never comes to what was to come about.

    Attributes:
        prefix: worlds from the first to the loop.
        loop: worlds from its entry back to it; a single one: it stands still.
    """

    prefix: tuple[int, ...]
    loop: tuple[int, ...]


class Graph:
    """All worlds of a model, and all steps between them."""

    def __init__(self, model: Model) -> None:
        assert not model.symmetric, "symmetry is for safety only: a loop must be a real one"
        self.model = model
        self.space = Space(model)
        self.worlds = [self.space.first()]
        self.edges: list[list[Edge]] = []
        self.parents = [0]
        numbers = {self.worlds[0]: 0}
        for world in self.worlds:
            found: list[Edge] = []
            for option, after, _ in self.space.steps(world):
                to = numbers.get(after)
                if to is None:
                    to = numbers[after] = len(self.worlds)
                    self.worlds.append(after)
                    self.parents.append(len(self.edges))
                found.append((to, _who(option)))
            self.edges.append(found)

    def lasso(self, wanted: Eventually, fair: Iterable[Fair] | None = None) -> Lasso | None:
        """A fair loop that never comes to what is wanted; ``None``: there is none."""
        relied = relied_upon(wanted.fair if fair is None else fair, self.model.workers)
        open_ = bytearray(len(self.worlds))
        for number, world in enumerate(self.worlds):
            open_[number] = not wanted.reached(self.space.values(world))
        loop = self.loop(open_, relied)
        if loop is None:
            return None
        path = [self.worlds[one] for one in self.way(loop[0])]
        return Lasso(prefix=tuple(path), loop=tuple(self.worlds[one] for one in loop))

    def loop(self, open_: bytearray, relied: Sequence[int]) -> list[int] | None:
        """The numbers of worlds of a loop through open ones only, fair to those relied upon."""
        loops: list[list[int]] = []
        for component in _Tarjan(self.edges, open_).components():
            component.sort()
            loop = self._loop(component, relied)
            if loop is not None:
                loops.append(loop)
        return min(loops) if loops else None

    def way(self, number: int) -> list[int]:
        """The shortest way to a world, by numbers."""
        way = [number]
        while number:
            number = self.parents[number]
            way.append(number)
        return way[::-1]

    def _loop(self, component: Sequence[int], relied: Sequence[int]) -> list[int] | None:
        """A loop through the component that passes over nobody, if there is one."""
        inside = set(component)
        stops: list[tuple[int, int]] = []
        for who in relied:
            stop = self._witness(component, inside, who)
            if stop is None:
                return None
            stops.append(stop)
        if len(component) == 1 and not any(to in inside for to, _ in self.edges[component[0]]):
            return [component[0]]
        loop = [component[0]]
        for at, to in stops:
            loop += self._between(loop[-1], at, inside)[1:]
            loop += [to] if to != at else []
        home = self._between(loop[-1], loop[0], inside)
        return loop + home[1:]

    def _witness(
        self, component: Sequence[int], inside: set[int], who: int
    ) -> tuple[int, int] | None:
        """A step of theirs inside the component, or a world where they can do nothing."""
        for number in component:
            for to, did in self.edges[number]:
                if did & who and to in inside:
                    return number, to
        for number in component:
            if not any(did & who for _, did in self.edges[number]):
                return number, number
        return None

    def _between(self, start: int, end: int, inside: set[int]) -> list[int]:
        """The shortest way inside a component."""
        before = {start: start}
        queue = deque([start])
        while end not in before:
            number = queue.popleft()
            for to, _ in self.edges[number]:
                if to in inside and to not in before:
                    before[to] = number
                    queue.append(to)
        way = [end]
        while way[-1] != start:
            way.append(before[way[-1]])
        return way[::-1]


_BITS = {Fair.CLOCK: 1, Fair.RECONCILER: 2}
_WORKER = 4


def relied_upon(fair: Iterable[Fair], workers: int) -> list[int]:
    """Who is relied upon, each as a bit."""
    relied: list[int] = []
    for one in fair:
        if one is Fair.WORKERS:
            relied += [_WORKER << index for index in range(workers)]
        else:
            relied.append(_BITS[one])
    return relied


def _who(option: Option) -> int:
    """Who goes on by this step. To fail, to renew or to be heard by nobody is not to go on."""
    return 0 if option.faults else bit_of(option.actor)


def bit_of(actor: str) -> int:
    """The bit of an actor; 0: nobody relies on them."""
    if actor == "clock":
        return _BITS[Fair.CLOCK]
    if actor == "reconciler":
        return _BITS[Fair.RECONCILER]
    if actor.startswith("worker "):
        return _WORKER << (int(actor.removeprefix("worker ")) - 1)
    return 0


class _Tarjan:
    """Strongly connected components of the open worlds, found without recursion."""

    def __init__(self, edges: Sequence[Sequence[Edge]], open_: bytearray) -> None:
        self.edges = edges
        self.open = open_
        self.index = [0] * len(edges)
        self.low = [0] * len(edges)
        self.stacked = bytearray(len(edges))
        self.stack: list[int] = []
        self.count = 0

    def components(self) -> Iterable[list[int]]:
        """Each component once."""
        for root in range(len(self.edges)):
            if self.open[root] and not self.index[root]:
                yield from self._from(root)

    def _from(self, root: int) -> Iterable[list[int]]:
        work = [(root, 0)]
        while work:
            number, position = work.pop()
            if position == 0:
                self._enter(number)
            child = self._child(number, position)
            if child is not None:
                work.append((number, child + 1))
                work.append((self.edges[number][child][0], 0))
                continue
            if self.low[number] == self.index[number]:
                yield self._taken(number)
            if work:
                parent = work[-1][0]
                self.low[parent] = min(self.low[parent], self.low[number])

    def _enter(self, number: int) -> None:
        self.count += 1
        self.index[number] = self.low[number] = self.count
        self.stack.append(number)
        self.stacked[number] = 1

    def _child(self, number: int, position: int) -> int | None:
        """The next edge to a world that was not entered yet."""
        edges = self.edges[number]
        for place in range(position, len(edges)):
            to = edges[place][0]
            if not self.open[to]:
                continue
            if not self.index[to]:
                return place
            if self.stacked[to]:
                self.low[number] = min(self.low[number], self.index[to])
        return None

    def _taken(self, number: int) -> list[int]:
        component: list[int] = []
        while not component or component[-1] != number:
            component.append(self.stack.pop())
            self.stacked[component[-1]] = 0
        return component
