"""A way through shortened worlds, walked again in real time and by real names.

So nothing is believed that only the shortening brought about; and what happened is told in words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import frozen

from parcae_specs.explorer.cell import NOW
from parcae_specs.explorer.crowds.moves import Move
from parcae_specs.explorer.crowds.search import Found, Space
from parcae_specs.explorer.crowds.world import Row, World


@frozen(kw_only=True)
class Told:
    """What a way comes to in real time.

    Attributes:
        lines: step by step.
        again: it went wrong there, too.
    """

    lines: tuple[str, ...]
    again: bool


def replay(found: Found) -> Told:
    """Walk the way to the fault of ``found`` again."""
    assert found.violation is not None
    space = Space(found.model)
    world = space.hosts.first()
    lines: list[str] = []
    for wanted in found.path[1:]:
        move = matching(space, world, wanted)
        if move is None:
            return Told(lines=tuple(lines), again=False)
        lines.append(_line(world, move))
        world = move.world
    guarantee = found.violation.guarantee
    for move in space.moves(world):
        if any(one.guarantee == guarantee for one in move.broken):
            return Told(lines=(*lines, f"{_line(world, move)}: {guarantee}"), again=True)
    stuck = not found.last and not world.quiet
    return Told(lines=tuple(lines), again=stuck and not list(space.moves(world)))


def matching(space: Space, world: World, wanted: World) -> Move | None:
    """A move to what is, but for names, the world that is wanted."""
    picture = _picture(wanted)
    moves = (move for move in space.moves(world) if not move.broken)
    return next((move for move in moves if _picture(space.short(move.world)) == picture), None)


def _picture(world: World) -> str:
    """All of a world in words; names that were drawn later are numbers, whoever drew them when."""
    text = repr(world)
    for slot, row in enumerate(world.rows):
        text = text.replace(row.id, f"job {slot}")
    for number, row_ in enumerate(world.groups):
        text = text.replace(row_.group.id, f"group {number}")
    return text


def _line(before: World, move: Move) -> str:
    elapsed = (before.now - NOW).total_seconds()
    changed = ", ".join(_changes(before.rows, move.world.rows))
    return f"{elapsed:5g} s  {move.actor} {move.verb}" + (f"  ({changed})" if changed else "")


def _changes(before: Sequence[Row], after: Sequence[Row]) -> Iterator[str]:
    for slot, row in enumerate(after):
        old = before[slot] if slot < len(before) else None
        was, now = _status(old), _status(row)
        if was != now:
            yield f"job {slot + 1}: {was} → {now}"


def _status(row: Row | None) -> str:
    if row is None:
        return "not there"
    return "deleted" if row.stored is None else str(row.stored.job.status)
