"""The slices with fewer faults: walked to their ends in a minute, by every check."""

from __future__ import annotations

from attrs import evolve

from parcae import events as e
from parcae.commands import ReportKind
from parcae.values import Cause, Status
from parcae_specs.explorer.model import Fault
from parcae_specs.explorer.slices.clocks import CLOCKS
from parcae_specs.explorer.slices.dependency import DEPENDENCY
from parcae_specs.explorer.slices.lane import LANE
from parcae_specs.explorer.slices.lifecycle import LIFECYCLE
from parcae_specs.explorer.slices.parts import ends, happens, job
from parcae_specs.explorer.slices.retry import RETRY
from parcae_specs.explorer.slices.saga import SAGA

WIRE = evolve(
    LIFECYCLE,
    name="wire",
    about="one job of one phase, two workers, and a network that loses, delays and doubles calls",
    jobs=(job("a"),),
    faults={
        Fault.CRASH: 1,
        Fault.LOST: 1,
        Fault.LATE: 2,
        Fault.TWICE: 1,
        Fault.RENEW: 1,
        Fault.CANCEL: 1,
    },
    sometimes=(
        ends(Status.COMPLETED),
        ends(Status.CANCELLED, Cause.CANCELLED),
        happens(e.LateResultRecorded),
    ),
    left_out="handlers that raise, undos, deadlines, more than one crash",
)

PHASES = evolve(
    LIFECYCLE,
    faults={Fault.CRASH: 1, Fault.LATE: 1, Fault.RENEW: 1, Fault.CANCEL: 1, Fault.RELEASE: 1},
    sometimes=(
        ends(Status.COMPLETED),
        ends(Status.CANCELLED, Cause.CANCELLED),
        happens(e.Completed, overtook=True),
        happens(e.LateResultRecorded),
        happens(e.Released, voluntary=False),
    ),
)

UNDOS = evolve(
    SAGA,
    workers=1,
    faults={Fault.CRASH: 1, Fault.FAIL: 2, Fault.CANCEL: 1, Fault.FORCE: 1},
    sometimes=(
        ends(Status.COMPENSATED, Cause.CANCELLED),
        ends(Status.COMPENSATED, Cause.FORCED_CANCEL),
        ends(Status.QUARANTINED, Cause.OUTCOME_UNKNOWN),
        happens(e.CompensationBegan, overlap=True),
        happens(e.CompensationLost),
        happens(e.CompensationReleased, voluntary=False),
        happens(e.UndoRetryScheduled),
    ),
)

RETRIES = evolve(
    RETRY,
    jobs=RETRY.jobs[:2],
    faults={Fault.CRASH: 1, Fault.FAIL: 1, Fault.RETRY: 1},
    sometimes=(
        ends(Status.COMPLETED),
        ends(Status.COMPENSATED),
        ends(Status.QUARANTINED),
        happens(e.Submitted, carried=bool),
    ),
)

SKEW = evolve(
    CLOCKS,
    faults={Fault.CRASH: 1, Fault.RENEW: 1, Fault.CANCEL: 1, Fault.BACK: 1},
    sometimes=(ends(Status.COMPLETED), ends(Status.CANCELLED), ends(Status.COMPENSATED)),
)

LINE = evolve(LANE, faults={Fault.CRASH: 1, Fault.FAIL: 1, Fault.CANCEL: 1})

SETTLED = evolve(
    DEPENDENCY,
    faults={Fault.SETTLE: 4, Fault.CANCEL: 1, Fault.CRASH: 1, Fault.RENEW: 1},
)

ABANDONED = evolve(
    LIFECYCLE,
    name="abandoned",
    about="one job whose host runs it on a queue of its own, and gives it up, early or late",
    jobs=(job("a?"),),
    workers=1,
    symmetric=False,
    faults={Fault.CRASH: 1, Fault.LATE: 1, Fault.FAIL: 1, Fault.ABANDON: 2},
    sometimes=(
        ends(Status.COMPLETED),
        ends(Status.FAILED, Cause.REPORTED),
        ends(Status.COMPENSATED, Cause.REPORTED),
        happens(e.LateResultRecorded, kind=ReportKind.ABANDONED),
    ),
    left_out="lost and doubled calls, shutdowns, cancels, more than one worker",
)

QUICK = (WIRE, PHASES, UNDOS, RETRIES, SKEW, SETTLED, LINE, ABANDONED)

_ALONE = evolve(
    PHASES,
    name="alone",
    about="one job of two phases and one worker that may die, fail, hang or shut down",
    workers=1,
    symmetric=False,
    faults={
        Fault.CRASH: 1,
        Fault.LOST: 1,
        Fault.FAIL: None,
        Fault.RELEASE: None,
        Fault.RENEW: None,
        Fault.CANCEL: 1,
    },
    sometimes=(),
)
_SAGA = evolve(
    SAGA,
    name="saga alone",
    workers=1,
    symmetric=False,
    faults={Fault.CRASH: 1, Fault.FAIL: None, Fault.CANCEL: 1},
    sometimes=(),
)
_PAIR = evolve(
    WIRE,
    name="pair",
    about="one job of one phase and two workers",
    symmetric=False,
    faults={Fault.CRASH: 1, Fault.LOST: 1, Fault.FAIL: None, Fault.RENEW: None, Fault.CANCEL: 1},
    sometimes=(),
)
_LINE = evolve(LINE, name="line", workers=1, symmetric=False, sometimes=())

QUIET = (_ALONE, _SAGA, _PAIR, _LINE)
