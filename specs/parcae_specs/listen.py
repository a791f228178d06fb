"""Reading server-sent events as the standard says (HTML Living Standard, 9.2.6)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from attrs import define


class Lines(Protocol):
    """Where lines come from."""

    async def readline(self) -> bytes:
        """One line with its end; empty: there are no more."""
        ...


@define
class Said:
    """One block: an event where it has data, else how far it is."""

    id: str = ""
    event: str = ""
    data: str = ""


async def blocks(lines: Lines) -> AsyncIterator[Said]:
    """Every block that is whole and says something; one that was torn off is none."""
    said = Said()
    while line := await lines.readline():
        if not line.endswith(b"\n"):
            return
        text = line.decode().rstrip("\r\n")
        if text:
            field, _, value = text.partition(":")
            if field in ("id", "event", "data"):
                setattr(said, field, value.removeprefix(" "))
        elif said != Said():
            yield said
            said = Said()
