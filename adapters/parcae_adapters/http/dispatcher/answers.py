"""What receivers answer, as far as it is read: a bounded beginning, and for how long to wait."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import aiohttp

from parcae.deliveries import LONGEST_WAIT

MOST = 4_096
"""Bytes of an answer that are read. What is longer costs its receiver the connection."""

PATIENCE = 2.0
"""Seconds for the rest of an answer, once its status is there, which alone counts."""


def retry_after(value: str | None, now: datetime) -> timedelta | None:
    """For how long a receiver asks to be left alone (RFC 9110, 10.2.3).

    Args:
        value: of the header: seconds, or an HTTP date.
        now: the present instant, aware.

    Returns:
        At least nothing, and at most :data:`LONGEST_WAIT`; ``None``: it says nothing that can be
        understood.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:9])), LONGEST_WAIT)
    try:
        then = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    # A date that says -0000 instead of GMT comes out naive, and means the same.
    aware = then if then.tzinfo is not None else then.replace(tzinfo=UTC)
    try:
        return min(max(aware - now, timedelta(0)), LONGEST_WAIT)
    except OverflowError:
        return None


async def beginning(response: aiohttp.ClientResponse) -> str:
    """The beginning of the body. If there is more, or it is slow, the connection is given up."""
    content = response.content
    found = b""
    if content.is_eof():
        found = content.read_nowait()
    else:
        with suppress(TimeoutError, aiohttp.ClientError, OSError):
            async with asyncio.timeout(PATIENCE):
                while len(found) < MOST and not content.at_eof():
                    found += await content.readany()
    if not content.at_eof():
        response.close()
    return found[:MOST].decode("utf-8", "replace")
