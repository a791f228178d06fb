"""One job of two phases, two workers, and everything that can go wrong between them."""

from __future__ import annotations

from parcae import events as e
from parcae.values import Cause, Status
from parcae_specs.explorer.model import EVERY_JOB_ENDS, Fault, Model
from parcae_specs.explorer.slices.parts import ends, happens, job

LIFECYCLE = Model(
    name="lifecycle",
    about="one job of two phases without undo: cancel, loss, timeout, lost and late calls",
    jobs=(job("a", "b"),),
    workers=2,
    faults={
        Fault.CRASH: 1,
        Fault.LOST: 1,
        Fault.LATE: 1,
        Fault.FAIL: 1,
        Fault.RELEASE: None,
        Fault.RENEW: None,
        Fault.CANCEL: 1,
        Fault.FORCE: 1,
    },
    symmetric=True,
    sometimes=(
        ends(Status.COMPLETED),
        ends(Status.CANCELLED, Cause.CANCELLED),
        ends(Status.CANCELLED, Cause.FORCED_CANCEL),
        ends(Status.FAILED, Cause.ATTEMPT_TIMEOUT),
        ends(Status.FAILED, Cause.LEASE_LOST),
        happens(e.Completed, overtook=True),
        happens(e.LateResultRecorded),
        happens(e.Released, voluntary=False),
    ),
    eventually=(EVERY_JOB_ENDS,),
    left_out="doubled calls, undos, deadlines, more than one crash",
)
