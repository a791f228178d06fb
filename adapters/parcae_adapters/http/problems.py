"""Errors as RFC 9457 ``application/problem+json``: a stable ``type`` for each class and reason."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web
from attrs import frozen

from parcae.errors import (
    Conflict,
    Corrupt,
    LeaseLost,
    ParcaeError,
    Reason,
    Rejected,
    Superseded,
    Unavailable,
)

PREFIX = "urn:parcae:problem:"
CONTENT_TYPE = "application/problem+json"

MOST_DETAIL = 2_000
"""Characters of a detail: a message may quote what was sent."""


@frozen
class Kind:
    """One sort of problem.

    Attributes:
        slug: the end of its ``type``; it never changes.
        status: of the answer.
        title: the same for every problem of this kind.
    """

    slug: str
    status: int
    title: str

    @property
    def type(self) -> str:
        """The URI that names it."""
        return PREFIX + self.slug


BAD_REQUEST = Kind("bad-request", 400, "The request cannot be read")
INVALID_BODY = Kind("invalid-body", 400, "The body is not what was expected")
INVALID_QUERY = Kind("invalid-query", 400, "A query parameter is not what was expected")
INVALID_HEADER = Kind("invalid-header", 400, "A header is not what was expected")
UNAUTHENTICATED = Kind("unauthenticated", 401, "A valid token is needed")
FORBIDDEN = Kind("forbidden", 403, "The token does not allow this")
NO_SUCH_PATH = Kind("no-such-path", 404, "There is nothing at this path")
METHOD_NOT_ALLOWED = Kind("method-not-allowed", 405, "This path does not take this method")
PRECONDITION_FAILED = Kind("precondition-failed", 412, "It has changed since it was read")
CONTENT_TOO_LARGE = Kind("content-too-large", 413, "The body is too large")
NOT_JSON = Kind("unsupported-media-type", 415, "The body has to be application/json")
MISDIRECTED = Kind("misdirected", 421, "This server does not answer to that name")
TOO_MANY = Kind("too-many-requests", 429, "Too many requests")
INTERNAL = Kind("internal", 500, "Something is wrong on the server's side")
CORRUPT = Kind("corrupt", 500, "A stored record cannot be read")
NOT_INSTALLED = Kind("not-installed", 501, "The server was installed without this")
UNAVAILABLE = Kind("unavailable", 503, "The store could not answer: repeating is safe")
DRAINING = Kind("draining", 503, "The server is stopping: repeat the request elsewhere")
OVERLOADED = Kind("overloaded", 503, "The server has as much to do as it takes on")
TIMED_OUT = Kind(
    "answer-timed-out", 504, "The answer took too long: whether it was done is unknown"
)
LEASE_LOST = Kind("lease-lost", 409, "The worker does not hold this job any more")
CONFLICT = Kind("conflict", 409, "Somebody else was first")

_STATUS: Mapping[Reason, int] = {
    Reason.NOT_FOUND: 404,
    Reason.BAD_INPUT: 422,
    Reason.TOO_LARGE: 413,
    Reason.KEY_REUSED: 422,
    Reason.UNKNOWN_DEPENDENCY: 422,
    Reason.CYCLE: 422,
}
"""Any other reason is a conflict with how things stand: 409."""

REJECTED: Mapping[Reason, Kind] = {
    reason: Kind(
        reason.name.lower().replace("_", "-"),
        _STATUS.get(reason, 409),
        f"Refused: {reason}",
    )
    for reason in Reason
}

NOT_FOUND = REJECTED[Reason.NOT_FOUND]
BAD_INPUT = REJECTED[Reason.BAD_INPUT]
TOO_LARGE = REJECTED[Reason.TOO_LARGE]
KEY_REUSED = REJECTED[Reason.KEY_REUSED]

KINDS: tuple[Kind, ...] = (
    BAD_REQUEST,
    INVALID_BODY,
    INVALID_QUERY,
    INVALID_HEADER,
    UNAUTHENTICATED,
    FORBIDDEN,
    NO_SUCH_PATH,
    METHOD_NOT_ALLOWED,
    PRECONDITION_FAILED,
    CONTENT_TOO_LARGE,
    NOT_JSON,
    MISDIRECTED,
    TOO_MANY,
    INTERNAL,
    CORRUPT,
    NOT_INSTALLED,
    UNAVAILABLE,
    DRAINING,
    OVERLOADED,
    TIMED_OUT,
    LEASE_LOST,
    CONFLICT,
    *REJECTED.values(),
)
"""All there are."""


@frozen(kw_only=True)
class Fault:
    """One thing that is wrong with what was sent.

    Attributes:
        field: where, as a path: ``$.retry.max_attempts``, or the name of a parameter.
        expected: what was expected there.
    """

    field: str
    expected: str


class Problem(Exception):
    """What a route raises to answer with an error.

    Args:
        kind: which sort.
        detail: what is wrong this time, and what to do. Never a secret.
        faults: what is wrong field by field.
        more: further members of the document.
        headers: of the answer.
    """

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        faults: Sequence[Fault] = (),
        more: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.faults = tuple(faults)
        self.more = dict(more or {})
        self.headers = dict(headers or {})

    def document(self) -> dict[str, Any]:
        """The members of the answer."""
        found: dict[str, Any] = {
            "type": self.kind.type,
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail[:MOST_DETAIL],
        }
        if self.faults:
            found["faults"] = [{"field": f.field, "expected": f.expected} for f in self.faults]
        return found | self.more


def of_error(error: BaseException) -> Problem:
    """The problem that tells of an exception; of an unknown one nothing but that there was one."""
    match error:
        case Problem():
            return error
        case Rejected():
            more = {"error": "Rejected", "reason": str(error.reason), "command": error.command}
            if error.status is not None:
                more["job_status"] = str(error.status)
            lawful = {"lawful": list(error.lawful)} if error.lawful else {}
            return Problem(REJECTED[error.reason], str(error), more=more | lawful)
        case LeaseLost() | Conflict():
            kind = LEASE_LOST if isinstance(error, LeaseLost) else CONFLICT
            more = {"error": type(error).__name__, "reason": str(error.reason)}
            return Problem(kind, str(error), more=more)
        case Unavailable():
            detail = "the store could not answer; whether it did is unknown, repeating is safe"
            headers = {"Retry-After": "1"}
            return Problem(UNAVAILABLE, detail, more={"error": "Unavailable"}, headers=headers)
        case Corrupt():
            # What is stored is nobody's business out there; the log of the server has it all.
            detail = "a stored record cannot be read; `parcae fsck` on the server says which"
            return Problem(CORRUPT, detail, more={"error": "Corrupt"})
        case Superseded() | ParcaeError():
            return Problem(INTERNAL, "the server's log says more")
        case web.HTTPRequestEntityTooLarge():
            return Problem(CONTENT_TOO_LARGE, "the body is larger than this server takes")
        case TimeoutError():
            detail = "the answer took too long; whether it was done is unknown, repeating is safe"
            return Problem(TIMED_OUT, detail)
        case _:
            return Problem(INTERNAL, "the server's log says more")


def answer(problem: Problem) -> web.Response:
    """The response that carries a problem."""
    # ASCII: a detail may quote what no encoding can hold, such as a lone surrogate.
    return web.Response(
        body=json.dumps(problem.document()).encode(),
        status=problem.kind.status,
        content_type=CONTENT_TYPE,
        headers=problem.headers,
    )
