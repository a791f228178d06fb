"""Fields of bodies, whose bounds are checked and described by one and the same declaration."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from attrs import NOTHING, Attribute, field, frozen

from parcae.values import MAX_DURATION, MAX_NAME

SCHEMA = "schema"
"""The key of a field's metadata that holds what its JSON Schema says beyond its type."""


class Unfit(ValueError):
    """A value of the right shape that no schema can tell from a good one: a 422, not a 400."""


Check = Callable[[Any, "Attribute[Any]", Any], None]


def described(
    default: Any = NOTHING, *, check: Check | None = None, factory: Any = None, **schema: Any
) -> Any:
    """A field with more to its schema (``description``, ``examples``, bounds), and a check of it.

    ``None`` passes every check: whether it may be ``None`` is what its type says.
    """
    validator = None if check is None else _unless_none(check)
    if factory is not None:
        return field(factory=factory, validator=validator, metadata={SCHEMA: schema})
    return field(default=default, validator=validator, metadata={SCHEMA: schema})


def text(default: Any = NOTHING, *, least: int = 0, most: int = 4_000, **schema: Any) -> Any:
    """A string of ``least`` to ``most`` characters."""

    def check(_: Any, attribute: Attribute[Any], value: Any) -> None:
        if not least <= len(value) <= most:
            raise ValueError(
                f"expected {least} to {most} characters for {attribute.name}, got {len(value)}"
            )

    return described(default, check=check, minLength=least, maxLength=most, **schema)


def name(default: Any = NOTHING, **schema: Any) -> Any:
    """A name: 1 to 200 printable characters; what prints is for :mod:`parcae.values` to say."""

    def check(_: Any, attribute: Attribute[Any], value: Any) -> None:
        says = f"expected 1 to {MAX_NAME} printable characters for {attribute.name}"
        if not value or len(value) > MAX_NAME:
            raise ValueError(says)
        if not value.isprintable():
            raise Unfit(says)

    return described(default, check=check, minLength=1, maxLength=MAX_NAME, **schema)


def label(default: Any = "", **schema: Any) -> Any:
    """A name, or nothing."""

    def check(_: Any, attribute: Attribute[Any], value: Any) -> None:
        says = f"expected at most {MAX_NAME} printable characters for {attribute.name}"
        if len(value) > MAX_NAME:
            raise ValueError(says)
        if not value.isprintable():
            raise Unfit(says)

    return described(default, check=check, maxLength=MAX_NAME, **schema)


def number(default: Any = NOTHING, *, least: int, most: int, **schema: Any) -> Any:
    """A whole number between two bounds, both lawful."""

    def check(_: Any, attribute: Attribute[Any], value: Any) -> None:
        if not least <= value <= most:
            raise ValueError(f"expected {attribute.name} from {least} to {most}, got {value}")

    return described(default, check=check, minimum=least, maximum=most, **schema)


def span(default: Any = NOTHING, *, least: float = 0, most: float | None = None, **s: Any) -> Any:
    """A duration, a number of seconds on the wire and a ``timedelta`` here."""
    highest = MAX_DURATION.total_seconds() if most is None else most

    def check(_: Any, attribute: Attribute[Any], value: Any) -> None:
        if not timedelta(seconds=least) <= value <= timedelta(seconds=highest):
            raise ValueError(f"expected {attribute.name} from {least} to {highest:g} seconds")

    return described(default, check=check, minimum=least, maximum=highest, **s)


def many(default: Any = (), *, least: int = 0, most: int = 1_000, **schema: Any) -> Any:
    """A list of ``least`` to ``most`` items; declare it as a tuple."""

    def check(_: Any, attribute: Attribute[Any], value: Any) -> None:
        if not least <= len(value) <= most:
            raise ValueError(
                f"expected {least} to {most} items in {attribute.name}, got {len(value)}"
            )

    return described(default, check=check, minItems=least, maxItems=most, **schema)


def _unless_none(check: Check) -> Check:
    def checked(instance: Any, attribute: Attribute[Any], value: Any) -> None:
        if value is not None:
            check(instance, attribute, value)

    return checked


@frozen
class Nothing:
    """Nothing has to be said."""
