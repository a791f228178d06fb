"""The plain program: an aiohttp handler that commits one row, with group commit."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import threading
from queue import SimpleQueue
from typing import Any

from aiohttp import web

Waiting = tuple[bytes, asyncio.Future[int]]


class Committer:
    """One thread that commits what has come, together, at ``synchronous=FULL``."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._queue: SimpleQueue[Waiting] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._work, daemon=True).start()

    def put(self, row: bytes) -> asyncio.Future[int]:
        """The id of the row, once it is durable."""
        waiting: asyncio.Future[int] = self._loop.create_future()
        self._queue.put((row, waiting))
        return waiting

    def _work(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, body BLOB)")
        while True:
            group = [self._queue.get()]
            while not self._queue.empty():
                group.append(self._queue.get())
            connection.execute("BEGIN IMMEDIATE")
            insert = "INSERT INTO t (body) VALUES (?)"
            ids = [connection.execute(insert, (row,)).lastrowid for row, _ in group]
            connection.execute("COMMIT")
            self._loop.call_soon_threadsafe(_deliver, group, ids)


def _deliver(group: list[Waiting], ids: list[Any]) -> None:
    for (_, waiting), found in zip(group, ids, strict=True):
        waiting.set_result(found)


async def serve(path: str) -> None:
    """Serve until somebody kills us; the port is told on standard output."""
    committer = Committer(path)

    async def handler(request: web.Request) -> web.Response:
        body = await request.read()
        json.loads(body)
        found = await committer.put(body)
        return web.json_response({"id": found}, status=201)

    app = web.Application()
    app.router.add_post("/jobs", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
