"""A living job takes the shape that its definition has today (rule 14 of the lifecycle)."""

from __future__ import annotations

from parcae import commands as c
from parcae import events as e
from parcae import reshape
from parcae.decide.draft import Draft
from parcae.decide.reconcile import reconcile
from parcae.errors import Reason
from parcae.shape import Reshaped, Shape


def migrate(draft: Draft, command: c.Migrate) -> None:
    """Give the job another shape, unless something that it did, or owes, would be lost.

    What had fallen due before it wins, whether or not anybody had looked (S30). Asked twice, it
    does nothing the second time.
    """
    reconcile(draft)
    job = draft.job
    if job.status.is_terminal:
        return
    if job.lease is not None:
        raise draft.rejected(command, Reason.HELD, f"held by {job.lease.worker}")
    if job.spec.definition == command.now.version:
        return
    if Shape(version=job.spec.definition, phases=job.spec.phases) != command.was:
        message = f"it is of version {job.spec.definition}, not as it was looked at"
        raise draft.rejected(command, Reason.NOT_MIGRATABLE, message)
    try:
        phases = reshape.proposed(job, command.now, command.moves)
    except ValueError as error:
        raise draft.rejected(command, Reason.NOT_MIGRATABLE, str(error)) from error
    wrong = reshape.fault(job, phases)
    if wrong is not None:
        raise draft.rejected(command, Reason.NOT_MIGRATABLE, wrong)
    now = command.now
    shape = Reshaped(definition=now.version, phases=phases, whole=now.phases)
    draft.add(e.Migrated(at=draft.now, shape=shape, by=command.by))
