"""One queue with limits: nobody starts beyond them (S6) or out of turn (S7); all start (L2)."""

from __future__ import annotations

from attrs import evolve

from parcae.queues import Pause, Rate, Resume, SetLimit, SetRate
from parcae.values import Status, seconds
from parcae_specs.explorer.cell import NOW
from parcae_specs.explorer.crowds.model import Crowd, Mishap, ending
from parcae_specs.explorer.crowds.slices.parts import one
from parcae_specs.explorer.slices.parts import TWICE

TWICE_JOB = one(retry=TWICE)

LIMIT_ONE = Crowd(
    name="limit one",
    about="three jobs in a lane of limit 1; retries go to the end of the line",
    first=(TWICE_JOB, one(), one()),
    setup=(SetLimit(limit=1),),
    grab=2,
    mishaps={Mishap.CRASH: 1, Mishap.SLOW: 1, Mishap.FAIL: 1, Mishap.RELEASE: 1, Mishap.CANCEL: 1},
    reached=(ending(Status.COMPLETED), ending(Status.FAILED), ending(Status.CANCELLED)),
    left_out="undos, priorities, several queues",
)

LIMIT_TWO = evolve(
    LIMIT_ONE,
    name="limit two",
    about="three jobs in a lane of limit 2, of which the first is for later",
    first=(evolve(TWICE_JOB, run_at=NOW + seconds(1)), one(), one()),
    setup=(SetLimit(limit=2),),
    mishaps={Mishap.CRASH: 1, Mishap.FAIL: 1, Mishap.CANCEL: 1},
)

KEYS = evolve(
    LIMIT_ONE,
    name="keys",
    about="two keys of limit 1 each under a queue of limit 2, and a job that is undone",
    first=(one("a~", "b", key="x"), one(key="x"), one(key="y"), one(key="y")),
    setup=(SetLimit(limit=2), SetLimit(limit=1, each=True)),
    mishaps={Mishap.FAIL: 1, Mishap.CRASH: 1},
    reached=(ending(Status.COMPENSATED), ending(Status.FAILED)),
)

SETTINGS = evolve(
    LIMIT_ONE,
    name="settings",
    about="a limit lowered and raised, a queue paused and resumed, while jobs run",
    first=(TWICE_JOB, one(), one()),
    setup=(SetLimit(limit=2),),
    settings=(SetLimit(limit=1), SetLimit(limit=None), Pause(), Resume()),
    mishaps={Mishap.SET: 2, Mishap.FAIL: 1, Mishap.CANCEL: 1},
)

PATIENCE = evolve(
    LIMIT_ONE,
    name="patience",
    about="jobs that grow stale in the queue, but not while it is paused",
    first=tuple(
        one(timing=evolve(TWICE_JOB.timing, stale_after=seconds(2), deadline=seconds(9)))
        for _ in range(2)
    ),
    settings=(Pause(), Resume()),
    mishaps={Mishap.SET: 2, Mishap.CRASH: 1},
    reached=(ending(Status.COMPLETED), ending(Status.FAILED)),
)

STARTS = evolve(
    LIMIT_ONE,
    name="starts",
    about="a start every second in a queue of two places, for three jobs",
    setup=(SetLimit(limit=2), SetRate(rate=Rate(count=1, per=seconds(1)))),
    mishaps={Mishap.CRASH: 1, Mishap.FAIL: 1, Mishap.CANCEL: 1},
)

LANES = (LIMIT_ONE, LIMIT_TWO, KEYS, SETTINGS, PATIENCE, STARTS)
