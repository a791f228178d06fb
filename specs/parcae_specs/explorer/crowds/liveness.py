"""``eventually``, of many jobs: everything ends, as long as those who are relied upon go on."""

from __future__ import annotations

from collections.abc import Iterable

from parcae_specs.explorer.crowds.model import Crowd
from parcae_specs.explorer.crowds.search import Space
from parcae_specs.explorer.crowds.world import World
from parcae_specs.explorer.liveness import Edge, Graph, bit_of, relied_upon
from parcae_specs.explorer.model import Fair


class CrowdGraph(Graph):
    """All worlds of a slice, and all steps between them."""

    def __init__(self, model: Crowd) -> None:
        assert not model.symmetric, "symmetry is for safety only: a loop must be a real one"
        self.crowd = model
        self.crowds = Space(model)
        self.found: list[World] = [self.crowds.first()]
        self.edges: list[list[Edge]] = []
        self.parents = [0]
        numbers = {self.found[0]: 0}
        for world in self.found:
            edges: list[Edge] = []
            for move in self.crowds.moves(world):
                assert not move.broken, move.broken
                after = self.crowds.short(move.world)
                to = numbers.get(after)
                if to is None:
                    to = numbers[after] = len(self.found)
                    self.found.append(after)
                    self.parents.append(len(self.edges))
                edges.append((to, 0 if move.cost is not None else bit_of(move.actor)))
            self.edges.append(edges)

    def endless(self, fair: Iterable[Fair]) -> tuple[World, ...] | None:
        """A way into a fair loop in which something never ends, and the loop; ``None``: none."""
        open_ = bytearray(not world.quiet for world in self.found)
        loop = self.loop(open_, relied_upon(fair, self.crowd.workers))
        if loop is None:
            return None
        return tuple(self.found[number] for number in (*self.way(loop[0])[:-1], *loop))


def liveness_of(model: Crowd) -> str:
    """Whether what must come about does, and that it does not once any assumption is dropped.

    Raises:
        AssertionError: it does not; or it does without one of its assumptions.
    """
    assert model.wanted is not None
    graph, wanted = CrowdGraph(model), model.wanted
    assert graph.endless(wanted.fair) is None, f"{model.name}: {wanted.name} does not hold"
    said: list[str] = []
    for one in sorted(wanted.fair):
        lasso = graph.endless(wanted.fair - {one})
        assert lasso is not None, f"{model.name}: {wanted.name} holds without: {one}"
        said.append(f"without “{one}” a lasso of {len(lasso) - 1}")
    names = f"{wanted.guarantee} {wanted.name}"
    return f"{model.name}, {len(graph.found):,} worlds: {names}; {'; '.join(said)}"
