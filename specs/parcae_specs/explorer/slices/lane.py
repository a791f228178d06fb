"""Two jobs in one lane: nobody starts before one that stood in line earlier (S7)."""

from __future__ import annotations

from attrs import evolve

from parcae import events as e
from parcae.values import Status
from parcae_specs.explorer.cell import NOW
from parcae_specs.explorer.model import EVERY_JOB_ENDS, Fault, Model
from parcae_specs.explorer.slices.parts import BRISK, ends, happens, job

LANE = Model(
    name="lane",
    about="two jobs in a lane, the first of them for later; retries go to the end of the line",
    jobs=(
        evolve(job("a"), not_before=NOW + BRISK.renewal),
        job("a"),
    ),
    workers=2,
    faults={
        Fault.CRASH: 1,
        Fault.LOST: 1,
        Fault.FAIL: 1,
        Fault.RELEASE: 1,
        Fault.RENEW: 0,
        Fault.CANCEL: 1,
    },
    symmetric=True,
    sometimes=(ends(Status.COMPLETED), ends(Status.CANCELLED), happens(e.RetryScheduled)),
    eventually=(EVERY_JOB_ENDS,),
    left_out="limits, priorities, undos; each is in a slice of its own",
)
