"""Jobs as they are stored, for engines of this kernel elsewhere: nothing of them is lost.

What stands here every version of the kernel reads that comes after the one which wrote it, like a
store. Programs of others have ``/v1/jobs``.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from attrs import evolve as replace
from attrs import frozen

from parcae.codec import decode_spec, encode_event
from parcae.context import PAYLOAD
from parcae.converter import CONVERTER, dump
from parcae.definitions import Request
from parcae.engine import Outcome
from parcae.errors import Corrupt, Reason, Rejected
from parcae.group_engine import KEY_TTL
from parcae.spec import RetryMode, Spec
from parcae.values import MAX_BLOB, MAX_NAME, JobId, blob
from parcae_adapters.http import leased as w
from parcae_adapters.http.fields import label, many, name, number, text
from parcae_adapters.http.problems import BAD_INPUT, NOT_FOUND, OVERLOADED, REJECTED, Problem
from parcae_adapters.http.route import Call, Param, Reply, Route, Scope
from parcae_adapters.http.waiting import first

LONGEST_TTL = 3_650 * 86_400
ROOM = 8 * 1_048_576
"""Bytes of a submission: a payload as text in JSON, and a spec with all its dependencies."""


@frozen(kw_only=True)
class Submission:
    """A job to be admitted.

    Attributes:
        spec: as it is stored.
        payload: the text of a JSON value.
        idempotency_key: a repeated submission with the same key gives the same job.
        key_ttl: seconds for which that key is remembered.
    """

    spec: dict[str, Any]
    payload: str = text(most=MAX_BLOB * 2)
    idempotency_key: str | None = name(None)
    key_ttl: float = number(KEY_TTL.total_seconds(), least=0, most=LONGEST_TTL)


@frozen(kw_only=True)
class CancelBody:
    """Who wants it, and why; ``force``: fence its handler off though it may be alive."""

    by: str = label()
    reason: str = text("", most=4_000)
    force: bool = False


@frozen(kw_only=True)
class RetryBody:
    """How an ended job is taken up again."""

    mode: RetryMode = RetryMode.RESUME
    settled: tuple[str, ...] = many(most=1_000)
    idempotency_key: str | None = name(None)
    key_ttl: float = number(KEY_TTL.total_seconds(), least=0, most=LONGEST_TTL)


@frozen(kw_only=True)
class NoteBody:
    """A note for a job's record."""

    note: str = text(least=1, most=100_000)
    by: str = label()


async def submit(call: Call) -> Reply:
    """Admit a job that an engine elsewhere has made."""
    body: Submission = call.body
    spec, payload = _spec(body.spec), body.payload.encode()
    try:
        json.loads(body.payload)
    except (ValueError, RecursionError) as error:
        raise Problem(BAD_INPUT, f"$.payload: expected JSON: {str(error)[:200]}") from None
    request: Request[Any] = Request(
        spec=replace(spec, payload=blob(PAYLOAD, payload)), payload=payload
    )
    handle = await call.engine.submit(
        request,
        idempotency_key=body.idempotency_key,
        key_ttl=timedelta(seconds=body.key_ttl),
        run_at=spec.run_at,
        deadline=spec.deadline,
    )
    return Reply(body=CONVERTER.unstructure(handle.admitted))


def _spec(record: dict[str, Any]) -> Spec:
    """The spec that was sent.

    Raises:
        Problem: it is none, or says what only the kernel may say.
    """
    try:
        spec = decode_spec(dump(record))
    except Corrupt as error:
        raise Problem(BAD_INPUT, f"$.spec: {str(error)[:500]}") from None
    if spec.origin is not None or spec.group is not None:
        raise Problem(BAD_INPUT, "$.spec: expected no origin and no group")
    return spec


async def show(call: Call) -> Reply:
    """A job as it is now."""
    job = await call.engine.show(_job(call))
    stored = await call.engine.stored(job.id)
    liveness = None if stored is None else stored.liveness
    body = {"job_id": job.id, **w.stored_form(job if stored is None else stored.job)}
    return Reply(body=body | {"liveness": liveness and CONVERTER.unstructure(liveness)})


async def outcome(call: Call) -> Reply:
    """How a job has ended; waits for that if asked to."""
    job_id = _job(call)
    found: Outcome[Any] | None = None
    if call.query["wait"]:
        found = await first(call, call.engine.wait(job_id), call.query["wait"])
    else:
        job = await call.engine.show(job_id)
        found = await call.engine.outcome(job) if job.status.is_terminal else None
    if found is None:
        return Reply(body={"ended": False})
    error = None if found.error is None else CONVERTER.unstructure(found.error)
    body = {
        "ended": True,
        "job_id": found.job_id,
        "status": str(found.status),
        "cause": None if found.cause is None else str(found.cause),
        "reconciled": found.reconciled,
        "error": error,
        "result": found.result,
    }
    return Reply(body=body)


