"""What a route is: a row of the table from which both the paths and ``/openapi.json`` are made."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any

from aiohttp import web
from attrs import Factory, field, frozen

from parcae.definitions import Jobs
from parcae.engine import Engine
from parcae.values import Version
from parcae_adapters.http.problems import INVALID_HEADER, Kind, Problem

MOST_KEY = 200
"""Characters of an idempotency key."""

REQUEST_TIMEOUT = timedelta(seconds=30)
"""How long an answer may take, unless its route says otherwise."""


class Scope(StrEnum):
    """What a token is good for."""

    READ = "read"
    OPERATE = "operate"
    WORK = "work"
    ADMIN = "admin"


IMPLIED: Mapping[Scope, frozenset[Scope]] = {
    Scope.READ: frozenset({Scope.READ}),
    Scope.OPERATE: frozenset({Scope.READ, Scope.OPERATE}),
    Scope.WORK: frozenset({Scope.WORK}),
    Scope.ADMIN: frozenset(Scope),
}
"""What each scope allows. A worker may not look around: give it ``read`` too, where it should."""


@frozen(kw_only=True)
class Caller:
    """Who asks.

    Attributes:
        name: of the token; it goes into the events, as ``by``.
        scopes: everything that the token allows.
    """

    name: str
    scopes: frozenset[Scope]

    def may(self, scope: Scope | None) -> bool:
        """Whether the token allows what needs ``scope``; ``None`` needs nothing."""
        return scope is None or scope in self.scopes


@frozen(kw_only=True)
class Param:
    """A query parameter.

    Attributes:
        name: in the query.
        kind: ``str``, ``int``, ``bool``, ``datetime`` or an enum.
        description: what it means.
        default: where it is not given; a repeated one is then ``()``.
        repeated: it may be given several times, and arrives as a tuple.
        least: of a number; of a string, its length.
        most: of a number; of a string, its length; the default for a string is 200.
        at_most: how often it may be given.
    """

    name: str
    kind: type = str
    description: str = ""
    default: Any = None
    repeated: bool = False
    least: int | None = None
    most: int | None = None
    at_most: int = 100


@frozen(kw_only=True)
class Call:
    """One request, checked as its route says.

    Attributes:
        request: as it came.
        engine: on the store.
        caller: who asks.
        path: the parts of the path that the route names, decoded.
        query: each parameter of the route by its name: as given, or its default.
        body: an instance of the route's class; ``None`` where it has none.
        jobs: the definitions that the server was given, if any.
        closing: set when the server stops: what waits or streams then ends.
    """

    request: web.Request
    engine: Engine
    caller: Caller
    path: Mapping[str, str] = Factory(dict)
    query: Mapping[str, Any] = Factory(dict)
    body: Any = None
    jobs: Jobs | None = None
    closing: asyncio.Event = field(factory=asyncio.Event, eq=False)

    @property
    def idempotency_key(self) -> str | None:
        """The header ``Idempotency-Key``.

        Raises:
            Problem: it is there twice, empty, too long, or not printable ASCII.
        """
        given = self.request.headers.getall("Idempotency-Key", ())
        if not given:
            return None
        key = given[0]
        if (
            len(given) > 1
            or not 0 < len(key) <= MOST_KEY
            or not key.isascii()
            or not key.isprintable()
        ):
            detail = f"expected 1 to {MOST_KEY} printable ASCII characters in Idempotency-Key"
            raise Problem(INVALID_HEADER, detail)
        return key

    @property
    def expected(self) -> frozenset[Version] | None:
        """The versions that ``If-Match`` names; ``None``: any will do."""
        lines = self.request.headers.getall("If-Match", ())
        given = ",".join(lines)
        if not lines or given.strip() == "*":
            return None
        tags = (one.strip() for one in given.split(","))
        # A tag that is none of ours matches nothing, and a weak one never does (RFC 9110, 8.8.3.2).
        digits = (tag[1:-1] for tag in tags if len(tag) > 2 and tag[0] == tag[-1] == '"')
        return frozenset(
            Version(int(d)) for d in digits if d.isascii() and d.isdigit() and len(d) < 19
        )


@frozen(kw_only=True)
class Reply:
    """An answer.

    Attributes:
        body: an attrs instance or plain JSON values; ``None``: there is none.
        status: 200, or what else there is to say.
        headers: besides those that every answer has.
    """

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = Factory(dict)


Handler = Callable[[Call], Awaitable[Reply | web.StreamResponse]]


@frozen(kw_only=True)
class Route:
    """One row of the table.

    Attributes:
        method: ``GET``, ``POST`` or ``DELETE``.
        path: as OpenAPI writes it: ``/v1/jobs/{job_id}:cancel``.
        handler: what answers.
        scope: what the token must allow; ``None``: anybody may ask.
        summary: a sentence.
        description: more of it.
        body: the attrs class of the body; ``None``: there is none.
        body_required: without a body the class is made with its defaults.
        most_bytes: of the body; ``None``: what bodies.MOST_BYTES says.
        reply: the class of the answer: attrs; ``None``: no body; ``Any``: any JSON.
        status: of a good answer.
        others: further statuses of good answers, with what they mean.
        media: of a good answer, where it is not JSON.
        query: its parameters; any other is refused.
        problems: that it may answer with, beside those that all may.
        idempotent: it heeds ``Idempotency-Key``.
        conditional: it heeds ``If-Match``.
        etag: its answer has an ``ETag``.
        timeout: how long the answer may take; ``None``: as long as it likes, as streams do.
        tag: under which the documentation has it.
    """

    method: str
    path: str
    handler: Handler
    scope: Scope | None
    summary: str
    description: str = ""
    body: type | None = None
    body_required: bool = True
    most_bytes: int | None = None
    reply: Any = None
    status: int = 200
    others: Mapping[int, str] = Factory(dict)
    media: str = "application/json"
    query: tuple[Param, ...] = ()
    problems: tuple[Kind, ...] = ()
    idempotent: bool = False
    conditional: bool = False
    etag: bool = False
    timeout: timedelta | None = REQUEST_TIMEOUT
    tag: str = field(default="jobs")
