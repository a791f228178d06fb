"""Answers on their way from a thread of the store to the event loops that wait for them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from parcae_adapters.wakeups import call_into

Waiting = asyncio.Future[Any]
Outcome = tuple[Waiting, Any, BaseException | None]
"""Who waits, what it gets, and what it gets instead."""


def deliver(outcomes: Iterable[Outcome]) -> None:
    """Hand them over, with one call into each event loop."""
    by_loop: defaultdict[asyncio.AbstractEventLoop, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_loop[outcome[0].get_loop()].append(outcome)
    for loop, mine in by_loop.items():
        call_into(loop, _settle, mine)


def _settle(outcomes: list[Outcome]) -> None:
    for waiting, result, error in outcomes:
        # Who was cancelled meanwhile waits no more; the others of its group are not concerned.
        if waiting.done():
            continue
        if error is None:
            waiting.set_result(result)
        elif isinstance(error, StopIteration):
            # A future cannot hold this one; a coroutine that raises it raises RuntimeError, too.
            waiting.set_exception(RuntimeError("the rule raised StopIteration"))
        else:
            waiting.set_exception(error)