async def history(call: Call) -> Reply:
    """Everything that happened to a job."""
    found = [
        {
            "position": one.position,
            "version": one.version,
            "event": json.loads(encode_event(one.event)),
        }
        for one in await call.engine.history(_job(call))
    ]
    return Reply(body={"history": found})


async def why(call: Call) -> Reply:
    """What is the matter with a job."""
    found = await call.engine.why(_job(call), diagnostics=call.query["diagnostics"])
    return Reply(body=CONVERTER.unstructure(found))


async def cancel(call: Call) -> Reply:
    """Ask a job to stop."""
    body: CancelBody = call.body
    answer = await call.engine.cancel(
        _job(call), by=_by(call, body.by), reason=body.reason, force=body.force
    )
    return Reply(body=CONVERTER.unstructure(answer))


async def retry(call: Call) -> Reply:
    """Take up an ended job."""
    body: RetryBody = call.body
    handle = await call.engine.retry(
        _job(call),
        body.mode,
        settled=body.settled,
        idempotency_key=body.idempotency_key,
        key_ttl=timedelta(seconds=body.key_ttl),
    )
    return Reply(body=CONVERTER.unstructure(handle.admitted))


async def annotate(call: Call) -> Reply:
    """Add a note to a job's record."""
    body: NoteBody = call.body
    answer = await call.engine.annotate(_job(call), body.note, by=_by(call, body.by))
    return Reply(body=CONVERTER.unstructure(answer))


def _job(call: Call) -> JobId:
    job_id = call.path["job_id"]
    if len(job_id) > MAX_NAME:
        raise Rejected(Reason.NOT_FOUND, "there is no job with a name as long as that")
    return JobId(job_id)


def _by(call: Call, said: str) -> str:
    """Who asks: the token's name, whatever else the caller says of himself."""
    return f"{said} by {call.caller.name}"[:200] if said else call.caller.name


_CONFLICTS = (BAD_INPUT, NOT_FOUND, *(one for one in REJECTED.values() if one.status == 409))


def _route(method: str, path: str, handler: Any, summary: str, scope: Scope, **more: Any) -> Route:
    return Route(
        method=method,
        path=f"/v1/records{path}",
        handler=handler,
        scope=scope,
        summary=summary,
        reply=dict[str, Any],
        tag="records",
        **more,
    )


WAIT = Param(
    name="wait",
    kind=int,
    description="seconds to wait for the end at the most",
    default=0,
    least=0,
    most=w.MOST_WAIT,
)
DIAGNOSTICS = Param(
    name="diagnostics", kind=bool, description="with errors and tracebacks", default=False
)
PATIENCE = timedelta(seconds=w.MOST_WAIT + 15)

ROUTES = (
    _route(
        "POST",
        "",
        submit,
        "Admit a job that another engine has made",
        Scope.OPERATE,
        body=Submission,
        most_bytes=ROOM,
        problems=tuple(REJECTED.values()),
    ),
    _route("GET", "/{job_id}", show, "A job as it is stored", Scope.OPERATE, problems=(NOT_FOUND,)),
    _route(
        "GET",
        "/{job_id}/outcome",
        outcome,
        "How a job has ended, with its result; waits for that if asked to",
        Scope.OPERATE,
        query=(WAIT,),
        problems=(NOT_FOUND, OVERLOADED),
        timeout=PATIENCE,
    ),
    _route(
        "GET",
        "/{job_id}/history",
        history,
        "Everything that happened to a job, as it is stored",
        Scope.OPERATE,
        problems=(NOT_FOUND,),
    ),
    _route(
        "GET",
        "/{job_id}/why",
        why,
        "What is the matter with a job, as values",
        Scope.OPERATE,
        query=(DIAGNOSTICS,),
        problems=(NOT_FOUND,),
    ),
    _route(
        "POST",
        "/{job_id}:cancel",
        cancel,
        "Ask a job to stop",
        Scope.OPERATE,
        body=CancelBody,
        body_required=False,
        problems=_CONFLICTS,
    ),
    _route(
        "POST",
        "/{job_id}:retry",
        retry,
        "Take up an ended job",
        Scope.OPERATE,
        body=RetryBody,
        body_required=False,
        problems=tuple(REJECTED.values()),
    ),
    _route(
        "POST",
        "/{job_id}:annotate",
        annotate,
        "Add a note to a job's record",
        Scope.OPERATE,
        body=NoteBody,
        problems=_CONFLICTS,
    ),
)
