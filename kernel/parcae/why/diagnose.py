"""For whoever mends the code: errors with their tracebacks, and the shape of the arguments."""

from __future__ import annotations

import json
from typing import Any

from parcae.why.past import faults
from parcae.why.values import Diagnostics, Raised, Surroundings

DEEPEST = 6
WIDEST = 20


def diagnose(around: Surroundings) -> Diagnostics:
    """Every error on record, and the arguments without their values."""
    errors = tuple(
        Raised(at=one.event.at, phase=one.phase, undo=one.undo, number=one.number, error=one.error)
        for one in faults(around.history)
    )
    payload = None if around.payload is None else redacted(around.payload)
    return Diagnostics(errors=errors, payload=payload)


def redacted(payload: bytes) -> str:
    """JSON with names and sizes, and no value: what was given, but not what it said."""
    try:
        shape = _shape(json.loads(payload), DEEPEST)
    except ValueError:
        return f"<{len(payload)} bytes that are no JSON>"
    return json.dumps(shape, ensure_ascii=False)


def _shape(value: Any, deeper: int) -> Any:
    match value:
        case None:
            return None
        case bool():
            return "<true or false>"
        case int() | float():
            return "<number>"
        case str():
            return f"<text of {len(value)}>"
        case list() | dict() if not deeper:
            return f"<{len(value)} deeper>"
        case list():
            shown = [_shape(one, deeper - 1) for one in value[:WIDEST]]
            return shown if len(value) <= WIDEST else [*shown, f"<{len(value) - WIDEST} more>"]
        case dict():
            kept = list(value.items())[:WIDEST]
            found = {name: _shape(one, deeper - 1) for name, one in kept}
            return (
                found if len(value) <= WIDEST else {**found, "…": f"<{len(value) - WIDEST} more>"}
            )
        case _:  # pragma: no cover - JSON has no other values
            return f"<{type(value).__name__}>"
