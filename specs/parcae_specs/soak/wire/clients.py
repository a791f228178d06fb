"""Who asks the server of the soak: those who submit, and those who read the stream of events."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import suppress
from urllib.parse import urlsplit

from attrs import define, field

from parcae.errors import Unavailable
from parcae_adapters.http.remote import RemoteEngine
from parcae_specs.listen import Said, blocks
from parcae_specs.soak.wire.work import parcel

PAUSE = 0.05
"""Seconds before somebody who had no answer asks again."""
TWICE = 0.2
"""Of so many submissions the answer is taken for lost although it was not."""
TORN = 0.01
"""After so many events the reader itself tears the connection."""


@define
class Desk:
    """Whoever submits.

    Attributes:
        acked: the ids of the jobs that were answered, by the key of the submission.
        repeats: how many answers never came, or were taken for lost.
    """

    acked: dict[str, list[str]] = field(factory=dict)
    repeats: int = 0

    async def submit(
        self, engine: RemoteEngine, number: int, chance: random.Random, pace: float
    ) -> None:
        """Submit until there is an answer, and sometimes once more; within twice ``pace`` seconds,
        so that kills come in between."""
        await asyncio.sleep(chance.uniform(0, 2 * pace))
        key = f"parcel-{number}"
        again = chance.random() < TWICE
        while True:
            try:
                handle = await engine.submit(parcel(number), idempotency_key=key)
            except Unavailable:
                self.repeats += 1
                await asyncio.sleep(PAUSE)
                continue
            self.acked.setdefault(key, []).append(handle.job_id)
            if not again:
                return
            again = False
            self.repeats += 1


@define
class Reader:
    """Whoever reads the stream of events, and comes again with the last id that it has.

    Attributes:
        query: which events, from the beginning of the log.
        token: lets it read.
        got: position, id and type of each event, in the order in which they came.
        resets: what was said to be missing.
        last: how far it is.
        connections: how many it has had.
    """

    query: str
    token: str
    got: list[tuple[int, str, str]] = field(factory=list)
    resets: list[str] = field(factory=list)
    last: str = "0"
    connections: int = 0

    async def read(self, url: str, chance: random.Random) -> None:
        """Read until cancelled."""
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._once(url, chance)
            await asyncio.sleep(PAUSE)

    async def _once(self, url: str, chance: random.Random) -> None:
        where = urlsplit(url)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        try:
            head = f"GET /v1/events?{self.query} HTTP/1.0\r\nHost: {where.netloc}\r\n"
            told = f"Authorization: Bearer {self.token}\r\nLast-Event-ID: {self.last}\r\n\r\n"
            writer.write((head + told).encode())
            if b" 200 " not in await reader.readline():
                return
            while (await reader.readline()).strip():
                pass
            self.connections += 1
            async for said in blocks(reader):
                self._hear(said)
                if chance.random() < TORN:
                    return
        finally:
            writer.transport.abort()

    def _hear(self, said: Said) -> None:
        self.last = said.id or self.last
        if said.event == "reset":
            self.resets.append(said.data)
        elif said.data:
            told = json.loads(said.data)
            self.got.append((int(said.id), told["id"], told["type"]))
