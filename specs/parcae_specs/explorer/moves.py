"""The moves of one actor in one surrounding, as numbers to add to a world."""

from __future__ import annotations

from collections.abc import Sequence

from parcae_specs.explorer.model import Fault, Model
from parcae_specs.explorer.options import Option
from parcae_specs.explorer.tables import Message

Need = tuple[int, ...]
"""Bits of a world, in each of which something must be left of what may still go wrong."""


class Group:
    """Moves that cost the same.

    ``plain`` ones are done by adding their number; the ``slow`` ones may change what the tokens
    are called, or put a call under way.
    """

    __slots__ = ("broken", "kinds", "need", "options", "plain", "slow", "uses")

    def __init__(self, need: Need) -> None:
        self.need = need
        self.plain: list[int] = []
        self.slow: list[tuple[int, Message | None, bool]] = []
        self.kinds: tuple[str, ...] = ()
        self.options: tuple[list[Option], list[Option]] = ([], [])
        self.broken: list[Option] = []
        self.uses = 0

    def forget(self, known: dict[tuple[str, ...], tuple[str, ...]]) -> None:
        """Keep of the options only of what kind they are: there are very many."""
        kinds = tuple(kind(option) for option in (*self.options[0], *self.options[1]))
        self.kinds = known.setdefault(kinds, kinds)
        self.options = NONE


NONE: tuple[list[Option], list[Option]] = ([], [])


def kind(option: Option) -> str:
    """What kind of step an option is, jobs and phases left out."""
    who = option.actor.split()[0]
    if who == "clock":
        return "clock: goes on" if option.wait > 0 else "clock: goes back"
    call = option.spoken or option.message
    what = type(call[1]).__name__ if call else option.verb.split()[0]
    how = option.verb.rpartition(", ")[2] if ", " in option.verb else ""
    if call and not option.spoken:
        how = "late"
    return f"{who}: {what}{f', {how}' if how else ''}"


Moves = Sequence[Group]


class Purse:
    """What may still go wrong: a counter for each fault, in bits of its own."""

    def __init__(self, model: Model, shift: int) -> None:
        self._free = {fault for fault, most in model.faults.items() if most is None}
        self._shifts: dict[Fault, int] = {}
        self._masks: dict[Fault, int] = {}
        self.full = 0
        for fault, most in sorted(model.faults.items()):
            if most is None:
                continue
            bits = max(most.bit_length(), 1)
            self._shifts[fault] = shift
            self._masks[fault] = ((1 << bits) - 1) << shift
            self.full |= most << shift
            shift += bits
        self.bits = shift

    def need(self, faults: tuple[Fault, ...]) -> Need | None:
        """The bits that ``faults`` draw on; ``None``: the model does not have them."""
        counted = [fault for fault in faults if fault not in self._free]
        if any(fault not in self._masks for fault in counted):
            return None
        return tuple(sorted(self._masks[fault] for fault in counted))

    def cost(self, faults: tuple[Fault, ...]) -> int:
        """What they take off a world."""
        return sum(1 << self._shifts[fault] for fault in faults if fault not in self._free)
