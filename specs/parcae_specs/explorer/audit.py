"""What no single step shows: that it makes no difference when, and how often, somebody looks."""

from __future__ import annotations

from attrs import evolve as replace

from parcae import commands as c
from parcae.commands import Command
from parcae.state import Ended, Stored
from parcae.values import Instant, JobId, Place
from parcae_specs.explorer.cell import Cell
from parcae_specs.explorer.clockwork import Scale, dues, settled_times
from parcae_specs.explorer.step import Step, put
from parcae_specs.explorer.watch import Violation


def audit(
    job_id: JobId, cell: Cell, command: Command, step: Step, now: Instant, place: Place
) -> tuple[Violation, ...]:
    """S20, S30, for what the reconciler and the host ask of a job."""
    if step.answer is None or not isinstance(command, c.Reconcile | c.Cancel | c.SettleDependency):
        return ()
    broken: list[Violation] = []
    settled = settle(cell, job_id, now, place)
    if settled.status is not None and settled != cell:
        eager = put(job_id, settled, command, now, place)
        if undated(eager.cell, now) != undated(step.cell, now):
            broken.append(Violation("S30", "the outcome depends on when somebody looked"))
    if isinstance(command, c.Reconcile) and put(job_id, step.cell, command, now, place).events:
        broken.append(Violation("S20", "a second look settled something more"))
    return tuple(broken)


def settle(cell: Cell, job_id: JobId, now: Instant, place: Place) -> Cell:
    """The job as it would be had the reconciler looked at every instant that fell due (S30)."""
    while cell.stored is not None:
        expiry = cell.stored.liveness.expires_at if cell.stored.liveness else None
        first = min(dues(cell.stored.job, expiry), default=None)
        if first is None or first > now:
            break
        step = put(job_id, cell, c.Reconcile(), first, place)
        if step.cell == cell:
            break
        cell = step.cell
    return cell


def undated(cell: Cell, now: Instant) -> Cell:
    """The cell without the instants that only say when somebody looked."""
    cell = settled_times(cell, Scale(), now)
    if cell.stored is None:
        return cell
    job = cell.stored.job
    if isinstance(job.state, Ended):
        job = replace(job, state=replace(job.state, at=job.submitted_at))
    return Cell(stored=Stored(job=job, liveness=cell.stored.liveness), ghost=cell.ghost)
