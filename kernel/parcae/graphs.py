"""Building graphs: jobs that wait for each other, admitted in one commit. Pure: runs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from attrs import evolve as replace
from attrs import field, frozen

from parcae.definitions import Request
from parcae.errors import Reason, Rejected
from parcae.grouping import Edge, Member, Plan
from parcae.spec import DependencyPolicy
from parcae.values import Instant, Lane, valid_label, valid_name


@frozen(kw_only=True)
class After:
    """A wait with a policy of its own.

    Attributes:
        name: of the job that is waited for.
        policy: what follows if that one does not complete: ``cancel``, ``fail`` or ``proceed``.
    """

    name: str = field(validator=valid_name)
    policy: DependencyPolicy = field(default=DependencyPolicy.CANCEL, converter=DependencyPolicy)


@frozen(kw_only=True)
class Node:
    """One job of a graph to be."""

    name: str
    request: Request[Any]
    after: tuple[After, ...]


class Graph:
    """Jobs that wait for each other; they may be added in any order.

    Args:
        compensate: one bad end stops the rest, and what completed jobs did is undone, the last
            first.
        label: what to call it.
    """

    def __init__(self, *, compensate: bool = False, label: str = "") -> None:
        self.compensate = compensate
        self.label = label
        self.nodes: dict[str, Node] = {}

    def add(
        self,
        request: Request[Any],
        *,
        name: str | None = None,
        after: Iterable[str | Node | After] = (),
        key: str | None = None,
        priority: int | None = None,
        run_at: Instant | None = None,
        deadline: Instant | None = None,
    ) -> Node:
        """Add a job.

        Args:
            request: from calling a definition.
            name: unique in the graph; by default its kind, and a number from the second on.
            after: the jobs that must end first, or their names; with a policy as :class:`After`.
            key: the lane within its queue.
            priority: in place of the definition's.
            run_at: not before.
            deadline: no forward work from then on.

        Raises:
            ValueError: the name is taken, or an instant is naive or out of range.
        """
        name = self._free(request.spec.kind) if name is None else name
        if name in self.nodes or not name:
            raise ValueError(f"expected a name that is not taken in this graph, got {name!r}")
        waits = tuple(
            one if isinstance(one, After) else After(name=one if isinstance(one, str) else one.name)
            for one in after
        )
        asked = tailored(request, key=key, priority=priority, run_at=run_at, deadline=deadline)
        self.nodes[name] = Node(name=name, request=asked, after=waits)
        return self.nodes[name]

    def _free(self, kind: str) -> str:
        if kind not in self.nodes:
            return kind
        number = 2
        while f"{kind}-{number}" in self.nodes:
            number += 1
        return f"{kind}-{number}"

    def names(self) -> tuple[str, ...]:
        """The names of its jobs, each after all that it waits for.

        Raises:
            Rejected: they wait for each other in a circle, which is named; or for nobody.
        """
        for node in self.nodes.values():
            missing = [one.name for one in node.after if one.name not in self.nodes]
            if missing:
                message = f"{node.name!r} waits for {missing[0]!r}, which is not in the graph"
                raise Rejected(Reason.UNKNOWN_DEPENDENCY, message, command="SubmitGroup")
        waits = {name: [one.name for one in node.after] for name, node in self.nodes.items()}
        try:
            return tuple(TopologicalSorter(waits).static_order())
        except CycleError as error:
            circle = " → ".join(reversed(error.args[1]))
            message = f"jobs wait for each other in a circle: {circle}"
            raise Rejected(Reason.CYCLE, message, command="SubmitGroup") from error

    def plan(self, callback: Request[Any] | None = None) -> Plan:
        """What is submitted.

        Raises:
            Rejected: they wait for each other in a circle, or for nobody.
        """
        names = self.names()
        index = {name: at for at, name in enumerate(names)}
        members = tuple(_member(self.nodes[name], index) for name in names)
        return Plan(
            members=members,
            callback=called_back(callback),
            compensate=self.compensate,
            label=checked_label(self.label),
        )


def _member(node: Node, index: Mapping[str, int]) -> Member:
    edges = tuple(
        Edge(index=index[one.name], policy=one.policy, name=one.name) for one in node.after
    )
    return Member(spec=node.request.spec, payload=node.request.payload, after=edges)


def batch(requests: Iterable[Request[Any]], callback: Request[Any] | None, label: str) -> Plan:
    """Jobs that do not wait for each other."""
    members = tuple(Member(spec=one.spec, payload=one.payload) for one in requests)
    return Plan(members=members, callback=called_back(callback), label=checked_label(label))


def called_back(request: Request[Any] | None) -> Member | None:
    """The job that runs once all have ended."""
    return None if request is None else Member(spec=request.spec, payload=request.payload)


@frozen
class _Label:
    label: str = field(validator=valid_label)


def checked_label(label: str) -> str:
    """``label``.

    Raises:
        ValueError: it is too long, or cannot be printed.
    """
    return _Label(label).label


def tailored(
    request: Request[Any],
    *,
    key: str | None = None,
    priority: int | None = None,
    run_at: Instant | None = None,
    deadline: Instant | None = None,
    **more: Any,
) -> Request[Any]:
    """``request`` with what a submission says beside its definition.

    Raises:
        ValueError: an instant is naive or out of range.
    """
    spec = request.spec
    spec = replace(
        spec,
        lane=spec.lane if key is None else Lane(queue=spec.lane.queue, key=key),
        priority=spec.priority if priority is None else priority,
        run_at=run_at,
        deadline=deadline,
        **more,
    )
    return replace(request, spec=spec)
