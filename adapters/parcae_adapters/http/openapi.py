"""``/openapi.json`` (3.1), made of the very table that the server answers by."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import Enum
from http import HTTPStatus

from parcae_adapters.http.problems import (
    BAD_INPUT,
    BAD_REQUEST,
    CONTENT_TOO_LARGE,
    CONTENT_TYPE,
    CORRUPT,
    FORBIDDEN,
    INTERNAL,
    INVALID_BODY,
    INVALID_HEADER,
    INVALID_QUERY,
    METHOD_NOT_ALLOWED,
    MISDIRECTED,
    NO_SUCH_PATH,
    NOT_JSON,
    OVERLOADED,
    PRECONDITION_FAILED,
    TIMED_OUT,
    TOO_MANY,
    UNAUTHENTICATED,
    UNAVAILABLE,
    Kind,
)
from parcae_adapters.http.route import MOST_KEY, Param, Route
from parcae_adapters.http.schema import Schema, Schemas

ALWAYS = (BAD_REQUEST, FORBIDDEN, NO_SUCH_PATH, METHOD_NOT_ALLOWED, MISDIRECTED)
ALWAYS_TOO = (INTERNAL, CORRUPT, UNAVAILABLE, OVERLOADED)

PROBLEM: Schema = {
    "type": "object",
    "description": "RFC 9457. `type` never changes; `detail` is for people.",
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "faults": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "expected": {"type": "string"}},
                "required": ["field", "expected"],
            },
        },
        "error": {"type": "string", "description": "The class of the kernel's error."},
        "reason": {"type": "string", "description": "Which of its guards refused."},
        "command": {"type": "string"},
        "job_status": {"type": "string"},
        "lawful": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["type", "title", "status", "detail"],
}


_NO_WORD = re.compile("[^a-z0-9]+")


def described(routes: Iterable[Route], version: str) -> Schema:
    """The whole document."""
    schemas = Schemas()
    paths: dict[str, Schema] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Parcae",
            "version": version,
            "description": "Durable jobs: every admitted job ends exactly once.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {"Problem": PROBLEM, **dict(sorted(schemas.named.items()))},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route, schemas: Schemas) -> Schema:
    found: Schema = {
        "operationId": _NO_WORD.sub("-", f"{route.method}{route.path}".lower()).strip("-"),
        "summary": route.summary,
        "tags": [route.tag],
        "security": [] if route.scope is None else [{"token": []}],
        "parameters": [*_path(route), *(_query(one) for one in route.query), *_headers(route)],
        "responses": _responses(route, schemas),
    }
    scope = "" if route.scope is None else f"Needs the scope `{route.scope}`."
    description = " ".join(filter(None, (route.description, scope)))
    if description:
        found["description"] = description
    if route.body is not None:
        found["requestBody"] = {
            "required": route.body_required,
            "content": {"application/json": {"schema": schemas.body(route.body)}},
        }
    return found


def _path(route: Route) -> Sequence[Schema]:
    names = [part.partition("}")[0] for part in route.path.split("{")[1:]]
    schema = {"type": "string", "minLength": 1, "maxLength": 200}
    return [{"name": one, "in": "path", "required": True, "schema": schema} for one in names]


def _query(param: Param) -> Schema:
    schema = _parameter(param)
    if param.repeated:
        schema = {"type": "array", "items": schema, "maxItems": param.at_most}
    elif param.default is not None:
        schema["default"] = param.default
    return {
        "name": param.name,
        "in": "query",
        "required": False,
        "description": param.description,
        "schema": schema,
    }


def _parameter(param: Param) -> Schema:
    kind = param.kind
    if kind is bool:
        return {"type": "boolean"}
    if kind is int:
        bounds = {"minimum": param.least, "maximum": param.most}
        return {
            "type": "integer",
            **{name: bound for name, bound in bounds.items() if bound is not None},
        }
    if issubclass(kind, Enum):
        return {"type": "string", "enum": [one.value for one in kind]}
    if kind is not str:
        return {"type": "string", "format": "date-time"}
    most = 200 if param.most is None else param.most
    return {"type": "string", "minLength": param.least or 0, "maxLength": most}


def _headers(route: Route) -> Sequence[Schema]:
    found: list[Schema] = []
    if route.idempotent:
        schema = {"type": "string", "minLength": 1, "maxLength": MOST_KEY, "pattern": "^[ -~]+$"}
        says = "Repeated with the same key and body, it is the same job; another body is a 422."
        found.append(_header("Idempotency-Key", schema, says))
    if route.conditional:
        schema = {"type": "string", "maxLength": 1_000}
        says = "The ETag that was seen: at another version nothing is changed (412)."
        found.append(_header("If-Match", schema, says))
    return found


def _header(name: str, schema: Schema, says: str) -> Schema:
    return {"name": name, "in": "header", "required": False, "description": says, "schema": schema}


def _responses(route: Route, schemas: Schemas) -> Schema:
    good = {
        str(route.status): _good(route, schemas, "It is done." if route.body else "Here it is.")
    }
    for status, says in route.others.items():
        good[str(status)] = _good(route, schemas, says)
    problems: dict[str, list[Kind]] = {}
    for kind in dict.fromkeys((*_kinds(route), *route.problems)):
        problems.setdefault(str(kind.status), []).append(kind)
    bad = {status: _problem(kinds) for status, kinds in sorted(problems.items())}
    return {**good, **bad}


def _good(route: Route, schemas: Schemas, says: str) -> Schema:
    found: Schema = {"description": says}
    if route.media == "text/event-stream":
        # No schema of 3.1 says what the events of a stream look like.
        found["content"] = {route.media: {}}
    elif route.media != "application/json":
        found["content"] = {route.media: {"schema": {"type": "string"}}}
    elif route.reply is not None:
        found["content"] = {"application/json": {"schema": schemas.of(route.reply)}}
    if route.etag:
        found["headers"] = {
            "ETag": {"description": "Its version, quoted.", "schema": {"type": "string"}}
        }
    return found


def _kinds(route: Route) -> Iterable[Kind]:
    """What any route of this sort may answer with."""
    yield from ALWAYS
    if route.scope is not None:
        yield from (UNAUTHENTICATED, TOO_MANY)
    yield from ALWAYS_TOO
    yield INVALID_QUERY
    if route.body is not None:
        yield from (INVALID_BODY, BAD_INPUT, NOT_JSON, CONTENT_TOO_LARGE)
    if route.idempotent:
        yield INVALID_HEADER
    if route.conditional:
        yield PRECONDITION_FAILED
    if route.timeout is not None:
        yield TIMED_OUT


def _problem(kinds: Sequence[Kind]) -> Schema:
    status = HTTPStatus(kinds[0].status)
    types = ", ".join(f"`{kind.type}`" for kind in kinds)
    return {
        "description": f"{status.phrase}: {types}",
        "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
