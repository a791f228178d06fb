"""The configurations that are compared: durations in whole ticks, small enough to be walked whole.

Several small ones rather than a product: each has what one part of the rules needs, and no more.
"""

from __future__ import annotations

from attrs import frozen

NEVER = 99
"""No such instant, as the module writes it."""

FORWARD = ("claim", "start", "complete", "reconcile", "tick")
KEEPING = ("reclaim", "renew")
FAILING = ("fail", "give up", "release")
UNDOING = ("undo", "undone", "undo failed")
STOPPING = ("cancel", "force", "confirm")
EVERY = (*FORWARD, *KEEPING, *FAILING, *UNDOING, *STOPPING)


@frozen(kw_only=True)
class Model:
    """One configuration: the constants of the module, by their names there.

    Attributes:
        name: what it is called.
        undo: one for each phase: ``none``, ``plain``, or ``unknown``.
        offered: the names of the commands that are put to each state.
        late: the reconciler looks at least this often.
        deep: it takes minutes.
    """

    name: str
    undo: tuple[str, ...]
    offered: tuple[str, ...]
    attempts: int = 2
    backoff: int = 1
    lease: int = 2
    attempt: int = 3
    grace: int = 1
    deadline: int = NEVER
    stale: int = NEVER
    releases: int = 1
    on_lost: str = "retry"
    losses: int = 1
    undo_tries: int = 2
    undo_backoff: int = 1
    undo_timeout: int = 2
    late: int = 1
    deep: bool = False


SMALL = (
    Model(
        name="attempts",
        undo=("none", "none"),
        offered=(*FORWARD, *KEEPING, *FAILING, "cancel"),
        attempts=3,
        lease=1,
        attempt=2,
    ),
    Model(
        name="lateness",
        undo=("unknown",),
        offered=(*FORWARD, "renew", "cancel"),
        deadline=6,
        stale=2,
        late=3,
    ),
    Model(
        name="undoing",
        undo=("plain", "unknown"),
        offered=(*FORWARD, *UNDOING, "fail", "release", "reclaim"),
        attempts=1,
        lease=1,
        attempt=2,
        on_lost="fail",
    ),
    Model(
        name="stopping",
        undo=("unknown", "plain"),
        offered=(*FORWARD, *STOPPING, "undo", "undone"),
        attempt=1,
        on_lost="quarantine",
        undo_timeout=1,
    ),
)

DEEP = (
    Model(
        name="everything",
        undo=("plain", "unknown"),
        offered=EVERY,
        releases=0,
        undo_tries=1,
        deep=True,
    ),
    Model(
        name="three phases",
        undo=("plain", "none", "unknown"),
        offered=(*FORWARD, *UNDOING, *STOPPING, "fail"),
        deep=True,
    ),
    Model(
        name="long waits",
        undo=("unknown",),
        offered=(*FORWARD, *KEEPING, *FAILING, *STOPPING, "undo", "undone"),
        backoff=2,
        lease=2,
        attempt=4,
        grace=2,
        deadline=9,
        stale=2,
        late=3,
        deep=True,
    ),
)
