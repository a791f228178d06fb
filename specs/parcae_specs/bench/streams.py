"""Many event streams from one process, over real sockets: does each get every event in order?

The server and the store are in this process, the readers in another. Some take nothing: they have
to be cut off, and must not slow the others. Whether what was read is right is checked; the lag is
measured, from the instant in an event until its last reader has it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from aiohttp import web
from attrs import frozen

from parcae import commands as c
from parcae.engine import Engine
from parcae_adapters.http.access import Access, new_token
from parcae_adapters.http.app import make_app
from parcae_adapters.http.route import Scope
from parcae_adapters.http.routes.events import PACE, TAIL, Pace
from parcae_adapters.http.tail import Tail
from parcae_adapters.sqlite import SqliteStore
from parcae_specs.bench.claims import write
from parcae_specs.drive import Driver

LAST = "parcae.job.cancelled"
STALL = 5.0
"""Seconds that a reader may take nothing; a server that is not measured has more patience."""

PATIENCE = 120.0
"""Seconds in which everybody has to have read everything, once all has happened."""

LITTLE = 4_096
"""Bytes that the system takes in for a slow reader, which it would else do for a long time."""


@frozen(kw_only=True)
class Found:
    """What was seen.

    Attributes:
        streams: that read.
        slow: that took nothing.
        right: of those that read, how many got every event once and in order.
        cut_off: of the slow ones, how many the server had let go before the end.
        events: in the log.
        lags: of each event, seconds until the last reader had it.
        seconds: of the server's processor.
    """

    streams: int
    slow: int
    right: int
    cut_off: int
    events: int
    lags: Sequence[float]
    seconds: float


async def measure(
    folder: Path, *, streams: int, slow: int, jobs: int, pause: float, flood: int
) -> Found:
    """Serve a store to that many readers while jobs run.

    Args:
        folder: where the store is made.
        streams: readers that read.
        slow: readers that take nothing.
        jobs: how many run, one after the other.
        pause: seconds between two of them.
        flood: notes that are written first, for the buffers of the system take a good deal before
            anybody can tell that a reader is slow.
    """
    store, token = SqliteStore(folder / "jobs.db"), new_token()
    app = make_app(Engine(store=store), access=Access.of(("bench", token, (Scope.READ,))))
    app[PACE] = Pace(stall=STALL)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=5)
    await runner.setup()
    readers = None
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=4_096).start()
        readers = await _readers(runner.addresses[0][1], token, streams, slow)
        await _standing(app[TAIL], streams + slow, readers)
        driver, began = Driver(store), time.process_time()
        await _work(driver, jobs, pause, flood)
        left = app[TAIL].readers
        await driver.tell(await driver.submit(), c.Cancel())
        async with asyncio.timeout(PATIENCE):
            output, _ = await readers.communicate()
        seconds = time.process_time() - began
        log = await _log(store)
    finally:
        if readers is not None and readers.returncode is None:
            readers.kill()
        await runner.cleanup()
        await store.close()
    told = json.loads(output)
    expected = [position for position, _ in log]
    return Found(
        streams=streams,
        slow=slow,
        right=sum(expected == [int(one) for one in ids] for ids in told["ids"]),
        cut_off=streams + slow - left,
        events=len(log),
        lags=[told["last"][str(position)] - at for position, at in log],
        seconds=seconds,
    )


async def _standing(tail: Tail, number: int, readers: asyncio.subprocess.Process) -> None:
    """Return once so many streams stand.

    Raises:
        RuntimeError: whoever was to read has ended.
    """
    while tail.readers < number:
        if readers.returncode is not None:
            raise RuntimeError(f"the readers ended with {readers.returncode} before they had read")
        await asyncio.sleep(0.01)


async def _work(driver: Driver, jobs: int, pause: float, flood: int) -> None:
    if flood:
        job = await driver.submit()
        for _ in range(flood // 100):
            note = c.Annotate(by="x" * 200, note="")
            await asyncio.gather(*(driver.tell(job, note) for _ in range(100)))
            # About as fast as that many readers can be told.
            await asyncio.sleep(4 * pause)
        await asyncio.sleep(STALL + 2)
        (granted,) = await driver.claim()
        await driver.work(granted)
    for _ in range(jobs):
        await driver.finished()
        await asyncio.sleep(pause)


async def _log(store: SqliteStore) -> list[tuple[int, float]]:
    found: list[tuple[int, float]] = []
    page = await store.log()
    while page:
        found += [(one.position, one.event.at.timestamp()) for one in page]
        page = await store.log(page[-1].position)
    return found


async def _readers(port: int, token: str, streams: int, slow: int) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "parcae_specs.bench.streams", "--reader"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    asked = {"port": port, "token": token, "streams": streams, "slow": slow}
    process.stdin.write(json.dumps(asked).encode())
    process.stdin.close()
    return process


async def read_all(port: int, token: str, streams: int, slow: int) -> str:
    """In the other process: what each reader got, and when the last one had each event."""
    last: dict[str, float] = {}
    many = [asyncio.create_task(_read(port, token, last)) for _ in range(streams)]
    idle = [await _open(port, token, LITTLE) for _ in range(slow)]
    ids = await asyncio.gather(*many)
    for _, writer in idle:
        writer.close()
    return json.dumps({"ids": ids, "last": last})


async def _open(
    port: int, token: str, buffer: int | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    made = socket.socket()
    made.setblocking(False)
    if buffer is not None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=made, limit=2**16)
    asked = f"GET /v1/events?after=0 HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n"
    writer.write(f"{asked}Authorization: Bearer {token}\r\n\r\n".encode())
    await writer.drain()
    return reader, writer


async def _read(port: int, token: str, last: dict[str, float]) -> list[str]:
    ids: list[str] = []
    reader, writer = await _open(port, token)
    now = datetime.now
    while line := await reader.readline():
        if line.startswith(b"id: "):
            ids.append(line[4:-1].decode())
            last[ids[-1]] = now().timestamp()
        elif line.startswith(b"event: ") and line[7:-1].decode() == LAST:
            break
    writer.close()
    return ids


def section(alone: Found, beside: Found) -> str:
    """The section of the page."""
    rows = "\n".join(
        f"| {one.streams} | {one.slow} | {one.events} | {one.right} | {one.cut_off} "
        f"| {1_000 * statistics.median(one.lags):.0f} | {1_000 * _most(one.lags):.0f} "
        f"| {1_000_000 * one.seconds / (one.events * one.streams):.0f} |"
        for one in (alone, beside)
    )
    return f"""## Event streams

