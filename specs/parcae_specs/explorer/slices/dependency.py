"""A job that waits for two others, whose ends are told once, twice, late or badly."""

from __future__ import annotations

from parcae import events as e
from parcae.spec import Dependency, DependencyPolicy, Timing
from parcae.values import Cause, JobId, Status, seconds
from parcae_specs.explorer.model import EVERY_JOB_ENDS, Fault, Model
from parcae_specs.explorer.slices.parts import ends, happens, job

_PARENTS = (
    Dependency(parent=JobId("first"), policy=DependencyPolicy.CANCEL),
    Dependency(parent=JobId("second"), policy=DependencyPolicy.PROCEED),
    Dependency(parent=JobId("third"), policy=DependencyPolicy.FAIL),
)
_TIMING = Timing(
    lease=seconds(2),
    renewal=seconds(1),
    attempt=seconds(4),
    cancel_grace=seconds(1),
    stale_after=seconds(3),
    deadline=seconds(6),
)

DEPENDENCY = Model(
    name="dependency",
    about="one job that waits for three, each with another policy; a deadline, staleness",
    jobs=(job("a", dependencies=_PARENTS, timing=_TIMING),),
    workers=2,
    faults={
        Fault.SETTLE: 5,
        Fault.CANCEL: 1,
        Fault.CRASH: 1,
        Fault.LOST: 1,
        Fault.LATE: 1,
        Fault.FAIL: 1,
        Fault.RENEW: 1,
    },
    outcomes=(Status.COMPLETED, Status.FAILED),
    symmetric=True,
    sometimes=(
        ends(Status.COMPLETED),
        ends(Status.CANCELLED, Cause.DEPENDENCY_FAILED),
        ends(Status.FAILED, Cause.DEPENDENCY_FAILED),
        ends(Status.FAILED, Cause.DEADLINE),
        ends(Status.FAILED, Cause.STALE_IN_QUEUE),
        happens(e.DependencySettled, met=True, outcome=Status.FAILED),
    ),
    eventually=(EVERY_JOB_ENDS,),
    left_out="the jobs waited for: their ends are told by the host",
)
