"""What a worker believes, and what it may do next: it obeys the protocol, and may lag behind.

A pause needs no action of its own: any worker may be passed over for any time, and then go on
with what it believed. Handlers succeed, raise, hang (the worker only renews) or die.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

from attrs import evolve as replace
from attrs import frozen

from parcae import commands as c
from parcae.answers import Accepted, Renewed
from parcae.commands import Command
from parcae.errors import Reason
from parcae.spec import Spec
from parcae.state import PhaseStatus
from parcae.values import Error, Status, Token, WorkerId, blob
from parcae_specs.explorer.cell import Cell
from parcae_specs.explorer.model import Fault
from parcae_specs.explorer.step import Step

RAISED = Error(type="builtins.ValueError", message="no")
GAVE_UP = Error(type="parcae.GiveUp", message="no", permanent=True)


class Stage(IntEnum):
    """Where a worker is with one phase or undo."""

    READY = 0
    IN_WORK = 1
    STOPPING = 2


@frozen
class Held:
    """A worker that believes it holds a job.

    Attributes:
        slot: which job.
        token: under which token.
        undo: it undoes.
        index: the phase it is at.
        stage: how far it is with it.
        told: it knows that a cancel was requested.
    """

    slot: int
    token: int
    undo: bool
    index: int
    stage: Stage = Stage.READY
    told: bool = False


@frozen
class Unsure:
    """A worker that waits for an answer.

    Attributes:
        before: what it believed when it asked.
        slot: which job it asked about; -1: whichever is first in line.
        command: what it asked.
        heard: what it will believe if the answer still comes; ``None``: none is under way.
    """

    before: Held | None
    slot: int
    command: Command
    heard: Held | str | None = None


Belief = Held | Unsure | None
"""``None`` is a worker without work."""

DROPPED = "dropped"
"""What :attr:`Unsure.heard` says where the answer makes the worker let go."""


def claim(request: str) -> c.Claim:
    """A claim. Workers have no names here: only the request tells two claims apart."""
    return c.Claim(worker=WorkerId("worker"), request=request)


def asks(spec: Spec, held: Held) -> Iterator[tuple[str, Command, Fault | None]]:
    """What a worker that believes this may say next: a word for it, and what that costs."""
    token, name = Token(held.token), spec.phases[held.index].name
    yield "renews", c.Renew(token=token), Fault.RENEW
    if held.stage is Stage.STOPPING or (held.told and not held.undo):
        yield "confirms the cancel", c.ConfirmCancel(token=token), None
    if held.stage is Stage.STOPPING:
        return
    yield "shuts down", c.Release(token=token), Fault.RELEASE
    work = _undoes if held.undo else _works
    yield from work(token, name, held)


def _works(token: Token, name: str, held: Held) -> Iterator[tuple[str, Command, Fault | None]]:
    if held.stage is Stage.READY:
        yield f"begins {name}", c.StartPhase(token=token, phase=name), None
        return
    result = blob(f"result/{name}", b"1")
    yield f"has done {name}", c.CompletePhase(token=token, phase=name, result=result), None
    yield f"fails in {name}", c.Fail(token=token, error=RAISED), Fault.FAIL
    yield f"gives up in {name}", c.Fail(token=token, error=GAVE_UP), Fault.GIVE_UP


def _undoes(token: Token, name: str, held: Held) -> Iterator[tuple[str, Command, Fault | None]]:
    if held.stage is Stage.READY:
        yield f"begins to undo {name}", c.StartUndo(token=token, phase=name), None
        return
    yield f"has undone {name}", c.CompleteUndo(token=token, phase=name), None
    failed = c.FailUndo(token=token, phase=name, error=RAISED)
    yield f"fails to undo {name}", failed, Fault.FAIL


def granted(slot: int, cell: Cell) -> Held | None:
    """What a worker believes that was given this job."""
    assert cell.stored is not None
    job = cell.stored.job
    assert job.lease is not None
    token = int(job.lease.token)
    if job.status is Status.COMPENSATING:
        return _undo_next(Held(slot, token, undo=True, index=0), cell)
    todo = [i for i, one in enumerate(job.phases) if one.status is not PhaseStatus.COMPLETED]
    return Held(slot, token, undo=False, index=todo[0]) if todo else None


def _undo_next(held: Held, cell: Cell) -> Held | None:
    """The next undo in the order that the worker was given."""
    if cell.stored is None or cell.stored.job.status is not Status.COMPENSATING:
        return None
    job = cell.stored.job
    index = job.index(job.state.next.phase)  # type: ignore[union-attr]
    assert index is not None
    return replace(held, index=index, stage=Stage.READY)


def after(held: Held, command: Command, step: Step) -> Held | None:
    """What a worker believes once it has heard the answer."""
    if step.refusal is not None:
        return _after_refusal(held, command, step.refusal)
    answer = step.answer
    if isinstance(answer, Renewed):
        return replace(held, told=held.told or answer.cancel_requested)
    if not isinstance(answer, Accepted):
        return None
    if isinstance(command, c.StartPhase | c.StartUndo):
        return replace(held, stage=Stage.IN_WORK)
    if isinstance(command, c.CompletePhase) and answer.status is Status.RUNNING:
        last = held.index + 1 >= len(step.cell.stored.job.phases) if step.cell.stored else True
        return None if last else replace(held, index=held.index + 1, stage=Stage.READY)
    if isinstance(command, c.CompleteUndo) and answer.status is Status.COMPENSATING:
        return _undo_next(held, step.cell)
    return None


def _after_refusal(held: Held, command: Command, refusal: Reason) -> Held | None:
    if isinstance(command, c.StartPhase) and refusal is Reason.CANCEL_REQUESTED:
        return replace(held, stage=Stage.STOPPING, told=True)
    if isinstance(command, c.Renew) and refusal is Reason.WOULD_SHORTEN:
        return held
    return None
