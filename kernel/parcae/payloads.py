"""The user's own values <-> the bytes of payloads and results, by cattrs.

Attrs classes, dataclasses, enums, datetimes, collections and plain JSON values go through; what a
value was is not stored, only what the handler's annotation says it is.
"""

from __future__ import annotations

import json
from typing import Any

from cattrs.preconf.json import make_converter

_CONVERTER = make_converter()

_STRICT = make_converter(forbid_extra_keys=True)
"""For what a caller gives. What is stored may have fields that a newer definition had."""


def dump(value: object) -> bytes:
    """``value`` as JSON.

    Raises:
        TypeError: it is made of something that JSON cannot hold.
    """
    try:
        plain = _CONVERTER.unstructure(value)
        return json.dumps(plain, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, UnicodeEncodeError, RecursionError) as error:
        raise TypeError(
            f"expected a value that JSON can hold (attrs, dataclass, plain), got {value!r}: {error}"
        ) from error


def load(data: bytes, kind: Any = Any) -> Any:
    """The value that was dumped, as ``kind``; ``Any``: plain JSON values.

    Raises:
        ValueError: the bytes do not hold such a value.
    """
    return structure(json.loads(data), kind)


def structure(plain: Any, kind: Any, *, strict: bool = False) -> Any:
    """Plain JSON values as ``kind``; ``Any``: as they are; ``strict``: without unknown fields.

    Raises:
        ValueError: they do not hold such a value.
    """
    if kind is Any:
        return plain
    try:
        return (_STRICT if strict else _CONVERTER).structure(plain, kind)
    except Exception as error:  # cattrs raises whatever a class's own validators raise
        name = getattr(kind, "__name__", kind)
        raise ValueError(f"expected {name}, got {plain!r:.200}: {error}") from error


def checked(value: object, kind: Any, where: str) -> None:
    """Refuse a value that ``load`` would not give back as ``kind``.

    Raises:
        TypeError: saying what was expected, and where.
    """
    try:
        structure(json.loads(dump(value)), kind, strict=True)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{where}: {error}") from error
