"""What every stored record is made of: values <-> plain values, by cattrs, and those <-> JSON."""

from __future__ import annotations

import json
import json.encoder
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import lru_cache
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from attrs import NOTHING, fields, has
from cattrs import Converter
from cattrs.gen import make_dict_unstructure_fn, override

from parcae import deliveries as d
from parcae import groups as g
from parcae import state as s
from parcae.queues import Queue
from parcae.schedules import Schedule
from parcae.seal import Seal
from parcae.subscriptions import Subscription

T = TypeVar("T")
Record = dict[str, Any]

UNIONS: tuple[Mapping[str, type], ...] = (
    {
        "pending": s.Pending,
        "scheduled": s.Scheduled,
        "running": s.Running,
        "compensating": s.Compensating,
        "ended": s.Ended,
    },
    {"open": g.Open, "stopping": g.Stopping, "undoing": g.Undoing, "ended": g.Ended},
    {"waiting": d.Waiting, "sending": d.Sending, "done": d.Done, "dead": d.Dead},
    {
        "queue": Queue,
        "group": g.Group,
        "schedule": Schedule,
        "subscription": Subscription,
        "delivery": d.Delivery,
        "seal": Seal,
    },
)
"""What may stand in one place, by the names under which it is stored. They never change."""

_MICROSECOND = timedelta(microseconds=1)
_ABSENT: tuple[object, ...] = (None, False, 0, "", ())
"""Defaults that mean “nothing”, and so are left out: no later version can give them another
meaning. Any other default is written, for a later version may choose another."""


def _plain(kind: type[T]) -> Callable[[Any, Any], T]:
    def structure(value: Any, wanted: Any) -> Any:
        if type(value) is not kind:
            raise TypeError(f"expected {kind.__name__}, got {value!r}")
        # cattrs finds a StrEnum by the str it also is: left at that, it would stay a plain string.
        return wanted(value) if isinstance(wanted, type) and issubclass(wanted, Enum) else value

    return structure


def _instant(value: Any, _: Any) -> datetime:
    found = datetime.fromisoformat(value)
    if found.tzinfo is None:
        raise ValueError(f"expected an instant with a time zone, got {value!r}")
    return found.astimezone(UTC)


def _duration(value: Any, _: Any) -> timedelta:
    return _plain(int)(value, int) * _MICROSECOND


def _union(kind: Any) -> Mapping[str, type] | None:
    if get_origin(kind) not in (UnionType, Union):
        return None
    members = set(get_args(kind))
    return next((one for one in UNIONS if set(one.values()) == members), None)


def _is_union(kind: Any) -> bool:
    return _union(kind) is not None


def _choosing(converter: Converter, kind: Any) -> Callable[[Any, Any], Any]:
    members = _union(kind) or {}

    def structure(value: Any, _: Any) -> Any:
        plain = dict(value)
        return converter.structure(plain, members[plain.pop("is")])

    return structure


def _naming(converter: Converter, kind: Any) -> Callable[[Any], Record]:
    names = {member: name for name, member in (_union(kind) or {}).items()}
    return lambda value: {"is": names[type(value)], **converter.unstructure(value)}


def _absent(default: object) -> bool:
    return any(type(default) is type(nothing) and default == nothing for nothing in _ABSENT)


def _converter() -> Converter:
    converter = Converter(detailed_validation=False, forbid_extra_keys=True)
    for kind in (str, int, bool):
        converter.register_structure_hook(kind, _plain(kind))
    converter.register_structure_hook(datetime, _instant)
    converter.register_unstructure_hook(datetime, _isoformat)
    converter.register_structure_hook(timedelta, _duration)
    converter.register_unstructure_hook(timedelta, lambda value: value // _MICROSECOND)
    converter.register_unstructure_hook_factory(has, lambda kind: unstructured(converter, kind))
    converter.register_structure_hook_factory(_is_union, lambda kind: _choosing(converter, kind))
    converter.register_unstructure_hook_factory(_is_union, lambda kind: _naming(converter, kind))
    return converter


@lru_cache(maxsize=4_096)
def _isoformat(value: datetime) -> str:
    # In UTC, as instants should be already, the offset is the last six characters.
    exact = value if value.tzinfo is UTC else value.astimezone(UTC)
    return exact.isoformat(timespec="microseconds")[:-6] + "Z"


def unstructured(converter: Converter, kind: type, *omitted: str) -> Callable[[Any], Record]:
    """How a value of ``kind`` becomes a record, without ``omitted``."""
    overrides: dict[str, Any] = {
        attribute.name: override(omit_if_default=True)
        for attribute in fields(kind)
        if attribute.default is not NOTHING and _absent(attribute.default)
    }
    overrides |= {name: override(omit=True) for name in omitted}
    return make_dict_unstructure_fn(kind, converter, **overrides)


CONVERTER = _converter()

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

# What ``_ENCODER`` makes anew for each call, made once; it is CPython's own, and may be missing.
_MAKE: Any = getattr(json.encoder, "c_make_encoder", None)
_CHUNKS: Callable[[object, int], Iterable[str]] | None = _MAKE and _MAKE(
    None, _ENCODER.default, json.encoder.encode_basestring, None, ":", ",", False, False, True
)


def dump(record: object) -> bytes:
    """``record`` as JSON; text that is not UTF-8 survives."""
    text = _ENCODER.encode(record) if _CHUNKS is None else "".join(_CHUNKS(record, 0))
    return text.encode("utf-8", "surrogatepass")


def load(data: bytes) -> Record:
    """The record that was dumped.

    Raises:
        ValueError: it is no JSON.
        TypeError: it is no record.
    """
    record = json.loads(data.decode("utf-8", "surrogatepass"))
    if not isinstance(record, dict):
        raise TypeError(f"expected an object, got {record!r}")
    return record
