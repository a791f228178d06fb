"""The air gap: under a seal nothing of ours opens a connection; all of it arrives once unsealed."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from hooks import Receiver, all_delivered, greet, listed, receiving, until

from parcae import Engine, Status
from parcae.deliveries import webhook_id
from parcae.filters import Filter
from parcae.outbox_engine import OutboxEngine
from parcae.ports import Query
from parcae_adapters.http.whsec import new_secret
from parcae_adapters.sqlite import SqliteStore

ROOT = Path(__file__).parents[1]
JOBS = 5
ENDS = Filter(types=["completed"])

# Whatever Python does, in whatever library, to reach somebody goes through one of these.
TRACED = """
import os, sys
seen = os.open(os.environ["TRACE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def hook(event, args):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo"):
        where = args[0] if event == "socket.getaddrinfo" else args[1:]
        os.write(seen, f"{event} {where}\\n".encode())
sys.addaudithook(hook)
from parcae_adapters.cli.app import parcae
parcae()
"""


@asynccontextmanager
async def served(database: Path, trace: Path, *more: str, **environ: str) -> AsyncIterator[None]:
    """The whole of it in one process: interface, workers, reconciler, dispatcher."""
    folders = (ROOT / one for one in ("kernel", "adapters", "specs", "tests"))
    reach = ("--allow-host", "localhost", "--allow-http")
    work = ("hooks:jobs", "--workers", "2", "--listen", "127.0.0.1:0")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", TRACED, "serve", *work, *reach, *more, "--db", str(database)),
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, folders)),
            "TRACE": str(trace),
            **environ,
        },
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        while b"Serving on" not in (line := await process.stderr.readline()):
            assert line, "it has ended"
        yield
        assert process.returncode is None
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 0


def _reached(trace: Path) -> list[str]:
    """Whom the process reached out to, its own resolving of where to listen left out."""
    lines = trace.read_text().splitlines()
    return [one for one in lines if one != "socket.getaddrinfo 127.0.0.1"]


async def _owed(engine: Engine, receiver: Receiver) -> OutboxEngine:
    outbox = OutboxEngine(engine.store)
    await outbox.subscribe("hook", receiver.url(), wanted=ENDS, secret=new_secret())
    for one in range(JOBS):
        await engine.submit(greet(str(one)))
    return outbox


async def _ended(engine: Engine) -> bool:
    count = await engine.store.count(Query())
    return count.get(Status.COMPLETED, 0) == JOBS


def test_given_a_seal_when_everything_runs_then_no_connection_is_opened_and_all_arrives_later(
    tmp_path: Path,
) -> None:
    """S15: none begins under a seal; what was withheld keeps its ids."""

    async def main() -> None:
        database, sealed, opened = (tmp_path / one for one in ("jobs.db", "sealed", "opened"))
        async with receiving() as receiver, Engine(SqliteStore(str(database))) as engine:
            outbox = await _owed(engine, receiver)
            async with served(database, sealed, PARCAE_SEALED="1"):
                await until(lambda: _ended(engine))
                await until(lambda: _is_sealed(outbox))
            assert _reached(sealed) == []
            assert receiver.got == []
            ids = {webhook_id(one.id) for one in await listed(outbox, "hook")}
            assert len(ids) == JOBS
            # Started without it, it is still sealed.
            async with served(database, sealed):
                await asyncio.sleep(0.3)
            assert _reached(sealed) == []
            await outbox.unseal(by="ann")
            async with served(database, opened):
                await until(lambda: all_delivered(outbox, "hook", JOBS))
            assert any("socket.connect" in one for one in _reached(opened))
            assert set(receiver.ids) == ids
            assert len(receiver.got) == JOBS
            assert all(json.loads(one.body)["type"].endswith("completed") for one in receiver.got)

    asyncio.run(main())


async def _is_sealed(outbox: OutboxEngine) -> bool:
    return (await outbox.sealed()).closed


OPENERS = {
    "ClientSession",
    "TCPConnector",
    "HTTPConnection",
    "HTTPSConnection",
    "create_connection",
    "create_datagram_endpoint",
    "getaddrinfo",
    "open_connection",
    "open_unix_connection",
    "sock_connect",
    "connect_ex",
    "urlopen",
}


def _called(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func
            found = name.attr if isinstance(name, ast.Attribute) else getattr(name, "id", "")
            # As a base class or called: a session of anybody's own would know no seal.
            yield found
        elif isinstance(node, ast.ClassDef):
            yield from (base.attr for base in node.bases if isinstance(base, ast.Attribute))


def test_given_all_modules_then_one_alone_opens_connections() -> None:
    """Rule 12: the seal is enforced in one place, so there must be one."""
    modules = [*ROOT.glob("adapters/**/*.py"), *ROOT.glob("kernel/**/*.py")]
    openers = {one.name for one in modules if OPENERS & set(_called(one))}
    assert openers == {"outbound.py"}
