"""What an exploration proves, and where it ends: the bound is part of every result."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from parcae.errors import Reason
from parcae_specs.explorer.render import timeline
from parcae_specs.explorer.schedule import schedule
from parcae_specs.explorer.search import Found


def bound(found: Found) -> str:
    """The result of an exploration in words and numbers."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Found) -> Iterator[str]:
    model, space = found.model, found.space
    yield f"{model.name}: {model.about}"
    extent = "all of them" if found.whole else "stopped before the end"
    yield (
        f"  {found.states:,} worlds ({extent}), {found.transitions:,} steps, "
        f"{found.depth} deep, in {found.seconds:.1f} s of one processor "
        f"({found.states / max(found.seconds, 0.001):,.0f} worlds a second)"
    )
    yield (
        f"  {len(space.tables.cells):,} job values, {sum(space.memo.pairs.values()):,} pairs of a "
        f"job value and a command; nothing is hashed away"
    )
    granted = ", ".join(f"{fault} {_times(most)}" for fault, most in model.faults.items())
    yield f"  {len(model.jobs)} jobs, {model.workers} workers; {granted}"
    yield f"  {'no symmetry' if not model.symmetric else 'workers are interchangeable'}"
    yield f"  reached: {'; '.join(sorted(space.memo.seen)) or 'nothing was asked for'}"
    for name, count in sorted(found.actions().items()):
        yield f"    {count:>10,}  {name}"
    for reason, count in _refusals(found):
        yield f"    {count:>10,}  refused: {reason}"
    yield f"  left out: {model.left_out or 'nothing is noted'}"
    if found.violation is not None:
        yield f"  BROKEN {found.violation.guarantee}: {found.violation.message}"
        if found.path:
            yield timeline(schedule(found))


def _times(most: int | None) -> str:
    return "at will" if most is None else f"× {most}"


def _refusals(found: Found) -> Iterator[tuple[Reason, int]]:
    counts: dict[Reason, int] = {}
    for (_, reason), count in found.space.memo.pairs.items():
        if reason is not None:
            counts[reason] = counts.get(reason, 0) + count
    yield from sorted(counts.items())


def bytes_per_state(found: Found) -> float:
    """What one world takes in memory: its number, its place in the set and in the order."""
    number = 16 * -(-sys.getsizeof(1 << found.space.bits - 1) // 16)
    slots = 8
    while slots * 3 < found.states * 5:
        slots *= 4 if found.states < 50_000 else 2
    return number + slots * 16 / found.states + 8 * 1.125 + 4
