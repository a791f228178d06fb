"""For Schemathesis: whoever may wait for news does not, or a test would wait with it."""

from __future__ import annotations

from typing import Any

import schemathesis

LONGEST = 60


def _hurried(found: Any) -> Any:
    """The same, but that a lawful wait is none."""
    wait = found.get("wait") if isinstance(found, dict) else None
    if isinstance(wait, int | float) and not isinstance(wait, bool) and 0 <= wait <= LONGEST:
        return {**found, "wait": 0}
    if isinstance(wait, str) and wait.isascii() and wait.isdigit() and int(wait) <= LONGEST:
        return {**found, "wait": "0"}
    return found


@schemathesis.hook
def map_body(context: schemathesis.HookContext, body: Any) -> Any:  # noqa: ARG001
    """A body that is sent."""
    return _hurried(body)


@schemathesis.hook
def map_query(context: schemathesis.HookContext, query: Any) -> Any:  # noqa: ARG001
    """A query that is sent."""
    return _hurried(query)
