"""Both graphs side by side: each state, each command, what it is told, and where it leads."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from attrs import Factory, define, field, frozen

from parcae_specs.tla.graph import Edges, Graph, Label, Outcome, State, read
from parcae_specs.tla.kernel import World, first, labels, step
from parcae_specs.tla.models import Model
from parcae_specs.tla.project import project
from parcae_specs.tla.tlc import Tools, lines

FIELDS = (
    "status phase perhaps burned released lost run stale deadline held expiry timeout grace asked "
    "fence overlap undo tries handed cause reconciled claims said evidence"
).split()
HELD = FIELDS.index("held")
CAUSE = FIELDS.index("cause")
TICK = Label("tick", 0, 0)
REFUSALS = ("refused", "lease lost")
ENOUGH = 25
"""So many differences are told; one fault has many."""

Edge = tuple[Outcome, State]


@frozen
class Difference:
    """A command that the two semantics answer differently.

    Attributes:
        path: the way to the state: the shortest, where it was looked for breadth first.
        state: where it was put.
        label: the command.
        module: what the module makes of it.
        kernel: what the kernel does; ``None``: the harness did not come to put it.
    """

    path: tuple[Label, ...]
    state: State
    label: Label
    module: Edge
    kernel: Edge | None

    def __str__(self) -> str:
        way = ", ".join(map(str, self.path)) or "admitted"
        kernel = "never asked" if self.kernel is None else _told(self.kernel, self.state)
        module = _told(self.module, self.state)
        return f"after {way}: {self.label}\n  module: {module}\n  kernel: {kernel}"


def _told(edge: Edge, before: State) -> str:
    outcome, after = edge
    changes = [
        f"{name} {old!r} → {new!r}"
        for name, old, new in zip(FIELDS, before, after, strict=True)
        if old != new
    ]
    events = " ".join(outcome.events) or "no event"
    return f"{outcome.answer}; {events}; {', '.join(changes) or 'no change'}"


@define
class Comparison:
    """What came of walking both graphs of a model.

    Attributes:
        states: those that both came to.
        edges: those compared: every command in every state, refusals included.
        moving: those of them that lead to another state.
        differences: the first that were found.
        more: how many there are beyond them.
        unreached: states of the module that the kernel does not come to.
        granted: how often each command was.
        events: how often each happened.
        causes: why jobs ended, or had to be undone.
        seconds: what TLC took, and what the kernel.
    """

    model: Model
    states: int = 0
    edges: int = 0
    moving: int = 0
    differences: list[Difference] = Factory(list)
    more: int = 0
    unreached: int = 0
    granted: Counter[str] = Factory(Counter)
    events: Counter[str] = Factory(Counter)
    causes: set[str] = Factory(set)
    seconds: tuple[float, float] = (0.0, 0.0)
    _ways: dict[State, tuple[State, Label] | None] = field(factory=dict, init=False, repr=False)

    @property
    def same(self) -> bool:
        """Whether the two are one semantics."""
        return not self.differences and not self.unreached

    def __str__(self) -> str:
        tlc, kernel = self.seconds
        found = len(self.differences) + self.more
        verdict = "identical" if self.same else f"{found} DIFFERENT, {self.unreached} not reached"
        return (
            f"{self.model.name}: {self.states:,} states, {self.edges:,} edges, {self.moving:,} of "
            f"them to another state: {verdict}; TLC {tlc:.1f} s, kernel {kernel:.1f} s"
        )

    def walk(self, graph: Graph, *, deep_first: bool = False) -> None:
        """Through the kernel, command by command; a way on which the two part is not followed.

        Many jobs look alike to the module, and one stands for all: breadth first the youngest,
        deep first one with a long history. Both orders must come to the same.
        """
        world = first(self.model)
        start = project(world)
        assert start == graph.first, f"they begin apart: {graph.first} and {start}"
        self._ways[start] = None
        queue = deque([(start, world)])
        while queue:
            state, world = queue.pop() if deep_first else queue.popleft()
            self.states += 1
            self.causes.add(state[CAUSE])
            for label, target, after in self._visit(graph.edges[state], state, world):
                if target not in self._ways:
                    self._ways[target] = (state, label)
                    queue.append((target, after))
        self.unreached = len(graph.edges) - self.states

    def _visit(
        self, expected: Edges, state: State, world: World
    ) -> Iterator[tuple[Label, State, World]]:
        """Put every command to ``state``; yields where both go."""
        left = set(expected)
        for label in labels(self.model, world):
            if label == TICK and TICK not in expected:
                continue  # the module lets no more time pass before somebody reconciles
            left.discard(label)
            module = expected.get(label) or (Outcome(_silent(state, label)), state)
            outcome, after = step(world, label)
            target = state if after is world else project(after)
            self._count(label, outcome, moving=target != state)
            if (outcome, target) == module:
                yield label, target, after
            else:
                self._differ(state, label, module, (outcome, target))
        for label in left:
            self._differ(state, label, expected[label], None)

    def _count(self, label: Label, outcome: Outcome, *, moving: bool) -> None:
        self.edges += 1
        self.moving += moving
        if outcome.answer not in REFUSALS:
            self.granted[label.name] += 1
        for event in outcome.events:
            self.events[event] += 1

    def _differ(self, state: State, label: Label, module: Edge, kernel: Edge | None) -> None:
        if len(self.differences) == ENOUGH:
            self.more += 1
            return
        path: list[Label] = []
        here = state
        while (way := self._ways[here]) is not None:
            here = way[0]
            path.append(way[1])
        self.differences.append(Difference(tuple(reversed(path)), state, label, module, kernel))


def _silent(state: State, label: Label) -> str:
    """What the module means by leaving an edge out: its ``Plain``."""
    stale = label.age > 1 or (label.age == 1 and not state[HELD])
    return "lease lost" if stale and label.name != "reclaim" else "refused"


def compare(
    models: Sequence[Model], found: Tools, *, deep_first: bool = False
) -> Iterator[Comparison]:
    """Walk both graphs of each model, TLC being one ahead."""
    with ThreadPoolExecutor(max_workers=1) as ahead:
        dumps = [ahead.submit(_dump, model, found) for model in models]
        for model, dump in zip(models, dumps, strict=True):
            graph, tlc = dump.result()
            yield _compared(model, graph, tlc, deep_first=False)
            if deep_first:
                yield _compared(model, graph, tlc, deep_first=True)


def _dump(model: Model, found: Tools) -> tuple[Graph, float]:
    begun = time.perf_counter()
    return read(lines(model, found)), time.perf_counter() - begun


def _compared(model: Model, graph: Graph, tlc: float, *, deep_first: bool) -> Comparison:
    begun = time.perf_counter()
    comparison = Comparison(model)
    comparison.walk(graph, deep_first=deep_first)
    comparison.seconds = (tlc, time.perf_counter() - begun)
    return comparison
