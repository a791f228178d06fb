"""One job whose two phases need undoing: after failure, cancel, timeout and loss."""

from __future__ import annotations

from parcae import events as e
from parcae.values import Cause, Status
from parcae_specs.explorer.model import EVERY_JOB_ENDS, Fault, Model
from parcae_specs.explorer.slices.parts import ends, happens, job

SAGA = Model(
    name="saga",
    about="one job, a phase with an undo and one whose undo can handle the unknown",
    jobs=(job("a~", "b?"),),
    workers=2,
    faults={
        Fault.CRASH: 1,
        Fault.LOST: 1,
        Fault.LATE: 0,
        Fault.FAIL: 2,
        Fault.RELEASE: 1,
        Fault.RENEW: 1,
        Fault.CANCEL: 1,
        Fault.FORCE: 1,
    },
    symmetric=True,
    sometimes=(
        ends(Status.COMPLETED),
        ends(Status.COMPENSATED, Cause.CANCELLED),
        ends(Status.COMPENSATED, Cause.ATTEMPTS_EXHAUSTED),
        ends(Status.COMPENSATED, Cause.FORCED_CANCEL),
        ends(Status.QUARANTINED, Cause.OUTCOME_UNKNOWN),
        ends(Status.QUARANTINED, Cause.COMPENSATION_FAILED),
        happens(e.CompensationBegan, overlap=True),
        happens(e.CompensationLost),
        happens(e.CompensationReleased, voluntary=False),
        happens(e.UndoRetryScheduled),
    ),
    eventually=(EVERY_JOB_ENDS,),
    left_out="late and doubled calls, deadlines, manual retries",
)
