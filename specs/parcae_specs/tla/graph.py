"""The graph that the module prints: states, and what each command makes of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from attrs import Factory, define, frozen

from parcae_specs.tla.tlc import Failed

State = tuple[Any, ...]
"""The fields that ``Flat`` prints, in its order."""


@frozen
class Label:
    """A command: its name, the age of its token (0: none), its phase (from 1; 0: none)."""

    name: str
    age: int
    phase: int

    def __str__(self) -> str:
        token = f" with token -{self.age - 1}" if self.age > 1 else ""
        return f"{self.name}{f' {self.phase}' if self.phase else ''}{token}"


@frozen
class Outcome:
    """What a command is told, and what happened."""

    answer: str
    events: tuple[str, ...] = ()


Edges = dict[Label, tuple[Outcome, State]]


@define
class Graph:
    """All states, each with its edges; those that say nothing are left out."""

    first: State | None = None
    edges: dict[State, Edges] = Factory(dict)

    @property
    def printed(self) -> int:
        """How many edges there are."""
        return sum(map(len, self.edges.values()))


def read(lines: Iterable[str]) -> Graph:
    """The graph in what was printed."""
    graph, heads, states = Graph(), _Heads(), _States()
    source: State = ()
    for line in lines:
        # A printed string: quoted, and its own quotes escaped.
        text = line.rstrip()[2:-1]
        if line[1] == "@":
            source = states[text]
            if graph.first is None:
                graph.first = source
            if source in graph.edges:
                raise Failed(f"a state was printed twice: {text}")
            graph.edges[source] = {}
            continue
        head, _, target = text.partition("|")
        label, outcome = heads[head]
        graph.edges[source][label] = (outcome, source if target == "=" else states[target])
    return graph


def parse(text: str) -> State:
    """A printed tuple of tuples, strings, numbers and booleans."""
    plain = text.replace('\\"', '"').replace("<<", "[").replace(">>", "]")
    return frozen_tuple(json.loads(plain.replace("TRUE", "true").replace("FALSE", "false")))


def frozen_tuple(value: list[Any]) -> State:
    """``value`` and all lists in it, as tuples."""
    return tuple(frozen_tuple(one) if isinstance(one, list) else one for one in value)


class _States(dict[str, State]):
    """Each state parsed once: most are the targets of several edges."""

    def __missing__(self, text: str) -> State:
        self[text] = state = parse(text)
        return state


class _Heads(dict[str, tuple[Label, Outcome]]):
    def __missing__(self, text: str) -> tuple[Label, Outcome]:
        name, age, phase, answer, events = parse(text)
        self[text] = head = (Label(name, age, phase), Outcome(answer, events))
        return head
