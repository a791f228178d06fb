"""Clocks that differ and jump: each worker has its own, and the world's goes back (S21)."""

from __future__ import annotations

from parcae import events as e
from parcae.values import Status, seconds
from parcae_specs.explorer.model import Fault, Model
from parcae_specs.explorer.slices.parts import ends, happens, job

CLOCKS = Model(
    name="clocks",
    about="one saga; a worker a second ahead, one a second behind, a reconciler two seconds ahead",
    jobs=(job("a~", "b"),),
    workers=2,
    faults={
        Fault.CRASH: 1,
        Fault.LATE: 1,
        Fault.FAIL: 1,
        Fault.RENEW: 1,
        Fault.CANCEL: 1,
        Fault.BACK: 1,
    },
    skew=(seconds(1), seconds(-1), seconds(2)),
    back=seconds(2),
    sometimes=(
        ends(Status.COMPLETED),
        ends(Status.CANCELLED),
        ends(Status.COMPENSATED),
        happens(e.LateResultRecorded),
    ),
    # Under skew somebody may wait, repeat or end early: S21 promises S1 to S19, and no more.
    exempt=frozenset({"S20", "S24", "S25", "S29", "S30", "L3"}),
    left_out="lost answers, forced cancels; liveness",
)
