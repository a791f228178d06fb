"""Every use case as one call that can be made again, and what the second answer has to be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from attrs import field, fields, frozen

from parcae import answers as a
from parcae import commands as c
from parcae.definitions import Request
from parcae.engine import Engine
from parcae.errors import Reason, Rejected, Superseded
from parcae.handle import Held
from parcae.host_engine import HostEngine
from parcae.spec import RetryMode, Spec
from parcae.state import Stored
from parcae.values import Blob, JobId, WorkerId
from parcae_specs.crash.model import commands
from parcae_specs.story import abandon, quarantine

PAYLOAD = b"{}"
RESULT = b"1"
KEY = "its key"


class Again(StrEnum):
    """What a repeated call comes to, where the first one was taken."""

    SAME = "the same answer, no new event"
    JOB = "the same job, said to be known, no new event"
    TRUTH = "the same status and cause, no new event"
    NOTHING = "nothing was left to do, no new event"
    GONE = "there is no such job any more"
    SETTLED = "the same answer, or that the job waits no more; no new event"
    ENDED = "that the job has ended, no new event"
    ANOTHER = "one more note: it has no key"


_WORKERS: Mapping[type, str] = {
    c.StartPhase: "start_phase",
    c.CompletePhase: "complete_phase",
    c.Release: "release",
    c.ConfirmCancel: "confirm_cancel",
    c.StartUndo: "start_undo",
    c.CompleteUndo: "complete_undo",
    c.FailUndo: "fail_undo",
}
"""What a worker says, and the engine's method for it, whose arguments are in the same order."""

Ask = Callable[[Engine, Sequence[JobId]], Awaitable[object]]


@frozen
class Call:
    """One call of a use case.

    Attributes:
        name: for a person.
        ask: makes it, of the jobs of a scene.
        again: what its repeat comes to.
        lasting: the first answer is given for ever, whatever happens to the job meanwhile.
    """

    name: str
    ask: Ask = field(repr=False)
    again: Again = Again.SAME
    lasting: bool = False


def said(answer: object) -> object:
    """An answer, or a refusal, as a value that equals another one like it."""
    if isinstance(answer, Rejected | Superseded):
        return type(answer), answer.reason
    if isinstance(answer, tuple):
        return tuple(said(one) for one in answer)
    return answer


def fits(call: Call, first: object, second: object) -> bool:
    """Whether ``second`` is what a repeat may answer when ``first`` was the answer."""
    refused = isinstance(first, Rejected | Superseded)
    if refused or call.again in (Again.SAME, Again.ANOTHER):
        return said(first) == said(second)
    match call.again:
        case Again.JOB:
            assert isinstance(first, a.Admitted)
            return isinstance(second, a.Admitted) and second.job_id == first.job_id
        case Again.TRUTH:
            assert isinstance(first, a.CancelAnswer)
            truth = (first.status, first.cause)
            return isinstance(second, a.CancelAnswer) and (second.status, second.cause) == truth
        case Again.NOTHING:
            return second == ()
        case Again.ENDED:
            return said(second) == (Rejected, Reason.UNLAWFUL)
        case Again.GONE:
            return said(second) == (Rejected, Reason.NOT_FOUND)
        case _:
            return said(second) in (said(first), (Rejected, Reason.UNLAWFUL))


def calls(stored: Stored) -> Iterator[Call]:
    """Everything that may be asked in this state. Batches concern two jobs that are in it alike."""
    for command in commands(stored):
        yield _of(command)
    yield Call("annotate", _engine(c.Annotate(note="seen")), Again.ANOTHER)
    yield Call("quarantine", _engine(quarantine("ops", "it has changed")), Again.ENDED)
    for token in range(max(0, stored.job.token - 1), stored.job.token + 1):
        held = stored.job.lease is not None
        yield Call("abandon", _engine(abandon(token)), Again.SAME, lasting=held)
    yield Call("delete", _engine(c.Delete()), Again.GONE)
    yield Call("submit", _submit(stored.job.spec, "another key"), Again.JOB)
    yield Call("submit again", _submit(stored.job.spec, KEY), Again.JOB)
    yield Call("claim both", _claim("bob", "new", 2))
    yield Call("claim by name", _claim_named("bob", "its turn"))
    for mode in RetryMode:
        yield Call(f"retry {mode}", _retry(mode), Again.JOB)


def _of(command: c.Command) -> Call:
    name = type(command).__name__
    match command:
        case c.Reconcile():
            return Call("reconcile", lambda engine, _: engine.reconcile(), Again.NOTHING)
        case c.Claim():
            return Call("claim", _claim(command.worker, command.request, 1))
        case c.Cancel():
            return Call(
                "cancel by force" if command.force else "cancel", _engine(command), Again.TRUTH
            )
        case c.SettleDependency():
            return Call(name, _engine(command), Again.SETTLED)
        case c.Renew():
            return Call("renew both", _renew(command))
        case c.StartPhase() | c.StartUndo():
            return Call(f"{name} {command.phase}", _engine(command))
        case _:
            return Call(name, _engine(command), lasting=True)


def _claim(worker: Any, request: str, limit: int) -> Ask:
    kinds = frozenset({"demo"})
    return lambda engine, _: engine.claim(worker, kinds, request=request, limit=limit)


def _claim_named(worker: str, request: str) -> Ask:
    async def ask(engine: Engine, jobs: Sequence[JobId]) -> object:
        host = HostEngine(engine.store)
        return await host.claim_named(jobs[0], WorkerId(worker), request=request)

    return ask


def _renew(command: c.Renew) -> Ask:
    return lambda engine, jobs: engine.renew([Held(job_id=one, command=command) for one in jobs])


def _submit(spec: Spec, key: str) -> Ask:
    async def ask(engine: Engine, _: Sequence[JobId]) -> object:
        request: Request[None] = Request(spec=spec, payload=PAYLOAD)
        handle = await engine.submit(
            request,
            idempotency_key=key,
            deadline=spec.deadline,
            run_at=spec.run_at,
        )
        return handle.admitted

    return ask


def _retry(mode: RetryMode) -> Ask:
    async def ask(engine: Engine, jobs: Sequence[JobId]) -> object:
        return (await engine.retry(jobs[0], mode, idempotency_key=f"retry {mode}")).admitted

    return ask


def _engine(command: c.Command) -> Ask:
    """The engine's own method for ``command``, of the first job."""

    async def ask(engine: Engine, jobs: Sequence[JobId]) -> object:
        return await _method(engine, jobs[0], command)

    return ask


def _method(engine: Engine, job: JobId, command: c.Command) -> Awaitable[object]:
    if type(command) in _WORKERS:
        told = [getattr(command, one.name) for one in fields(type(command))]
        if isinstance(command, c.CompletePhase):
            told[-1] = _with(command.result)
        method: Callable[..., Awaitable[object]] = getattr(engine, _WORKERS[type(command)])
        return method(job, *told)
    match command:
        case c.Fail():
            return HostEngine(engine.store).fail_external(
                job, command.token, command.error, final=command.final, retry_at=command.retry_at
            )
        case c.Abandon():
            return HostEngine(engine.store).abandon(job, command.token, command.error)
        case c.Cancel():
            return engine.cancel(job, by=command.by, reason=command.reason, force=command.force)
        case c.Annotate():
            return engine.annotate(job, command.note, by=command.by)
        case c.Delete():
            return engine.delete(job, command.retention)
        case _:
            return engine.command(job, command)


def _with(result: Blob | None) -> tuple[Blob, bytes] | None:
    return None if result is None else (result, RESULT)
