"""The answers of the kernel, each asked for once per job value and command."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from parcae import commands as c
from parcae.commands import Command
from parcae.errors import Reason
from parcae.events import Event
from parcae.values import Place, Status
from parcae_specs.explorer import crowd
from parcae_specs.explorer.audit import audit
from parcae_specs.explorer.cell import NOW, ZERO, Cell
from parcae_specs.explorer.clockwork import Scale, settled_times
from parcae_specs.explorer.crowd import job_name
from parcae_specs.explorer.model import Model
from parcae_specs.explorer.names import Ranks, rename
from parcae_specs.explorer.step import Step, put
from parcae_specs.explorer.tables import Tables
from parcae_specs.explorer.watch import Violation

Short = tuple[int, Ranks, bool]
"""A cell by its shortest names, what its tokens are called, and whether otherwise than before."""

Claimed = tuple[int, int, Step | None, tuple[Violation, ...]]


class Memo:
    """Puts commands to cells, remembers what came of them, and counts what was seen."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.tables = Tables(model)
        self.now = NOW
        behind = min((*model.skew, ZERO))
        self.scale = Scale(
            slack=model.back - behind,
            retention=model.retention,
            asleep=model.asleep,
            alone=len(model.jobs) == 1,
        )
        self.place = Place(len(model.jobs) + 1)
        self.pairs: Counter[tuple[type[Command], Reason | None]] = Counter()
        self.arrows: Counter[tuple[Status | None, type[Event]]] = Counter()
        self.seen: set[str] = set()
        self._puts: dict[tuple[int, Command, timedelta], tuple[int, Step]] = {}
        self._claims: dict[tuple[tuple[int, ...], c.Claim, timedelta], Claimed] = {}
        self._renamed: dict[tuple[int, int, bool, int], Short] = {}

    def seconds(self, number: float) -> timedelta:
        """A span of time."""
        return timedelta(seconds=number)

    def intern(self, cell: Cell) -> int:
        """The number of a cell, once what cannot matter any more has been forgotten."""
        return self.tables.cell(settled_times(cell, self.scale))

    def put(self, slot: int, cell: int, command: Command, offset: timedelta) -> tuple[int, Step]:
        """What comes of a command: the number of the cell after it, and the step."""
        key = (cell, command, offset)
        found = self._puts.get(key)
        if found is None:
            found = self._puts[key] = self._put(slot, cell, command, offset)
        return found

    def _put(self, slot: int, cell: int, command: Command, offset: timedelta) -> tuple[int, Step]:
        value, now = self.tables.cells.values[cell], self.now + offset
        step = put(job_name(slot), value, command, now, self.place)
        step = _with(step, audit(job_name(slot), value, command, step, now, self.place))
        return self._noted(value, command, step)

    def _noted(self, before: Cell, command: Command, step: Step) -> tuple[int, Step]:
        broken = tuple(one for one in step.broken if one.guarantee not in self.model.exempt)
        self.pairs[type(command), step.refusal] += 1
        status = before.status
        for event in step.events:
            self.arrows[status, type(event)] += 1
        after = before if step.refusal is not None else step.cell
        return self.intern(after), self.look(_only(step, broken))

    def look(self, step: Step) -> Step:
        """Tick off what has to be reached, and put the user's own properties to the cell."""
        for one in self.model.sometimes:
            if one.name not in self.seen and one.seen(step.cell, step.events):
                self.seen.add(one.name)
        broken = tuple(
            Violation(one.name, "a job is as it may not be")
            for one in self.model.always
            if not one.holds(step.cell)
        )
        return _with(step, broken)

    def claim(self, cells: tuple[int, ...], command: c.Claim, offset: timedelta) -> Claimed:
        """What comes of a claim: the slot, the number of its cell, the step, what it breaks."""
        key = (cells, command, offset)
        found = self._claims.get(key)
        if found is None:
            found = self._claims[key] = self._claim(cells, command, offset)
        return found

    def _claim(self, cells: tuple[int, ...], command: c.Claim, offset: timedelta) -> Claimed:
        values = [self.tables.cells.values[cell] for cell in cells]
        got = crowd.claim(values, command, self.now + offset, self.place)
        exempt = self.model.exempt
        broken = tuple(one for one in got.broken if one.guarantee not in exempt)
        if got.step is None:
            return -1, -1, None, broken
        number, step = self._noted(values[got.slot], command, _only(got.step, broken))
        return got.slot, number, step, step.broken

    def renamed(self, cell: int, bits: int, request: bool, place: int) -> Short:
        """The cell by the shortest names for the tokens in ``bits``, its request and its place."""
        key = (cell, bits, request, place)
        found = self._renamed.get(key)
        if found is None:
            value = self.tables.cells.values[cell]
            renamed = rename(value, bits, request=request, place=place)
            changed = any(token != rank for token, rank in renamed.ranks.items())
            found = self.tables.cell(renamed.cell), renamed.ranks, changed
            self._renamed[key] = found
        return found


def _with(step: Step, broken: tuple[Violation, ...]) -> Step:
    return _only(step, (*step.broken, *broken)) if broken else step


def _only(step: Step, broken: tuple[Violation, ...]) -> Step:
    if broken == step.broken:
        return step
    return Step(
        cell=step.cell,
        events=step.events,
        answer=step.answer,
        refusal=step.refusal,
        lost=step.lost,
        broken=broken,
    )
