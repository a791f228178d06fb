"""What an exploration of many jobs proves, and where it ends: the bound is part of the result."""

from __future__ import annotations

from collections.abc import Iterator

from parcae_specs.explorer.crowds.replay import replay
from parcae_specs.explorer.crowds.search import Found


def bound(found: Found) -> str:
    """The result of an exploration in words and numbers."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Found) -> Iterator[str]:
    model = found.model
    yield f"{model.name}: {model.about}"
    extent = "all of them" if found.whole else "stopped before the end"
    yield (
        f"  {found.states:,} worlds ({extent}), {found.steps:,} steps, {found.depth} deep, "
        f"in {found.seconds:.1f} s of one processor "
        f"({found.states / max(found.seconds, 0.001):,.0f} worlds a second)"
    )
    granted = ", ".join(f"{mishap} × {most}" for mishap, most in model.mishaps.items())
    yield (
        f"  {len(model.first)} admitted first, {len(model.later)} later; {model.workers} workers, "
        f"claims of {model.grab}; {granted or 'nothing goes wrong'}"
    )
    yield (
        f"  a view holds {model.cascade} dependents, {model.window} members of a group, "
        f"{model.batch} overdue jobs"
    )
    yield f"  reached: {'; '.join(model.reached) or 'nothing was asked for'}"
    for name, count in sorted(found.actions.items()):
        yield f"    {count:>10,}  {name}"
    yield f"  left out: {model.left_out or 'nothing is noted'}"
    if found.violation is not None:
        yield f"  BROKEN {found.violation.guarantee}: {found.violation.message}"
        if found.path:
            yield from (f"    {line}" for line in replay(found).lines)
