"""The slices in which bugs are looked for: with no more faults than they need, so found fast."""

from __future__ import annotations

from attrs import evolve

from parcae.spec import Lost, OnLost, Timing
from parcae.values import seconds
from parcae_specs.explorer.model import Fault, Model
from parcae_specs.explorer.slices import DEEP, SLICES
from parcae_specs.explorer.slices.parts import BRISK, TWICE, job

FORWARD = evolve(DEEP["lifecycle"], name="forward", sometimes=())
"""One job of two phases, two workers, all faults."""

UNDOING = evolve(DEEP["saga"], name="undoing", sometimes=())
RETRYING = evolve(DEEP["retry"], name="retrying", sometimes=())
CLOCKS = evolve(DEEP["clocks"], name="clocks", sometimes=())
WAITING = evolve(DEEP["dependency"], name="waiting", sometimes=())
LINE = evolve(DEEP["lane"], name="line", sometimes=())

TIMID = evolve(
    FORWARD,
    name="timid",
    jobs=(job("a", on_lost=OnLost(action=Lost.RETRY, times=0)),),
)
"""A job that may never be lost."""

RESUMING = evolve(SLICES["retry"], name="resuming", sometimes=())
"""A single retry, of whatever kind."""

KEPT = evolve(RETRYING, name="kept", retention=seconds(5))
"""Ended jobs are kept for five seconds."""

ASKED_TWICE = evolve(FORWARD, name="asked twice", faults={**FORWARD.faults, Fault.CANCEL: 2})

LATE_CLAIM = evolve(
    WAITING, name="too late", jobs=(job("a", timing=evolve(BRISK, deadline=seconds(3))),)
)
"""A job with a deadline that may pass while it waits or works."""

SLOW = Timing(
    lease=seconds(4),
    renewal=seconds(1),
    attempt=seconds(2),
    cancel_grace=seconds(1),
    undo=seconds(2),
)
OUTLIVED = evolve(UNDOING, name="outlived", jobs=(job("a~", "b?", timing=SLOW, retry=TWICE),))
"""An attempt is timed out while its lease runs on."""

HANGING = Model(
    name="hanging",
    about="a worker that only renews",
    jobs=(job("a", timing=evolve(BRISK, attempt=seconds(3))),),
    workers=1,
    faults={Fault.RENEW: None, Fault.CANCEL: 1},
    asleep=None,
)

OVERSLEPT = evolve(
    FORWARD,
    name="overslept",
    jobs=(job("a", timing=evolve(BRISK, deadline=seconds(6))),),
    faults={Fault.CRASH: 2, Fault.CANCEL: 1, Fault.FAIL: 1},
    asleep=seconds(4),
)
"""A reconciler that looks late."""
