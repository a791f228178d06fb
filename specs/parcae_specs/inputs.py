"""Hypothesis strategies for what is submitted: specs in which a few seconds decide everything."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import strategies as st

from parcae.queues import Pause, QueueCommand, Rate, SetAging, SetLimit, SetRate
from parcae.spec import (
    Dependency,
    DependencyPolicy,
    OnLost,
    PhaseSpec,
    Retry,
    Spec,
    Timing,
    UndoSpec,
    Unique,
    Until,
)
from parcae.values import Blob, Instant, JobId, Lane, blob, seconds

KINDS = ("pack", "ship")
QUEUES = ("default", "mail")

SHORT = Timing(
    lease=seconds(10),
    renewal=seconds(3),
    attempt=seconds(25),
    cancel_grace=seconds(5),
    undo=seconds(25),
)

durations = st.integers(0, 40).map(seconds)
payloads = st.sampled_from([b"{}", b'{"n": 1}'])

retries = st.builds(
    Retry,
    max_attempts=st.sampled_from([1, 1, 2, 3]),
    backoff=st.sampled_from([seconds(0), seconds(2)]),
    jitter=st.sampled_from([0, 50]),
    give_up_on=st.sampled_from([(), ("Fatal",)]),
    max_releases=st.integers(0, 1),
)

ONCE, TWICE = (Retry(max_attempts=tries, backoff=seconds(1)) for tries in (1, 2))
UNDOS = (
    None,
    UndoSpec(retry=TWICE),
    UndoSpec(retry=ONCE),
    UndoSpec(unknown=True, retry=TWICE),
)

# Sagas lead to the rarer statuses.
phases = st.sampled_from([(0,), (1,), (1, 0), (2, 3), (3, 0, 1), (1, 1, 0)]).map(
    lambda shape: tuple(PhaseSpec(name=f"p{i}", undo=UNDOS[u]) for i, u in enumerate(shape))
)

timings = st.builds(
    Timing,
    lease=st.just(SHORT.lease),
    renewal=st.just(SHORT.renewal),
    attempt=st.just(SHORT.attempt),
    cancel_grace=st.just(SHORT.cancel_grace),
    undo=st.just(SHORT.undo),
    stale_after=st.none() | st.just(seconds(60)),
    deadline=st.none() | st.just(seconds(90)),
)

rates = st.none() | st.builds(
    Rate, count=st.just(1), per=st.sampled_from([seconds(1), seconds(9)]), burst=st.integers(1, 2)
)
settings: st.SearchStrategy[QueueCommand] = st.one_of(
    st.builds(Pause),
    st.builds(SetLimit, limit=st.sampled_from([None, 1, 2]), key=st.sampled_from([None, "a"])),
    st.builds(SetLimit, limit=st.sampled_from([None, 1]), each=st.just(True)),
    st.builds(SetRate, rate=rates, key=st.sampled_from([None, "a"])),
    st.builds(SetAging, aging=st.sampled_from([None, 1, 3])),
)
"""What may be set for a queue."""


policies = st.sampled_from(DependencyPolicy)
uniques = st.sampled_from(
    (
        Unique(),
        Unique(name="u"),
        Unique(name="u", until=Until.STARTED, replace=True),
        Unique(name="u", until=Until.EXPIRED, period=seconds(20)),
        Unique(name="v", replace=True, delay=seconds(5), at_most=seconds(12)),
        Unique(name="w", until=Until.FOREVER),
    )
)
"""Constraints, some of one name."""


@st.composite
def specs(
    draw: st.DrawFn, now: Instant, parents: tuple[JobId, ...] = (), payload: bytes = b"{}"
) -> Spec:
    """A spec that could be submitted at ``now``, perhaps waiting for some of ``parents``."""
    waits = bool(parents) and draw(st.sampled_from([False, True]))
    chosen = draw(st.lists(st.sampled_from(parents), unique=True, max_size=2)) if waits else []
    later: timedelta | None = draw(st.sampled_from([None, None, None, seconds(5), seconds(30)]))
    return Spec(
        kind=draw(st.sampled_from(KINDS)),
        phases=draw(phases),
        payload=blob("payload", payload),
        lane=Lane(draw(st.sampled_from(QUEUES)), draw(st.sampled_from(["", "a"]))),
        priority=draw(st.sampled_from([0, 0, 5])),
        run_at=None if later is None else now + later,
        retry=draw(retries),
        on_lost=draw(st.builds(OnLost, times=st.integers(0, 2))),
        timing=draw(timings),
        dependencies=tuple([Dependency(parent=one, policy=draw(policies)) for one in chosen]),
    )


def result_of(phase: str, data: bytes) -> Blob:
    """The reference under which a phase's result is kept."""
    return blob(f"result/{phase}", data)
