"""The kernel's value in the words of the module: relative instants, tokens by age.

What is left out here is not compared: names, places in line, results, errors, what triggered a
quarantine, whether an undo was ever cut off, and everything about tokens older than the last two.
"""

from __future__ import annotations

from parcae.commands import ReportKind
from parcae.state import Compensating, Ended, Job, PhaseStatus, Running, Scheduled, UndoStatus
from parcae.values import Instant, Status, Token
from parcae_specs.tla.graph import State
from parcae_specs.tla.kernel import AGES, TICK, World
from parcae_specs.tla.models import NEVER

Said = tuple[str, int, str]
SAID = {
    ReportKind.PHASE_COMPLETED: "complete",
    ReportKind.FAILED: "fail",
    ReportKind.RELEASED: "release",
    ReportKind.CANCEL_CONFIRMED: "confirm",
    ReportKind.UNDO_COMPLETED: "undone",
    ReportKind.UNDO_FAILED: "undo failed",
}
NONE = ("none", 0, 0)


def project(world: World) -> State:
    """The fields of the module's state, in the order of its ``Flat``."""
    job, state = world.stored.job, world.stored.job.state
    forward = isinstance(state, Scheduled | Running)
    undos = _undos(job)
    return (
        str(job.status),
        tuple(str(phase.status) for phase in job.phases),
        tuple(forward and phase.maybe for phase in job.phases),
        job.attempts,
        min(job.releases, job.spec.retry.max_releases) if forward else 0,
        job.losses if forward else 0,
        *_clocks(world, forward),
        _asked(job),
        max(0, _until(world, job.fence or world.now)),
        isinstance(state, Compensating | Ended) and state.overlap,
        *(tuple(one[field] for one in undos) for field in range(3)),
        str(state.cause or "") if isinstance(state, Compensating | Ended) else "",
        isinstance(state, Compensating | Ended) and state.reconciled,
        min(job.token, len(AGES)),
        tuple(_said(job, job.token - age + 1) for age in AGES),
        tuple(job.token - age + 1 in job.late for age in AGES),
    )


def _until(world: World, instant: Instant | None) -> int:
    return NEVER if instant is None else (instant - world.now) // TICK


def _clocks(world: World, forward: bool) -> tuple[int, int, int, bool, int, int, int]:
    job, timing = world.stored.job, world.stored.job.spec.timing
    state, lease, live = job.state, job.lease, world.stored.liveness
    ready = state.ready_at if isinstance(state, Scheduled | Compensating) and not lease else None
    stale = timing.stale_after if isinstance(state, Scheduled) else None
    hard = timing.attempt if forward else timing.undo
    asked = state.cancel if isinstance(state, Running) else None
    return (
        max(0, _until(world, ready or world.now)),
        _until(world, state.since + stale if isinstance(state, Scheduled) and stale else None),
        _until(world, job.deadline if forward else None),
        lease is not None,
        _until(world, live.expires_at if live else None),
        _until(world, lease.since + hard if lease else None),
        _until(world, asked.at + timing.cancel_grace if asked else None),
    )


def _asked(job: Job) -> str:
    state = job.state
    request = state.cancel if isinstance(state, Running | Compensating) else None
    return "" if request is None else "forced" if request.force else "asked"


def _undos(job: Job) -> tuple[tuple[str, int, int], ...]:
    """Of each phase: where its undo stands, its burned tries, and how often it was given back."""
    found = {one.name: NONE for one in job.spec.phases}
    for undo in job.undos:
        live = isinstance(job.state, Compensating) and undo.status is not UndoStatus.DONE
        spec = job.phase_spec(undo.phase)
        assert spec is not None
        assert spec.undo is not None
        handed = min(undo.releases, spec.undo.retry.max_releases)
        found[undo.phase] = (str(undo.status), undo.tries * live, handed * live)
    return tuple(found.values())


def _said(job: Job, token: int) -> tuple[Said, ...]:
    """The results that the kernel remembers of ``token``, in order, each with its answer."""
    completed, done = PhaseStatus.COMPLETED, UndoStatus.DONE
    said: list[Said] = [
        ("complete", number, str(Status.RUNNING))
        for number, phase in enumerate(job.phases, 1)
        if phase.token == token and phase.status is completed
    ]
    said += [
        ("undone", _number(job, undo.phase), str(Status.COMPENSATING))
        for undo in job.undos
        if undo.token == token and undo.status is done
    ]
    receipt = job.receipt(Token(token))
    if receipt is None:
        return tuple(said)
    name, number = SAID[receipt.report.kind], _number(job, receipt.report.phase)
    before = (one for one in said if one[:2] != (name, number))
    return (*before, (name, number, str(receipt.status)))


def _number(job: Job, phase: str | None) -> int:
    index = None if phase is None else job.index(phase)
    return 0 if index is None else 1 + index
