"""The shape of jobs, and how a migration says what has become of it (rule 14 of the lifecycle)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import Attribute, field, frozen

from parcae.spec import PhaseSpec


@frozen(kw_only=True)
class Shape:
    """What a definition says of its jobs' phases, today or when a job was admitted.

    Attributes:
        version: of the definition.
        phases: in the order in which they run.
    """

    version: str
    phases: tuple[PhaseSpec, ...]


@frozen(kw_only=True)
class Reshaped:
    """What a migration made of a job's shape.

    Attributes:
        definition: the version that it is of now.
        phases: its own from then on, with what it keeps and without what it has passed.
        whole: those of the definition: with them it is retried from its start.
    """

    definition: str
    phases: tuple[PhaseSpec, ...]
    whole: tuple[PhaseSpec, ...]


def _pairs(value: Mapping[str, str] | Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    pairs = value.items() if isinstance(value, Mapping) else value
    return tuple((before, now) for before, now in pairs)


def _names(value: Iterable[str]) -> tuple[str, ...]:
    if isinstance(value, str):
        raise TypeError(f"expected names of phases, got the text {value!r}")
    return tuple(value)


def _once(_: object, attribute: Attribute[Any], value: tuple[tuple[str, str], ...]) -> None:
    for names in ([before for before, _ in value], [now for _, now in value]):
        if len(set(names)) != len(names):
            raise ValueError(f"expected {attribute.name} to name each phase once, got {value}")


@frozen(kw_only=True)
class Moves:
    """What the phases of an old shape have become. One of the same name needs no word.

    Attributes:
        renamed: the old name of a phase -> that of the phase of today which it stands for: it has
            happened, if it had.
        kept: old phases that are gone today. Where one has happened, or may have, the job keeps
            it, under its own name and with its own undo; where it has not, it is dropped.
        passed: phases of today that a job goes without if something that comes after them today
            has completed in it already; a job that has not got there runs them.
    """

    renamed: tuple[tuple[str, str], ...] = field(default=(), converter=_pairs, validator=_once)
    kept: tuple[str, ...] = field(default=(), converter=_names)
    passed: tuple[str, ...] = field(default=(), converter=_names)
