"""Bytes → JSON → values: whatever is wrong with a body is a 4xx that says what was expected.

The bytes are decoded here: :meth:`aiohttp.web.Request.text` answers invalid UTF-8 with a 500.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from enum import Enum
from itertools import islice
from typing import Any, Literal, get_args, get_origin

import attrs
from aiohttp import web
from cattrs import ClassValidationError, Converter, IterableValidationError
from cattrs.errors import ForbiddenExtraKeysError
from cattrs.v import format_exception

from parcae.values import instant
from parcae_adapters.http.fields import Unfit
from parcae_adapters.http.problems import (
    BAD_INPUT,
    BAD_REQUEST,
    CONTENT_TOO_LARGE,
    INVALID_BODY,
    NOT_JSON,
    Fault,
    Problem,
)

MOST_BYTES = 2 * 1_048_576
"""Of a body: the largest payload that the kernel takes, and room for what is around it."""

DEEPEST = 64
"""So many lists and objects within each other."""

MOST_FAULTS = 20
"""So many faults of one body are told."""

LONGEST = 200
"""Characters of a wrong value that a problem repeats."""


async def read_json(request: web.Request, most: int = MOST_BYTES) -> Any:
    """The JSON value in the body; an empty body is ``None`` of no kind: see :func:`is_empty`.

    Raises:
        Problem: too large, of another media type, not UTF-8, or not strict JSON.
    """
    if request.content_type != "application/json" and not request.content_type.endswith("+json"):
        detail = f"expected Content-Type application/json, got {request.content_type!r:.200}"
        raise Problem(NOT_JSON, detail)
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem(NOT_JSON, "expected a body without Content-Encoding")
    return parse(await read_bytes(request, most))


async def read_bytes(request: web.Request, most: int = MOST_BYTES) -> bytes:
    """The body.

    Raises:
        Problem: it is larger than ``most`` bytes.
    """
    length = request.content_length
    if length is not None and length > most:
        raise Problem(CONTENT_TOO_LARGE, f"expected at most {most} bytes, got {length}")
    data = bytearray()
    async for chunk in request.content.iter_any():
        data += chunk
        if len(data) > most:
            raise Problem(CONTENT_TOO_LARGE, f"expected at most {most} bytes")
    return bytes(data)


def parse(data: bytes) -> Any:
    """Strict JSON: UTF-8, no name twice in an object, no NaN, no infinity, not too deep.

    Raises:
        Problem: it is something else.
    """
    try:
        # A bound that costs nothing for all bodies but those that may be too deep.
        if data.count(b"[") + data.count(b"{") > DEEPEST and _too_deep(data):
            raise ValueError(f"expected at most {DEEPEST} lists and objects within each other")
        value = _DECODER.decode(data.decode("utf-8"))
        if b"\\u" in data:
            # Half a pair of surrogates is lawful JSON, and no text that anything could store.
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError as error:
        raise Problem(BAD_REQUEST, f"expected UTF-8, got other bytes at {error.start}") from None
    except UnicodeEncodeError:
        raise Problem(BAD_REQUEST, "expected text, got half a surrogate pair") from None
    except (ValueError, RecursionError) as error:
        raise Problem(BAD_REQUEST, f"expected JSON: {str(error)[:LONGEST]}") from None
    return value


def _too_deep(data: bytes) -> bool:
    """Whether brackets outside of strings go deeper than is lawful."""
    depth, quoted, escaped = 0, False, False
    for byte in data:
        if quoted:
            quoted = escaped or byte != 0x22
            escaped = byte == 0x5C and not escaped
        elif byte == 0x22:
            quoted = True
        elif byte in b"[{":
            depth += 1
            if depth > DEEPEST:
                return True
        elif byte in b"]}":
            depth -= 1
    return False


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        # In one pass, however many names there are: nobody else is answered meanwhile.
        times = Counter(name for name, _ in pairs)
        twice = next(name for name, number in times.items() if number > 1)
        raise ValueError(f"the name {twice!r:.100} stands twice in one object")
    return found


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the number {text[:50]} is out of range")
    return value


def _constant(text: str) -> Any:
    raise ValueError(f"{text} is no number in JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_constant=_constant)


def structured(value: Any, kind: type) -> Any:
    """A JSON value as an instance of the attrs class ``kind``, unknown fields forbidden.

    Raises:
        Problem: field by field what was expected.
    """
    try:
        return _CONVERTER.structure(value, kind)
    except Exception as error:  # noqa: BLE001 - cattrs raises whatever a validator raises
        found = tuple(islice(_faults(error, "$"), MOST_FAULTS))
        faults = tuple(fault for fault, _ in found)
        sort = BAD_INPUT if all(unfit for _, unfit in found) else INVALID_BODY
        detail = f"{faults[0].field}: {faults[0].expected}"
        raise Problem(sort, detail, faults=faults) from None


def plain(value: Any) -> Any:
    """The JSON value of an attrs instance, or of whatever is made of such."""
    return _CONVERTER.unstructure(value)


def iso(at: datetime) -> str:
    """An instant as text, always of the same length."""
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _faults(error: BaseException, path: str) -> Iterator[tuple[Fault, bool]]:
    """Everything that is wrong, each with its place, and whether only its meaning is."""
    if isinstance(error, ClassValidationError | IterableValidationError):
        noted, others = error.group_exceptions()
        for inner, note in noted:
            step = f".{note.name}" if hasattr(note, "name") else f"[{note.index}]"
            yield from _faults(inner, path + step)
        for inner in others:
            yield from _faults(inner, path)
    elif isinstance(error, ForbiddenExtraKeysError):
        known = ", ".join(sorted(one.name for one in attrs.fields(error.cl))) or "none at all"
        for name in sorted(error.extra_fields, key=str):
            says = f"no such field; there is {known}"
            yield Fault(field=f"{path}.{name!s:.100}", expected=says), False
    else:
        yield _fault(error, path), isinstance(error, Unfit)


def _fault(error: BaseException, path: str) -> Fault:
    if isinstance(error, KeyError):
        return Fault(field=path, expected="this field, which is missing")
    if isinstance(error, ValueError | TypeError):
        return Fault(field=path, expected=str(error)[: LONGEST * 2])
    return Fault(field=path, expected=format_exception(error, None)[:LONGEST])


_NAMES: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "null",
}


def _shown(value: Any) -> str:
    """What was given, without saying it: it may be a secret that went into the wrong field."""
    return _NAMES.get(type(value), "something else")


def _exactly(kind: type, says: str) -> Any:
    def hook(value: Any, _: Any) -> Any:
        # bool is an int to Python, and to nobody else.
        if type(value) is not kind:
            raise TypeError(f"expected {says}, got {_shown(value)}")
        return value

    return hook


_string = _exactly(str, "a string")


def _text(value: Any, kind: Any) -> Any:
    # cattrs asks here for the enums too whose members are strings.
    return _string(value, kind) if kind is str else _choice(value, kind)


def _whole(value: Any, _: Any) -> int:
    # To JSON Schema 3.0 is a whole number, and some languages write whole numbers so.
    if type(value) is float and value.is_integer():
        return int(value)
    found: int = _exact(value, int)
    return found


_exact = _exactly(int, "a whole number")


def _number(value: Any, _: Any) -> float:
    if type(value) not in (int, float):
        raise TypeError(f"expected a number, got {_shown(value)}")
    try:
        return float(value)
    except OverflowError:
        raise ValueError("expected a number in range") from None


def _instant(value: Any, _: Any) -> datetime:
    says = "an instant with a time zone such as 2030-01-31T08:00:00Z"
    if type(value) is not str:
        raise TypeError(f"expected {says}, got {_shown(value)}")
    try:
        return instant(datetime.fromisoformat(value))
    except (ValueError, OverflowError):
        raise Unfit(f"expected {says}") from None


def _span(value: Any, _: Any) -> timedelta:
    try:
        return timedelta(seconds=_number(value, float))
    except TypeError:
        raise TypeError(f"expected a number of seconds, got {_shown(value)}") from None
    except (ValueError, OverflowError):
        raise ValueError("expected a number of seconds in range") from None


def _choice(value: Any, kind: Any) -> Any:
    try:
        return kind(value if type(value) is str else object())
    except ValueError:
        choices = ", ".join(str(one.value) for one in kind)
        raise ValueError(f"expected one of: {choices}") from None


def _literal(value: Any, kind: Any) -> Any:
    choices = get_args(kind)
    if not any(type(value) is type(one) and value == one for one in choices):
        raise ValueError(f"expected one of: {', '.join(map(str, choices))}")
    return value


def _listed(kind: Any) -> Any:
    """Lists only: to cattrs a string and an object are iterables too."""
    items: Any = list[next(iter(get_args(kind)), Any)]  # type: ignore[misc]

    def hook(value: Any, _: Any) -> Any:
        if type(value) is not list:
            raise TypeError(f"expected a list, got {_shown(value)}")
        return tuple(_CONVERTER.structure(value, items))

    return hook


def _attrs_only(kind: Any) -> Any:
    made = attrs_hook(kind)

    def hook(value: Any, given: Any) -> Any:
        if type(value) is not dict:
            raise TypeError(f"expected an object, got {_shown(value)}")
        return made(value, given)

    return hook


def attrs_hook(kind: Any) -> Any:
    """How cattrs itself makes instances of an attrs class, unknown fields forbidden."""
    from cattrs.gen import make_dict_structure_fn

    return make_dict_structure_fn(kind, _CONVERTER, _cattrs_forbid_extra_keys=True)


def _dict_hook(value: Any, _: Any) -> Any:
    if type(value) is not dict:
        raise TypeError(f"expected an object, got {_shown(value)}")
    return value


def _converter() -> Converter:
    converter = Converter(forbid_extra_keys=True)
    converter.register_structure_hook(str, _text)
    converter.register_structure_hook(int, _whole)
    converter.register_structure_hook(bool, _exactly(bool, "true or false"))
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook(datetime, _instant)
    converter.register_structure_hook(timedelta, _span)
    converter.register_structure_hook_func(
        lambda kind: isinstance(kind, type) and issubclass(kind, Enum), _choice
    )
    converter.register_structure_hook_func(_made_of(Literal), _literal)
    converter.register_structure_hook_factory(_made_of(tuple), _listed)
    converter.register_structure_hook_func(_made_of(dict), _dict_hook)
    converter.register_structure_hook_factory(attrs.has, _attrs_only)
    converter.register_unstructure_hook(datetime, iso)
    converter.register_unstructure_hook(timedelta, timedelta.total_seconds)
    return converter


def _made_of(what: Any) -> Callable[[Any], bool]:
    """Tells types such as ``tuple[str, ...]`` by what they are made of."""
    return lambda kind: bool(get_origin(kind) is what)


_CONVERTER = _converter()
