"""The sagas of an application, explored: their handlers may succeed, raise, hang or die.

What is large in them is cut to what can be walked in seconds, and every cut is told: a policy of
ten tries behaves, for every property here, like one of three.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from attrs import evolve, frozen

from parcae.commands import Submit
from parcae.definitions import Jobs, Saga
from parcae.spec import PhaseSpec, Retry, Spec, Timing
from parcae.state import Job
from parcae.values import Blob, Lane, Status
from parcae_specs.explorer.cell import Cell
from parcae_specs.explorer.liveness import Graph, Lasso
from parcae_specs.explorer.model import EVERY_JOB_ENDS, Always, Fault, Model
from parcae_specs.explorer.search import Found, explore

Property = Callable[[Job], bool]
"""A property of the user's own: whether a job may be as it is."""

MOST_ATTEMPTS, MOST_TRIES, MOST_RELEASES = 2, 2, 1
STATES = 400_000

TROUBLES: Mapping[str, Mapping[Fault, int | None]] = {
    "workers die, handlers hang": {Fault.CRASH: 1, Fault.FAIL: None, Fault.RENEW: 1},
    "somebody cancels": {Fault.CANCEL: 1, Fault.CRASH: 1, Fault.FAIL: None},
    "somebody cancels by force": {Fault.FORCE: 1, Fault.FAIL: None},
    "workers shut down": {Fault.RELEASE: 1, Fault.FAIL: 1},
}
"""What is explored, one after the other: handlers may raise in each, as often as they like."""


@frozen(kw_only=True)
class Verdict:
    """What was found about one definition.

    Attributes:
        kind: its name.
        found: the explorations, one for each kind of trouble: nothing is left undone in silence.
        endless: in which of them a job may never end, with the loop.
        ends: how a job can end.
        cut: what was made smaller, in words.
    """

    kind: str
    found: tuple[Found, ...]
    endless: Mapping[str, Lasso]
    ends: frozenset[Status]
    cut: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Everything was walked, and nothing is wrong."""
        return all(one.clean for one in self.found) and not self.endless

    @property
    def worlds(self) -> int:
        """How many there are."""
        return sum(one.states for one in self.found)


def examine(
    jobs: Jobs,
    kinds: Iterable[str] = (),
    properties: Mapping[str, Property] | None = None,
    never: Iterable[Status] = (),
    limit: int = STATES,
) -> Iterator[Verdict]:
    """Explore the definitions of an application.

    Args:
        jobs: the definitions.
        kinds: of these only; all by default.
        properties: the user's own, by name: each has to hold of every job in every state.
        never: statuses in which no job may end.
        limit: of worlds, for each kind of trouble.

    Raises:
        LookupError: there is no such definition.
    """
    always = tuple(_property(name, one) for name, one in (properties or {}).items())
    always += tuple(_never(status) for status in never)
    for kind in sorted(kinds) or sorted(jobs.kinds):
        yield verdict(jobs[kind], always, limit)


def verdict(saga: Saga[...], always: tuple[Always, ...] = (), limit: int = STATES) -> Verdict:
    """Explore one definition: every world for what may never be, and for loops without end."""
    spec, cut = small(spec_of(saga))
    found: list[Found] = []
    endless: dict[str, Lasso] = {}
    for trouble in TROUBLES:
        model = model_of(spec, trouble, always)
        found.append(explore(model, limit))
        lasso = Graph(model).lasso(EVERY_JOB_ENDS) if found[-1].clean else None
        if lasso is not None:
            endless[trouble] = lasso
    cells = (cell for one in found for cell in one.space.tables.cells.values)
    statuses = {cell.status for cell in cells}
    return Verdict(
        kind=saga.name,
        found=tuple(found),
        endless=endless,
        ends=frozenset(status for status in Status if status.is_terminal and status in statuses),
        cut=cut,
    )


def spec_of(saga: Saga[...]) -> Spec:
    """What any job of the definition is admitted with; its arguments do not matter here."""
    options = saga.options
    return Spec(
        kind=saga.name,
        definition=options.version,
        phases=tuple(phase.spec() for phase in saga.phases.values()),
        payload=Blob("payload", 0, ""),
        lane=Lane(queue=options.queue),
        priority=options.priority,
        retry=options.retry,
        on_lost=options.on_lost,
        timing=options.timing,
    )


def model_of(spec: Spec, trouble: str, always: tuple[Always, ...] = ()) -> Model:
    """One job of the definition, a worker that may die, and one kind of trouble.

    That two workers do not get into each other's way is not the definition's to prove: the
    slices of the kernel do, whatever the definition.
    """
    return Model(
        name=f"{spec.kind}, {trouble}",
        about=f"one job of {len(spec.phases)} phases: {', '.join(p.name for p in spec.phases)}",
        jobs=(Submit(spec=spec),),
        workers=1,
        faults=TROUBLES[trouble],
        always=always,
        left_out="a second worker, lost calls, a second crash, several troubles at once",
    )


def small(spec: Spec) -> tuple[Spec, tuple[str, ...]]:
    """The definition with its large numbers cut, and what was cut."""
    cut: list[str] = []
    retry = _cut(spec.retry, MOST_ATTEMPTS, "attempts", cut)
    phases = tuple(_cut_phase(phase, cut) for phase in spec.phases)
    timing = _coarse(spec.timing, cut)
    return evolve(spec, retry=retry, phases=phases, timing=timing), tuple(cut)


def _cut(retry: Retry, most: int, what: str, cut: list[str]) -> Retry:
    if retry.max_attempts > most:
        cut.append(f"{what}: {most} instead of {retry.max_attempts}")
    attempts, releases = min(retry.max_attempts, most), min(retry.max_releases, MOST_RELEASES)
    return evolve(retry, max_attempts=attempts, max_releases=releases)


def _cut_phase(phase: PhaseSpec, cut: list[str]) -> PhaseSpec:
    if phase.undo is None:
        return phase
    retry = _cut(phase.undo.retry, MOST_TRIES, f"tries to undo {phase.name}", cut)
    return evolve(phase, undo=evolve(phase.undo, retry=retry))


def _coarse(timing: Timing, cut: list[str]) -> Timing:
    """Leases long enough that a handler which hangs is timed out after a renewal or two."""
    lease = max(timing.lease, min(timing.attempt, timing.undo) / 2)
    if lease == timing.lease:
        return timing
    cut.append(f"a lease lasts {lease} instead of {timing.lease}")
    return evolve(timing, lease=lease, renewal=lease / 2)


def _property(name: str, wanted: Property) -> Always:
    def holds(cell: Cell) -> bool:
        return cell.stored is None or bool(wanted(cell.stored.job))

    return Always(name=name, holds=holds)


def _never(status: Status) -> Always:
    return Always(name=f"no job ends {status}", holds=lambda cell: cell.status is not status)
