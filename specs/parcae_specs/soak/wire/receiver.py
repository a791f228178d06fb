"""``python -m parcae_specs.soak.wire.receiver FOLDER PORT``: a moody receiver of webhooks.

It writes down what came and what it is going to answer, and has that on the disk, before it
answers; and it answers as it likes until a file called ``calm`` is there.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from aiohttp import web
from attrs import frozen

GOT, SECRET, CALM, READY = "got.jsonl", "secret", "calm", "receiver.port"

MOODS = ("take", "fail", "later", "hang", "close")
WEIGHTS = (80, 8, 5, 2, 5)
"""In a hundred: 204, 500, 429 with Retry-After, no answer at all, and the connection closed."""
HANG = 60.0
"""Seconds: longer than anybody waits."""


@frozen(kw_only=True)
class Receipt:
    """Something that came.

    Attributes:
        id: that of the webhook.
        signed: when it was signed, in seconds since the epoch.
        signature: over all of it.
        body: as it came.
        mood: how it was answered.
    """

    id: str
    signed: int
    signature: str
    body: bytes
    mood: str


def receipts(folder: Path) -> Iterator[Receipt]:
    """What a receiver wrote down, in order."""
    for line in (folder / GOT).read_bytes().splitlines():
        found = json.loads(line)
        found["body"] = base64.b64decode(found["body"])
        yield Receipt(**found)


class Receiver:
    """One that listens.

    Args:
        folder: where it writes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self._file = os.open(folder / GOT, flags, 0o600)

    async def hear(self, request: web.Request) -> web.StreamResponse:
        """Write it down, and answer."""
        body = await request.read()
        calm = (self._folder / CALM).exists()
        mood = "take" if calm else random.choices(MOODS, WEIGHTS)[0]
        self._write(request, body, mood)
        if mood == "hang":
            await asyncio.sleep(HANG)
        if mood in ("hang", "close"):
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        if mood == "later":
            return web.Response(status=429, headers={"Retry-After": "2"})
        return web.Response(status=204 if mood == "take" else 500)

    def _write(self, request: web.Request, body: bytes, mood: str) -> None:
        line = {
            "id": request.headers["webhook-id"],
            "signed": int(request.headers["webhook-timestamp"]),
            "signature": request.headers["webhook-signature"],
            "body": base64.b64encode(body).decode(),
            "mood": mood,
        }
        # In one go, so that a kill leaves a whole line or none.
        os.write(self._file, json.dumps(line).encode() + b"\n")
        os.fsync(self._file)


async def main(folder: Path, port: int) -> None:
    """Listen until killed."""
    app = web.Application()
    app.router.add_post("/hooks", Receiver(folder).hear)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    made = folder / f"{READY}.{os.getpid()}"
    made.write_text(str(runner.addresses[0][1]))
    made.rename(folder / READY)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
