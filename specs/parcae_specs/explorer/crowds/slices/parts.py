"""What these slices are made of: jobs, edges between them, groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from parcae.grouping import Edge, Member, Plan
from parcae.spec import Dependency, DependencyPolicy, Spec
from parcae.values import JobId, Lane
from parcae_specs.explorer.crowds.model import DATA, name
from parcae_specs.explorer.slices.parts import ONCE, job

CANCEL, FAIL, PROCEED = DependencyPolicy


def one(*phases: str, key: str = "", **changes: Any) -> Spec:
    """A job of these phases, of one attempt where nothing else is said."""
    given = {"retry": ONCE, **changes}
    return job(*(phases or ("a",)), lane=Lane(key=key), **given).spec


def after(*parents: JobId | int, policies: Sequence[DependencyPolicy] = (), **changes: Any) -> Spec:
    """A job that waits for others: names, or slots of the first world."""
    names = [name(parent) if isinstance(parent, int) else parent for parent in parents]
    every = [*policies, *[CANCEL] * (len(names) - len(policies))]
    pairs = zip(names, every, strict=True)
    edges = tuple(Dependency(parent=parent, policy=policy) for parent, policy in pairs)
    return one(dependencies=edges, **changes)


def together(*members: Member, **changes: Any) -> Plan:
    """A group of these."""
    return Plan(members=members, **changes)


def member(*phases: str, waits: Sequence[int] = (), **changes: Any) -> Member:
    """A member of a group, which waits for those at these places in it."""
    edges = tuple(Edge(index=index) for index in waits)
    return Member(spec=one(*phases, **changes), payload=DATA, after=edges)
