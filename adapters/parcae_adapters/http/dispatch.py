"""From a method and a path to a route, and from a query string to checked parameters.

The path is split before it is decoded: a queue may be called ``a/b`` or ``a:pause``, and is then
written ``a%2Fb`` or ``a%3Apause``. A router that decodes first would pause another queue.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum
from typing import Any
from urllib.parse import parse_qsl, unquote

from attrs import Factory, define

from parcae.values import MAX_NAME, instant
from parcae_adapters.http.problems import (
    INVALID_QUERY,
    METHOD_NOT_ALLOWED,
    NO_SUCH_PATH,
    Fault,
    Problem,
)
from parcae_adapters.http.route import Param, Route

MOST_FIELDS = 300
"""Parameters in one query."""


@define
class _Node:
    children: dict[str, _Node] = Factory(dict)
    anything: _Node | None = None
    name: str = ""
    verbs: dict[str, dict[str, Route]] = Factory(dict)


class Table:
    """All routes, to be looked up by method and path.

    Raises:
        ValueError: two routes have the same method and path.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._root = _Node()
        for route in self.routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        parts, verb = _split(route.path)
        node = self._root
        for part in parts:
            if part.startswith("{"):
                node.anything = node.anything or _Node(name=part.strip("{}"))
                node = node.anything
            else:
                node = node.children.setdefault(part, _Node())
        methods = node.verbs.setdefault(verb, {})
        if route.method in methods:
            raise ValueError(f"expected one route for {route.method} {route.path}, got two")
        methods[route.method] = route

    def find(self, method: str, path: str) -> tuple[Route, Mapping[str, str]]:
        """The route, and the parts of the path that it names.

        Args:
            method: of the request; ``HEAD`` is a ``GET`` of which only the head is sent.
            path: as it came, not decoded.

        Raises:
            Problem: there is no such path, or not by that method.
        """
        parts, verb = _split(path)
        node, named = self._root, {}
        for part in parts:
            child = node.children.get(part)
            if child is None and node.anything is not None and part:
                child = node.anything
                named[child.name] = _decoded(part)
            if child is None:
                raise _no_such_path()
            node = child
        methods = node.verbs.get(verb)
        if not methods:
            raise _no_such_path()
        route = methods.get("GET" if method == "HEAD" else method)
        if route is None:
            allowed = sorted({*methods, "HEAD"} if "GET" in methods else methods)
            raise Problem(
                METHOD_NOT_ALLOWED,
                f"this path takes {', '.join(allowed)}",
                headers={"Allow": ", ".join(allowed)},
            )
        return route, named


def _no_such_path() -> Problem:
    return Problem(NO_SUCH_PATH, "there is nothing at this path; see /openapi.json")


def _split(path: str) -> tuple[list[str], str]:
    parts = path.split("/")[1:]
    last, colon, verb = parts[-1].rpartition(":") if parts else ("", "", "")
    if not colon:
        return parts, ""
    # A colon with nothing behind it is a verb that no path has.
    return [*parts[:-1], last], verb or colon


def _decoded(part: str) -> str:
    try:
        return unquote(part, errors="strict")
    except UnicodeDecodeError:
        raise _no_such_path() from None


def parameters(route: Route, raw: str) -> dict[str, Any]:
    """The parameters of a query, each as its route says; those not given by their defaults.

    Raises:
        Problem: one is unknown, given too often, or not what was expected.
    """
    given: dict[str, list[str]] = {}
    if raw:
        try:
            pairs = parse_qsl(
                raw, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS
            )
        except ValueError:
            raise Problem(
                INVALID_QUERY, f"expected UTF-8, and at most {MOST_FIELDS} parameters"
            ) from None
        for name, text in pairs:
            given.setdefault(name, []).append(text)
    found = {param.name: _value(param, given.pop(param.name, None)) for param in route.query}
    if given:
        known = ", ".join(param.name for param in route.query) or "none at all"
        raise _fault(min(given)[:100], f"no such parameter; there is {known}")
    return found


def _fault(name: str, expected: str) -> Problem:
    return Problem(
        INVALID_QUERY, f"{name}: {expected}", faults=(Fault(field=name, expected=expected),)
    )


def _value(param: Param, given: list[str] | None) -> Any:
    if given is None:
        return () if param.repeated else param.default
    if len(given) > (param.at_most if param.repeated else 1):
        most = f"at most {param.at_most} times" if param.repeated else "once"
        raise _fault(param.name, f"expected {most}")
    try:
        values = tuple(_one(param, text) for text in given)
    except ValueError as error:
        raise _fault(param.name, str(error)[:300]) from None
    return values if param.repeated else values[0]


def _one(param: Param, text: str) -> Any:
    kind = param.kind
    if kind is bool:
        if text not in ("true", "false"):
            raise ValueError("expected true or false")
        return text == "true"
    if kind is int:
        return _whole(param, text)
    if kind is datetime:
        try:
            return instant(datetime.fromisoformat(text))
        except (ValueError, OverflowError):
            raise ValueError("expected an instant such as 2030-01-31T08:00:00Z") from None
    if issubclass(kind, Enum):
        try:
            return kind(text)
        except ValueError:
            choices = ", ".join(str(one.value) for one in kind)
            raise ValueError(f"expected one of: {choices}") from None
    least, most = param.least or 0, MAX_NAME if param.most is None else param.most
    if not least <= len(text) <= most:
        raise ValueError(f"expected {least} to {most} characters")
    return text


def _whole(param: Param, text: str) -> int:
    least = -(2**53) if param.least is None else param.least
    most = 2**53 if param.most is None else param.most
    says = f"expected a whole number from {least} to {most}"
    digits = text[1:] if text[:1] == "-" else text
    if not digits.isascii() or not digits.isdigit() or len(digits) > 16:
        raise ValueError(says)
    value = int(text)
    if not least <= value <= most:
        raise ValueError(says)
    return value
