"""Where the parts of a world lie in its number."""

from __future__ import annotations

from parcae_specs.explorer.model import Model
from parcae_specs.explorer.options import Cells
from parcae_specs.explorer.tables import BELIEF_BITS, CELL_BITS, WIRE_BITS

CELL, BELIEF, WIRE = (1 << CELL_BITS) - 1, (1 << BELIEF_BITS) - 1, (1 << WIRE_BITS) - 1

Key = tuple[int, int, int]
"""Whose moves (a worker's, with a free request key above), what of theirs, and in which cells."""

ALL, NETWORK, ONE = -1, -2, -3
"""Who else than a worker: the host and the clock with all jobs; the network; the host with one."""


class Layout:
    """The fields of the worlds of one model, from the lowest bits: cells, beliefs, calls."""

    def __init__(self, model: Model) -> None:
        self.jobs = len(model.jobs)
        self.cell_shifts = [slot * CELL_BITS for slot in range(self.jobs)]
        base = self.jobs * CELL_BITS
        self.belief_shifts = [base + i * BELIEF_BITS for i in range(model.workers)]
        self.wire_shift = base + model.workers * BELIEF_BITS
        self.top = self.wire_shift + WIRE_BITS
        self.cells_mask = (1 << base) - 1
        self.cell_masks = [CELL << shift for shift in self.cell_shifts] + [self.cells_mask]

    def cells(self, world: int) -> Cells:
        """The numbers of the cells of a world."""
        return tuple(world >> shift & CELL for shift in self.cell_shifts)
