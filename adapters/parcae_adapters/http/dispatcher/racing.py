"""Waiting for whichever comes first."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any


async def first(*things: Coroutine[Any, Any, object], within: timedelta | None = None) -> None:
    """Return once one of these is done, which may raise, or time is up; the others are let go."""
    tasks = [asyncio.ensure_future(one) for one in things]
    try:
        timeout = None if within is None else max(0.0, within.total_seconds())
        done, _ = await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        for one in done:
            one.result()
    finally:
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
