"""What workers elsewhere report. Every report may be repeated: it gets its first answer (S25)."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from parcae.answers import Accepted
from parcae.answers import Renewed as RenewedAnswer
from parcae.commands import Progress, Renew
from parcae.context import result_name
from parcae.engine import Engine
from parcae.errors import ParcaeError
from parcae.handle import Held
from parcae.handlers import result_blob
from parcae.values import Blob, Error, JobId, Token, blob
from parcae_adapters.http import reported as w
from parcae_adapters.http.holding import known, told
from parcae_adapters.http.problems import (
    BAD_INPUT,
    CONFLICT,
    LEASE_LOST,
    NOT_FOUND,
    REJECTED,
    TOO_LARGE,
    Problem,
    of_error,
)
from parcae_adapters.http.route import Call, Reply, Route, Scope


async def renew(call: Call) -> Reply:
    """Keep one lease."""
    body: w.Renewal = call.body
    job_id = JobId(call.path["job_id"])
    (answer,) = await call.engine.renew((_held(job_id, body.token, body.progress),))
    if isinstance(answer, RenewedAnswer):
        return Reply(body=_renewed(call.engine, answer))
    raise await known(call.engine, job_id, answer)


async def renew_many(call: Call) -> Reply:
    """Keep many leases; each has an answer of its own."""
    body: w.Renewals = call.body
    ids = [one.job_id for one in body.leases]
    if len(set(ids)) < len(ids):
        raise Problem(BAD_INPUT, "$.leases: expected each job once")
    asked = [_held(JobId(one.job_id), one.token, one.progress) for one in body.leases]
    given = await call.engine.renew(asked)
    answers = [
        _renewed_one(call.engine, one.job_id, answer)
        for one, answer in zip(asked, given, strict=True)
    ]
    return Reply(body=w.RenewedMany(answers=tuple(answers)))


def _held(job_id: JobId, token: int, progress: w.ProgressBody | None) -> Held:
    said = None
    if progress is not None:
        said = Progress(done=progress.done, total=progress.total, note=progress.note)
    return Held(job_id=job_id, command=Renew(token=Token(token), progress=said))


def _renewed_one(engine: Engine, job_id: str, answer: RenewedAnswer | ParcaeError) -> w.RenewedOne:
    if isinstance(answer, RenewedAnswer):
        return w.RenewedOne(job_id=job_id, renewed=_renewed(engine, answer), problem=None)
    return w.RenewedOne(job_id=job_id, renewed=None, problem=of_error(answer).document())


def _renewed(engine: Engine, answer: RenewedAnswer) -> w.Renewed:
    return w.Renewed(
        expires_at=answer.expires_at,
        expires_in=(answer.expires_at - engine.clock.now()).total_seconds(),
        cancel_requested=answer.cancel_requested,
    )


async def start_phase(call: Call) -> Reply:
    """Ask leave to begin a phase."""
    body: w.PhaseBody = call.body
    return await _taken(call, lambda e, job: e.start_phase(job, Token(body.token), body.phase))


async def complete_phase(call: Call) -> Reply:
    """Report that a phase is done."""
    body: w.ResultBody = call.body
    if body.result is not None and body.result_json is not None:
        raise Problem(BAD_INPUT, "$: expected either result or result_json, got both")
    result = _result(body)
    return await _taken(
        call, lambda e, job: e.complete_phase(job, Token(body.token), body.phase, result)
    )


def _result(body: w.ResultBody) -> tuple[Blob, bytes] | None:
    if body.result_json is None:
        return None if body.result is None else result_blob(body.phase, body.result)
    try:
        json.loads(body.result_json, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Problem(BAD_INPUT, f"$.result_json: expected JSON: {str(error)[:200]}") from None
    data = body.result_json.encode()
    return blob(result_name(body.phase), data), data


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number in JSON")


async def complete(call: Call) -> Reply:
    """Report that the last phase is done, and with it the job."""
    body: w.LastResult = call.body

    async def done(engine: Engine, job_id: JobId) -> Accepted:
        phase = (await engine.show(job_id)).spec.phases[-1].name
        result = None if body.result is None else result_blob(phase, body.result)
        return await engine.complete_phase(job_id, Token(body.token), phase, result)

    return await _taken(call, done)


async def fail(call: Call) -> Reply:
    """Report that the handler raised."""
    body: w.Failure = call.body
    return await _taken(call, lambda e, job: e.fail(job, Token(body.token), _error(body.error)))


async def release(call: Call) -> Reply:
    """Give a job back."""
    body: w.GivenBack = call.body
    return await _taken(call, lambda e, job: e.release(job, Token(body.token), body.lacks))


async def confirm_cancel(call: Call) -> Reply:
    """Report that the work has stopped, as it was asked to."""
    body: w.Bare = call.body
    return await _taken(call, lambda e, job: e.confirm_cancel(job, Token(body.token)))


async def start_undo(call: Call) -> Reply:
    """Ask leave to begin an undo."""
    body: w.PhaseBody = call.body
    return await _taken(call, lambda e, job: e.start_undo(job, Token(body.token), body.phase))


async def complete_undo(call: Call) -> Reply:
    """Report that a phase is undone."""
    body: w.PhaseBody = call.body
    return await _taken(call, lambda e, job: e.complete_undo(job, Token(body.token), body.phase))


async def fail_undo(call: Call) -> Reply:
    """Report that an undo raised."""
    body: w.UndoFailure = call.body
    error = _error(body.error)
    return await _taken(call, lambda e, job: e.fail_undo(job, Token(body.token), body.phase, error))


def _error(body: w.ErrorBody) -> Error:
    return Error(
        type=body.type,
        message=body.message,
        traceback=body.traceback,
        mro=body.mro,
        permanent=body.permanent,
    )


async def _taken(call: Call, report: Callable[[Engine, JobId], Awaitable[Accepted]]) -> Reply:
    job_id = JobId(call.path["job_id"])
    accepted = await told(call.engine, job_id, report(call.engine, job_id))
    return Reply(body=w.Taken(job_id=accepted.job_id, status=str(accepted.status)))


REFUSALS = (
    BAD_INPUT,
    TOO_LARGE,
    NOT_FOUND,
    LEASE_LOST,
    CONFLICT,
    *(one for one in REJECTED.values() if one.status == 409),
)


def _report(verb: str, handler: Any, body: type, summary: str, reply: type = w.Taken) -> Route:
    return Route(
        method="POST",
        path=f"/v1/leases/{{job_id}}:{verb}",
        handler=handler,
        scope=Scope.WORK,
        summary=summary,
        body=body,
        reply=reply,
        problems=REFUSALS,
        tag="work",
    )


ROUTES = (
    Route(
        method="POST",
        path="/v1/leases:renew",
        handler=renew_many,
        scope=Scope.WORK,
        summary="Keep many leases; each has an answer of its own",
        body=w.Renewals,
        reply=w.RenewedMany,
        problems=(BAD_INPUT,),
        tag="work",
    ),
    _report("renew", renew, w.Renewal, "Keep a lease, and say how far the work is", w.Renewed),
    _report("start-phase", start_phase, w.PhaseBody, "Ask leave to begin a phase"),
    _report("complete-phase", complete_phase, w.ResultBody, "Report that a phase is done"),
    _report("complete", complete, w.LastResult, "Report that the last phase is done"),
    _report("fail", fail, w.Failure, "Report that the attempt failed"),
    _report("release", release, w.GivenBack, "Give a job back"),
    _report("confirm-cancel", confirm_cancel, w.Bare, "Report that the work has stopped as asked"),
    _report("start-undo", start_undo, w.PhaseBody, "Ask leave to begin an undo"),
    _report("complete-undo", complete_undo, w.PhaseBody, "Report that a phase is undone"),
    _report("fail-undo", fail_undo, w.UndoFailure, "Report that an undo failed"),
)
