"""What the host, the reconciler and the clock may do next, and a person with an ended job."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve as replace

from parcae import commands as c
from parcae.commands import Command
from parcae.spec import RetryMode
from parcae.values import Error, Token
from parcae_specs.explorer import crowd
from parcae_specs.explorer.cell import Cell
from parcae_specs.explorer.clockwork import overdue, shifted, upcoming
from parcae_specs.explorer.crowd import job_name
from parcae_specs.explorer.memo import Memo
from parcae_specs.explorer.model import Fault
from parcae_specs.explorer.options import Cells, Option

GAVE_UP = Error(type="queue.MaxAttempts")
"""What a queue of the host's says of a job that it runs no more."""


class Host:
    """Finds the options of whoever is no worker."""

    def __init__(self, memo: Memo) -> None:
        self.memo = memo
        self.model = memo.model
        self.tables = memo.tables

    def of_host(self, slot: int, cells: Cells) -> Iterator[Option]:
        """What the host and the reconciler may do to one job."""
        if self.tables.cells.values[cells[slot]].stored is None:
            return
        said = (*self._host_commands(slot), *self._given_up(slot, cells))
        for actor, verb, command, cost in said:
            offset = self.model.clock(-1)
            number, step = self.memo.put(slot, cells[slot], command, offset)
            yield Option(
                actor=actor,
                verb=verb,
                faults=() if cost is None else (cost,),
                changes=((slot, number),),
                spoken=(slot, command),
                offset=offset.total_seconds(),
                refusal=step.refusal,
                broken=step.broken,
            )

    def _host_commands(self, slot: int) -> Iterator[tuple[str, str, Command, Fault | None]]:
        name = f" {job_name(slot)}" if len(self.model.jobs) > 1 else ""
        yield "reconciler", f"looks at{name or ' it'}", c.Reconcile(), None
        faults = self.model.faults
        if Fault.CANCEL in faults:
            yield "host", f"cancels{name}", c.Cancel(), Fault.CANCEL
        if Fault.FORCE in faults:
            yield "host", f"cancels{name} by force", c.Cancel(force=True), Fault.FORCE
        if Fault.DELETE in faults:
            command = c.Delete(retention=self.model.retention)
            yield "host", f"deletes{name}", command, Fault.DELETE
        submit = self.model.jobs[slot]
        for dependency in submit.spec.dependencies if submit is not None else ():
            for outcome in self.model.outcomes:
                verb = f"settles {dependency.parent} as {outcome}{name}"
                told = c.SettleDependency(parent=dependency.parent, outcome=outcome)
                yield "host", verb, told, Fault.SETTLE

    def _given_up(
        self, slot: int, cells: Cells
    ) -> Iterator[tuple[str, str, Command, Fault | None]]:
        """A queue of the host's says that it is over: of the last start, or of one before it."""
        stored = self.tables.cells.values[cells[slot]].stored
        if stored is None or Fault.ABANDON not in self.model.faults:
            return
        last = stored.job.token
        for token in sorted({last, max(last - 1, 0)}):
            command = c.Abandon(token=Token(token), error=GAVE_UP)
            yield "host", f"gives up start {token}", command, Fault.ABANDON

    def of_time(self, cells: Cells) -> Iterator[Option]:
        """Time passes, up to the next instant at which something changes; or goes back."""
        values = [self.tables.cells.values[cell] for cell in cells]
        waits = [at for cell in values if (at := upcoming(cell, self.memo.scale)) is not None]
        if waits:
            step = min(waits) - self.memo.now
            if self.model.beat is not None:
                step = min(step, self.model.beat)
            oldest = min((at for cell in values if (at := overdue(cell))), default=None)
            asleep = self.memo.scale.asleep
            if oldest is None or asleep is None or self.memo.now + step - oldest <= asleep:
                seconds = step.total_seconds()
                yield self._passes(values, seconds, f"{seconds:g}s pass", ())
        if self.model.back:
            back = -self.model.back.total_seconds()
            cost = (Fault.BACK,)
            yield self._passes(values, back, f"goes back by {-back:g}s", cost)

    def _passes(
        self, values: list[Cell], wait: float, verb: str, cost: tuple[Fault, ...]
    ) -> Option:
        by = self.memo.seconds(wait)
        changes = tuple(
            (slot, self.memo.intern(shifted(cell, by))) for slot, cell in enumerate(values)
        )
        return Option(actor="clock", verb=verb, changes=changes, wait=wait, faults=cost)

    def of_retry(self, cells: Cells) -> Iterator[Option]:
        """Manual retries of any job that has ended, into the first free slot."""
        values = [self.tables.cells.values[cell] for cell in cells]
        room = [
            slot
            for slot, submit in enumerate(self.model.jobs)
            if submit is None and values[slot].stored is None
        ]
        if not room:
            return
        for slot, cell in enumerate(values):
            if cell.stored is None or not cell.quiet:
                continue
            for mode in self.model.modes:
                yield self._retry(values, slot, mode, room[0])

    def _retry(self, values: list[Cell], slot: int, mode: RetryMode, fresh: int) -> Option:
        step = self.memo.look(crowd.retry(values, slot, mode, fresh, self.memo.now))
        changes: tuple[tuple[int, int], ...] = ()
        if step.answer is not None:
            origin = values[slot]
            once = origin.ghost.carried or mode is not RetryMode.FROM_START
            origin = replace(origin, ghost=replace(origin.ghost, carried=once))
            changes = (
                (slot, self.memo.intern(origin)),
                (fresh, self.memo.intern(step.cell)),
            )
        return Option(
            actor="host",
            verb=f"retries {job_name(slot)}, mode {mode}",
            faults=(Fault.RETRY,),
            changes=changes,
            fresh=(fresh, slot, mode),
            refusal=step.refusal,
            broken=step.broken,
        )
