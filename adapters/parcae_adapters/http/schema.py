"""JSON Schema of the classes of bodies and answers, with the bounds that their fields declare."""

from __future__ import annotations

import types
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Literal, NewType, Union, get_args, get_origin, get_type_hints

import attrs

from parcae_adapters.http.fields import SCHEMA

Schema = dict[str, Any]

_PLAIN: Mapping[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    datetime: {"type": "string", "format": "date-time"},
    timedelta: {"type": "number"},
    types.NoneType: {"type": "null"},
}


class Schemas:
    """Schemas of types; those of classes are kept by name, to be referred to."""

    def __init__(self) -> None:
        self.named: dict[str, Schema] = {}
        self._classes: dict[str, type] = {}
        self._closed = False

    def body(self, kind: type) -> Schema:
        """The schema of a body's class: a field that it does not name is refused."""
        self._closed = True
        try:
            return self.of(kind)
        finally:
            self._closed = False

    def of(self, kind: Any) -> Schema:
        """The schema of a type. Fields may be added to answers: unknown ones are to be ignored.

        Raises:
            TypeError: it is one that this does not know.
        """
        if isinstance(kind, NewType):
            return self.of(kind.__supertype__)
        if kind is Any:
            return {}
        if kind in _PLAIN:
            return dict(_PLAIN[kind])
        if isinstance(kind, type) and attrs.has(kind):
            return self._reference(kind)
        if isinstance(kind, type) and issubclass(kind, Enum):
            return {"type": "string", "enum": [one.value for one in kind]}
        return self._made(kind, get_origin(kind), get_args(kind))

    def _made(self, kind: Any, origin: Any, args: tuple[Any, ...]) -> Schema:
        if origin in (tuple, list):
            return {"type": "array", "items": self.of(args[0])}
        if origin is dict:
            return {"type": "object", "additionalProperties": self.of(args[1]) or True}
        if origin is Literal:
            return {"enum": list(args)}
        if origin in (Union, types.UnionType):
            return self._either(args)
        raise TypeError(f"expected a type that JSON Schema can describe, got {kind!r}")

    def _either(self, args: tuple[Any, ...]) -> Schema:
        others = [one for one in args if one is not types.NoneType]
        found = self.of(others[0])
        if len(others) < len(args) == 2 and "type" in found:
            choices = {"enum": [*found["enum"], None]} if "enum" in found else {}
            return {**found, **choices, "type": [found["type"], "null"]}
        return {"anyOf": [self.of(one) for one in args]}

    def _reference(self, kind: type) -> Schema:
        name = kind.__name__
        if self._classes.setdefault(name, kind) is not kind:
            # Two modules may call a class alike; the later one's is then told by its module.
            name = kind.__module__.rpartition(".")[2].title().replace("_", "") + name
            if self._classes.setdefault(name, kind) is not kind:
                raise TypeError(f"expected one class of the name {name}, got two")
        if name not in self.named:
            self.named[name] = {}  # It may refer to itself.
            self.named[name] = self._class(kind)
        return {"$ref": f"#/components/schemas/{name}"}

    def _class(self, kind: type) -> Schema:
        hints = get_type_hints(kind)
        properties, required = {}, []
        for one in attrs.fields(kind):
            if not one.init:
                continue
            properties[one.name] = self._field(one, hints[one.name])
            if one.default is attrs.NOTHING:
                required.append(one.name)
        found: Schema = {
            "type": "object",
            "properties": properties,
        }
        if self._closed:
            found["additionalProperties"] = False
        if kind.__doc__ and not kind.__doc__.startswith("Method generated"):
            found["description"] = kind.__doc__.split("\n\n")[0].replace("``", "`")
        return {**found, "required": required} if required else found

    def _field(self, one: attrs.Attribute[Any], hint: Any) -> Schema:
        # Bounds stand beside a reference or a choice: each binds only values of its own type.
        return {**self.of(hint), **one.metadata.get(SCHEMA, {})}
