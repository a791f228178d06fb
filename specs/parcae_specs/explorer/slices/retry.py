"""Manual retries of an ended saga: resumed, undone, or begun again; once, whatever is repeated."""

from __future__ import annotations

from parcae import events as e
from parcae.spec import RetryMode
from parcae.values import Status
from parcae_specs.explorer.model import EVERY_JOB_ENDS, Fault, Model
from parcae_specs.explorer.slices.parts import ONCE, ends, happens, job

RETRY = Model(
    name="retry",
    about="an ended saga is taken up by new jobs: from the start, resumed, or undone",
    jobs=(job("a~", "b?", retry=ONCE), None, None),
    workers=1,
    faults={
        Fault.CRASH: 1,
        Fault.FAIL: 3,
        Fault.CANCEL: 1,
        Fault.FORCE: 1,
        Fault.RETRY: 2,
        Fault.DELETE: 1,
    },
    modes=tuple(RetryMode),
    sometimes=(
        ends(Status.COMPLETED),
        ends(Status.COMPENSATED),
        ends(Status.QUARANTINED),
        happens(e.Deleted),
        happens(e.Submitted, carried=bool),
    ),
    eventually=(EVERY_JOB_ENDS,),
    left_out="idempotency keys, undos settled by hand, lost and late calls",
)