One server process on a SQLite file, all readers in one other process on the same machine. The lag
of an event is that of its last reader, in milliseconds; the processor time is that of the server's
process, for each event and stream, in microseconds. Slow readers take nothing; the load is the same
without them: notes in bursts of a hundred, then jobs one by one. Repeat it with
`python -m parcae_specs.bench.streams`.

| streams | slow beside | events | got all in order | slow cut off | median lag | 99 % | µs |
|---|---|---|---|---|---|---|---|
{rows}
"""


def _most(lags: Sequence[float]) -> float:
    return statistics.quantiles(lags, n=100)[-1]


def main() -> int:
    """Measure, tell, and write it down where asked to."""
    parser = argparse.ArgumentParser(prog="python -m parcae_specs.bench.streams")
    parser.add_argument("--streams", type=int, default=1_000, help="that read (1000)")
    parser.add_argument("--slow", type=int, default=20, help="that take nothing (20)")
    parser.add_argument("--jobs", type=int, default=40, help="that run (40)")
    parser.add_argument("--pause", type=float, default=0.4, help="seconds between them (0.4)")
    parser.add_argument("--flood", type=int, default=1_000, help="notes for slow readers (1000)")
    parser.add_argument("--folder", help="on the disk that is to be measured")
    parser.add_argument("--write", type=Path, help="the page whose section is to be replaced")
    parser.add_argument("--reader", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if given.reader:
        sys.stdout.write(asyncio.run(read_all(**json.load(sys.stdin))))
        return 0
    found: list[Found] = []
    for slow in (0, given.slow):
        with tempfile.TemporaryDirectory(prefix="parcae-", dir=given.folder) as folder:
            measured = measure(
                Path(folder),
                streams=given.streams,
                slow=slow,
                jobs=given.jobs,
                pause=given.pause,
                flood=given.flood,
            )
            found.append(asyncio.run(measured))
    text = section(*found)
    sys.stdout.write(text)
    if given.write is not None:
        write(given.write, text)
    return 0 if all(one.right == one.streams and one.cut_off == one.slow for one in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
