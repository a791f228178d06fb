"""Page tokens: opaque, so that what they hold may change; made up ones are refused."""

from __future__ import annotations

import base64
import binascii

from parcae_adapters.http.problems import BAD_INPUT, Fault, Problem
from parcae_adapters.http.route import Param

PAGE_TOKEN = Param(
    name="page_token",
    description="`next_page_token` of the page before; empty: the first page.",
    default="",
    most=400,
)


def limit(most: int = 1_000, default: int = 100) -> Param:
    """How much a page holds."""
    return Param(
        name="limit", kind=int, description="How many at most.", default=default, least=1, most=most
    )


def token(cursor: str) -> str:
    """The token that leads on from ``cursor``; empty: there is no further page."""
    return base64.urlsafe_b64encode(cursor.encode()).decode().rstrip("=")


def cursor(given: str) -> str:
    """What :func:`token` was given.

    Raises:
        Problem: it is no token that this server has given.
    """
    try:
        found = base64.b64decode(given + "=" * (-len(given) % 4), altchars=b"-_", validate=True)
        text = found.decode("utf-8")
    except (binascii.Error, ValueError):
        text = "\0"
    if not text.isprintable() or token(text) != given:
        says = "expected a next_page_token that this server gave"
        fault = Fault(field="page_token", expected=says)
        raise Problem(BAD_INPUT, f"page_token: {says}", faults=(fault,))
    return text


def number(given: str) -> int:
    """Like :func:`cursor`, where it is a number; an empty one is 0.

    Raises:
        Problem: it is no token that this server has given.
    """
    text = cursor(given)
    if text and not (text.isascii() and text.isdigit() and len(text) < 19):
        return number("!")
    return int(text or "0")
