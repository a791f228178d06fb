"""Parts of worlds as small numbers, and whole worlds as one.

Nothing is hashed away: equal numbers are equal parts, so no state is ever omitted.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from parcae import commands as c
from parcae.spec import Spec
from parcae_specs.explorer.belief import Belief, Held, Unsure
from parcae_specs.explorer.cell import Cell
from parcae_specs.explorer.model import Model
from parcae_specs.explorer.names import lease_bits, request_of

T = TypeVar("T")

CELL_BITS, BELIEF_BITS, WIRE_BITS = 22, 16, 16
TOKEN_BITS = 16
"""How many tokens of one job a world can know at once."""

Message = tuple[int, c.Command]
"""A call under way: to which job (-1: whichever is first in line), and what it says."""
Wire = tuple[Message, ...]


class Table(Generic[T]):
    """Interned values: each has a number, from 0."""

    def __init__(self, bits: int) -> None:
        self.values: list[T] = []
        self._numbers: dict[Hashable, int] = {}
        self._most = 1 << bits

    def number(self, key: Hashable, value: T) -> int:
        """The number of the value with this key; a new one if it is new."""
        found = self._numbers.get(key)
        if found is None:
            found = len(self.values)
            if found >= self._most:
                raise OverflowError(f"more than {self._most} different parts of a world")
            self._numbers[key] = found
            self.values.append(value)
        return found

    def __len__(self) -> int:
        return len(self.values)


class Tables:
    """The parts of all worlds of one model."""

    def __init__(self, model: Model) -> None:
        self.cells: Table[Cell] = Table(CELL_BITS)
        self.beliefs: Table[Belief] = Table(BELIEF_BITS)
        self.wires: Table[Wire] = Table(WIRE_BITS)
        self._jobs = len(model.jobs)
        self._specs: dict[int, tuple[int, Spec]] = {}
        self.cell_masks: list[int] = []
        self.request_masks: list[int] = []
        self.belief_masks: list[int] = []
        self.belief_slots: list[int] = []
        self.wire_masks: list[int] = []

    def cell(self, cell: Cell) -> int:
        """The number of a cell."""
        number = self.cells.number(self._cell_key(cell), cell)
        if number == len(self.cell_masks):
            self.cell_masks.append(lease_bits(cell))
            self.request_masks.append(self.request_mask(request_of(cell)))
        return number

    def _cell_key(self, cell: Cell) -> Hashable:
        if cell.stored is None:
            return cell.ghost
        job, liveness = cell.stored.job, cell.stored.liveness
        return (
            job.id,
            self._spec(job.spec),
            job.submitted_at,
            job.state,
            job.phases,
            (job.place, job.token, job.starts, job.attempts, job.losses, job.releases),
            job.fence,
            job.receipts,
            job.late,
            liveness,
            cell.ghost,
        )

    def _spec(self, spec: Spec) -> int:
        """Specs are large and few: one is told by its identity, and compared only when new."""
        known = self._specs.get(id(spec))
        if known is None:
            same = (n for n, other in self._specs.values() if other == spec)
            known = (next(same, len(self._specs)), spec)
            self._specs[id(spec)] = known
        return known[0]

    def belief(self, belief: Belief) -> int:
        """The number of what a worker believes."""
        number = self.beliefs.number((type(belief), belief), belief)
        if number == len(self.belief_masks):
            self.belief_masks.append(self._belief_mask(belief))
            self.belief_slots.append(-1 if belief is None else belief.slot)
        return number

    def _belief_mask(self, belief: Belief) -> int:
        if isinstance(belief, Held):
            return 1 << (belief.token + belief.slot * TOKEN_BITS)
        if isinstance(belief, Unsure):
            mask = self.mask_of(belief.slot, belief.command) | self._belief_mask(belief.before)
            heard = belief.heard
            return mask | (self._belief_mask(heard) if isinstance(heard, Held) else 0)
        return 0

    def mask_of(self, slot: int, command: c.Command) -> int:
        """The names that a command mentions, as a bit mask."""
        if isinstance(command, c.Claim):
            return self.request_mask(command.request)
        return 1 << (command.token + slot * TOKEN_BITS)  # type: ignore[union-attr]

    def request_mask(self, request: str) -> int:
        """The bit of a request key that is repeated; 0 for one that nobody repeats."""
        digits = request[1:]
        return 1 << (self._jobs * TOKEN_BITS + int(digits)) if digits.isdigit() else 0

    def wire(self, wire: Wire) -> int:
        """The number of a set of calls under way."""
        wire = tuple(sorted(wire, key=repr))
        number = self.wires.number(wire, wire)
        if number == len(self.wire_masks):
            mask = 0
            for slot, command in wire:
                mask |= self.mask_of(slot, command)
            self.wire_masks.append(mask)
        return number
