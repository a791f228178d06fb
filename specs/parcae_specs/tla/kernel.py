"""The kernel under the commands of the module: what each of them is, and what comes of it."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

from attrs import evolve as replace
from attrs import frozen

from parcae import answers as a
from parcae import commands as c
from parcae import handle as rules
from parcae.change import View
from parcae.errors import LeaseLost, Reason, Rejected, Superseded
from parcae.spec import OnLost, PhaseSpec, Retry, Spec, Timing, UndoSpec
from parcae.state import Job, Stored
from parcae.values import Error, Instant, JobId, Place, Token, WorkerId, blob, seconds
from parcae_specs.tla.graph import Label, Outcome
from parcae_specs.tla.models import NEVER, Model

JOB = JobId("job")
TICK = seconds(1)
START = datetime(2030, 1, 1, tzinfo=UTC)
RAISED = Error(type="Flaky")
HOPELESS = Error(type="Fatal", permanent=True)
BARE = ("claim", "cancel", "force", "reconcile", "tick")
HELD = ("renew", "fail", "give up", "release", "confirm")
PHASED = ("start", "complete", "undo", "undone", "undo failed")
AGES = (1, 2)


@frozen
class World:
    """The job, and the present instant."""

    stored: Stored
    now: Instant


def spec(model: Model) -> Spec:
    """The job of this configuration."""
    again = Retry(
        max_attempts=model.attempts,
        backoff=model.backoff * TICK,
        factor=1,
        jitter=0,
        max_releases=model.releases,
    )
    undo = replace(again, max_attempts=model.undo_tries, backoff=model.undo_backoff * TICK)
    return Spec(
        kind="job",
        phases=tuple(
            PhaseSpec(
                name=_name(index),
                undo=None if one == "none" else UndoSpec(unknown=one == "unknown", retry=undo),
            )
            for index, one in enumerate(model.undo, 1)
        ),
        payload=blob("payload", b"null"),
        retry=again,
        on_lost=OnLost(action=model.on_lost, times=model.losses),
        timing=Timing(
            lease=model.lease * TICK,
            renewal=TICK / 10,
            attempt=model.attempt * TICK,
            cancel_grace=model.grace * TICK,
            undo=model.undo_timeout * TICK,
            stale_after=None if model.stale == NEVER else model.stale * TICK,
            deadline=None if model.deadline == NEVER else model.deadline * TICK,
        ),
    )


def _name(phase: int) -> str:
    return f"p{phase}"


def first(model: Model) -> World:
    """The job, just admitted."""
    view = View(now=START, place=Place(1), seed=0)
    change = rules.handle(view, JOB, c.Submit(spec=spec(model)))
    assert change.job is not None
    return World(Stored(job=change.job), START)


def labels(model: Model, world: World) -> tuple[Label, ...]:
    """What is put to ``world``: each command of the model, with each token that is remembered."""
    return _labels(model.offered, len(model.undo), min(world.stored.job.token, len(AGES)))


@cache
def _labels(offered: tuple[str, ...], phases: int, tokens: int) -> tuple[Label, ...]:
    bare = [Label(name, 0, 0) for name in BARE]
    again = [Label("reclaim", 1, 0)] if tokens else []
    held = [Label(name, age, 0) for age in AGES[:tokens] for name in HELD]
    phased = [
        Label(name, age, phase)
        for age in AGES[:tokens]
        for name in PHASED
        for phase in range(1, phases + 1)
    ]
    return tuple(one for one in (*bare, *again, *held, *phased) if one.name in offered)


def step(world: World, label: Label) -> tuple[Outcome, World]:
    """What the kernel makes of the command."""
    if label.name == "tick":
        return Outcome("ok"), World(world.stored, world.now + TICK)
    view = View(now=world.now, place=Place(1), seed=0, jobs={JOB: world.stored})
    try:
        change = rules.handle(view, JOB, command(world.stored.job, label))
    except (Rejected, Superseded) as refusal:
        lost = refusal.reason is Reason.STALE_TOKEN
        return Outcome("lease lost" if lost else "refused"), world
    assert change.job is not None
    events = tuple(type(event).__name__ for event in change.events)
    outcome = Outcome(_told(label, change.answer), events)
    if change.job is world.stored.job and change.liveness == world.stored.liveness:
        return outcome, world
    return outcome, World(Stored(job=change.job, liveness=change.liveness), world.now)


def _told(label: Label, answer: a.Answer) -> str:
    if isinstance(answer, LeaseLost):
        return "lease lost"
    if isinstance(answer, a.CancelAnswer):
        return str(answer.outcome)
    if isinstance(answer, a.Accepted) and label.name not in ("start", "undo"):
        return str(answer.status)
    return "ok"


def command(job: Job, label: Label) -> c.Command:
    """The kernel's command for ``label``."""
    token, phase = Token(job.token - label.age + 1), _name(label.phase)
    match label.name:
        case "claim":
            return _claim(job.token + 1)
        case "reclaim":
            lease = job.lease
            if lease is None:
                return _claim(job.token)
            return c.Claim(worker=lease.worker, request=lease.request)
        case "cancel" | "force":
            return c.Cancel(force=label.name == "force")
        case "reconcile":
            return c.Reconcile()
        case "renew":
            return c.Renew(token=token)
        case "fail" | "give up":
            return c.Fail(token=token, error=RAISED if label.name == "fail" else HOPELESS)
        case "release":
            return c.Release(token=token)
        case "confirm":
            return c.ConfirmCancel(token=token)
        case _:
            return _phased(label.name, token, phase)


def _claim(number: int) -> c.Claim:
    # By turns, so that whoever has the token before the last is the other worker.
    return c.Claim(worker=WorkerId(f"w{number % 2}"), request=f"r{number}")


def _phased(name: str, token: Token, phase: str) -> c.Command:
    match name:
        case "start":
            return c.StartPhase(token=token, phase=phase)
        case "complete":
            return c.CompletePhase(token=token, phase=phase)
        case "undo":
            return c.StartUndo(token=token, phase=phase)
        case "undone":
            return c.CompleteUndo(token=token, phase=phase)
        case "undo failed":
            return c.FailUndo(token=token, phase=phase, error=RAISED)
        case _:
            raise ValueError(f"expected a command of the module, got {name!r}")
