"""What an exploration of deliveries proves, and where it ends."""

from __future__ import annotations

from collections.abc import Iterator

from parcae_specs.explorer.outgoing.search import Found

LEFT_OUT = (
    "more than one subscription at once; a receiver's order of arrival; more than three events; "
    "what only a store can get wrong (the contract has that)"
)


def bound(found: Found) -> str:
    """The result of an exploration in words and numbers."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Found) -> Iterator[str]:
    model = found.model
    extent = "all of them" if found.whole else "stopped before the end"
    yield f"{model.name}: {model.about}"
    yield (
        f"  {found.states:,} worlds ({extent}), {found.steps:,} steps, {found.depth} deep, "
        f"in {found.seconds:.1f} s of one processor"
    )
    granted = ", ".join(f"{one} × {most}" for one, most in model.mishaps.items() if most)
    yield f"  {model.events} commits, {model.senders} senders; {granted}"
    yield f"  reached: {'; '.join(sorted(found.seen))}"
    yield f"  left out: {LEFT_OUT}"
    if found.violation is not None:
        yield f"  BROKEN {found.violation.guarantee}: {found.violation.message}"
        yield from (f"    {line}" for line in found.lines)
