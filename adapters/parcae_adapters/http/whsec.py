"""Secrets of webhooks as Standard Webhooks 1.0 writes them: ``whsec_`` and 24 to 64 bytes."""

from __future__ import annotations

import base64
import binascii
import secrets

PREFIX = "whsec_"
LEAST, MOST = 24, 64
"""Bytes, as the standard has it."""
BYTES = 32


def new_secret() -> bytes:
    """A secret that nobody has had before."""
    return (PREFIX + base64.b64encode(secrets.token_bytes(BYTES)).decode()).encode()


def checked(text: str) -> bytes:
    """A secret that somebody has brought along.

    Raises:
        ValueError: it is none; says what was expected, and nothing of the secret.
    """
    says = f"expected a secret such as {PREFIX}…, of {LEAST} to {MOST} bytes written in base64"
    if not text.startswith(PREFIX) or not text.isascii():
        raise ValueError(says)
    try:
        found = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(says) from None
    if not LEAST <= len(found) <= MOST:
        raise ValueError(says)
    return text.encode()
