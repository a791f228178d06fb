"""What can be asked of one job: cancel, retry, annotate, delete. Each heeds ``If-Match``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from attrs import frozen

from parcae.errors import Reason
from parcae.expecting import Unexpected
from parcae.spec import RetryMode
from parcae.values import MAX_NOTE, JobId
from parcae_adapters.http.fields import described, many, text
from parcae_adapters.http.problems import (
    BAD_INPUT,
    KEY_REUSED,
    NOT_FOUND,
    PRECONDITION_FAILED,
    REJECTED,
    Problem,
)
from parcae_adapters.http.replies import AcceptedReply, AdmittedReply, CancelledReply
from parcae_adapters.http.route import Call, Reply, Route, Scope
from parcae_adapters.http.submission import meant


@frozen(kw_only=True)
class CancelJob:
    """Why a job is to stop."""

    reason: str = text("", most=MAX_NOTE, description="In a person's words, for the record.")
    force: bool = described(False, description="Fence its handler off now, though it may be alive.")


@frozen(kw_only=True)
class RetryJob:
    """How an ended job is taken up again, by a new one."""

    mode: RetryMode = RetryMode.RESUME
    settled: tuple[str, ...] = many(
        description="With mode undo: phases that a person has settled by hand."
    )


@frozen(kw_only=True)
class AnnotateJob:
    """A note for the record."""

    note: str = text(least=1, most=MAX_NOTE)


@contextmanager
def matched() -> Iterator[None]:
    """The version is compared in the commit itself; here its refusal becomes a 412.

    Raises:
        Problem: the job is at another version than ``If-Match`` says.
    """
    try:
        yield
    except Unexpected as error:
        raise Problem(
            PRECONDITION_FAILED,
            str(error),
            more={"error": "Conflict", "reason": str(error.reason), "version": error.version},
            headers={"ETag": f'"{error.version}"'},
        ) from None


async def cancel(call: Call) -> Reply:
    """Ask it to stop."""
    body: CancelJob = call.body
    with matched(), meant():
        answer = await call.engine.cancel(
            JobId(call.path["job_id"]),
            by=call.caller.name,
            reason=body.reason,
            force=body.force,
            expected=call.expected,
        )
    return Reply(
        body={
            "id": answer.job_id,
            "outcome": str(answer.outcome),
            "status": str(answer.status),
            "cause": None if answer.cause is None else str(answer.cause),
        }
    )


async def retry(call: Call) -> Reply:
    """Take it up again."""
    body: RetryJob = call.body
    with matched(), meant():
        handle = await call.engine.retry(
            JobId(call.path["job_id"]),
            body.mode,
            settled=body.settled,
            idempotency_key=call.idempotency_key,
            expected=call.expected,
        )
    admitted = handle.admitted
    return Reply(
        status=200 if admitted.duplicate else 201,
        headers={"Location": f"/v1/jobs/{admitted.job_id}"},
        body={
            "id": admitted.job_id,
            "duplicate": admitted.duplicate,
            "deleted": admitted.deleted,
        },
    )


async def annotate(call: Call) -> Reply:
    """Add a note."""
    with matched(), meant():
        answer = await call.engine.annotate(
            JobId(call.path["job_id"]),
            call.body.note,
            by=call.caller.name,
            expected=call.expected,
        )
    return Reply(body={"id": answer.job_id, "status": str(answer.status)})


async def delete(call: Call) -> Reply:
    """Remove it."""
    with matched(), meant():
        await call.engine.delete(JobId(call.path["job_id"]), expected=call.expected)
    return Reply(status=204)


ROUTES = (
    Route(
        method="POST",
        path="/v1/jobs/{job_id}:cancel",
        handler=cancel,
        scope=Scope.OPERATE,
        summary="Ask a job to stop, and be told the truth about it",
        body=CancelJob,
        body_required=False,
        reply=CancelledReply,
        problems=(NOT_FOUND, BAD_INPUT),
        conditional=True,
    ),
    Route(
        method="POST",
        path="/v1/jobs/{job_id}:retry",
        handler=retry,
        scope=Scope.OPERATE,
        summary="Take an ended job up again, by a new one",
        body=RetryJob,
        body_required=False,
        reply=AdmittedReply,
        status=201,
        others={200: "It was taken up before under the same key."},
        problems=(
            NOT_FOUND,
            BAD_INPUT,
            KEY_REUSED,
            REJECTED[Reason.NOT_RETRYABLE],
            REJECTED[Reason.ALREADY_RETRIED],
        ),
        idempotent=True,
        conditional=True,
    ),
    Route(
        method="POST",
        path="/v1/jobs/{job_id}:annotate",
        handler=annotate,
        scope=Scope.OPERATE,
        summary="Add a note to a job's record",
        body=AnnotateJob,
        reply=AcceptedReply,
        problems=(NOT_FOUND, BAD_INPUT),
        conditional=True,
    ),
    Route(
        method="DELETE",
        path="/v1/jobs/{job_id}",
        handler=delete,
        scope=Scope.ADMIN,
        summary="Remove an ended job",
        description="Its history goes with it; that it was deleted stays.",
        status=204,
        problems=(NOT_FOUND, REJECTED[Reason.UNLAWFUL], REJECTED[Reason.NEEDED]),
        conditional=True,
    ),
)
