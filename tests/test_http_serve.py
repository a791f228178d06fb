"""``parcae serve`` as a process of its own: what it prints, what it runs, and how it stops."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import sqlite3
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

import pytest
from aiohttp import ClientSession, TCPConnector
from http_server import TOKENS, access, served, serving

from parcae import Context, Engine, Jobs, OnLost, Timing, seconds
from parcae_adapters.http.app import CLOSING, make_app
from parcae_adapters.http.listening import Address, listening, tls
from parcae_adapters.http.route import Scope
from parcae_adapters.http.serve import Serving, Settings, reconciling
from parcae_adapters.memory import MemoryStore

SHOP = """
from parcae import Context, Jobs
jobs = Jobs()

@jobs.job("greet")
def greet(ctx: Context, name: str) -> str:
    return f"hello {name}"
"""


class Process:
    """A server in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stderr is not None
        self.err: IO[str] = process.stderr
        self.token = self._after("the token is: ")
        self.url = self._after("Serving on ")

    def _after(self, words: str) -> str:
        for line in self.err:
            if words in line:
                return line.partition(words)[2].strip()
        raise AssertionError(f"it ended before it said {words!r}")

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of an answer."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)


@contextmanager
def server(folder: Path, *options: str) -> Iterator[Process]:
    """``parcae serve`` in ``folder``."""
    (folder / "shop.py").write_text(SHOP)
    process = subprocess.Popen(
        (
            *(sys.executable, "-m", "parcae_adapters.cli", "serve", *options),
            *("--listen", "127.0.0.1:0", "--db", "jobs.db"),
        ),
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Process(process)
    finally:
        process.kill()
        process.communicate()


def test_given_a_server_with_workers_when_it_is_told_to_stop_then_it_ends_what_is_under_way(
    tmp_path: Path,
) -> None:
    """L6: what was asked before the stop is answered, and the store is whole."""
    with server(tmp_path, "shop:jobs", "--workers", "2") as running:
        admitted = running.ask("POST", "/v1/jobs", {"kind": "greet", "arguments": {"name": "a"}})
        job: dict[str, Any] = {"status": ""}
        until = time.monotonic() + 20
        while job["status"] != "completed" and time.monotonic() < until:
            job = running.ask("GET", f"/v1/jobs/{admitted['id']}?payload=true")
        assert job["results"] == {"run": "hello a"}

        late = asyncio.run(_half_a_request(running))
        assert late.startswith("HTTP/1.1 201"), late
        out, err = running.process.communicate(timeout=20)
        assert running.process.returncode == 0, err
        assert running.token not in err
        with closing(sqlite3.connect(tmp_path / "jobs.db")) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert not out


async def _half_a_request(running: Process) -> str:
    """Begin a request, have the server stop, and send the rest of it once it takes no more."""
    port = int(running.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps({"kind": "greet", "arguments": {"name": "b"}})
    head = (
        f"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {running.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write((head + body[:10]).encode())
    await writer.drain()
    # An answer on another connection: by then the half request is being read.
    await asyncio.to_thread(running.ask, "GET", "/livez")
    running.process.send_signal(signal.SIGTERM)
    with suppress(OSError):
        while True:
            _, probe = await asyncio.open_connection("127.0.0.1", port)
            probe.close()
            await asyncio.sleep(0.01)
    writer.write(body[10:].encode())
    answer = await reader.read()
    writer.close()
    return answer.decode()


def test_given_a_stop_when_it_is_announced_then_readyz_says_so_and_livez_does_not() -> None:
    async def main() -> None:
        async with Engine(MemoryStore()) as engine:
            app = make_app(engine, access=access())
            async with served(app) as url, ClientSession() as session:
                for path, status in (("/readyz", 200), ("/livez", 200)):
                    async with session.get(url + path) as got:
                        assert got.status == status
                app[CLOSING].set()
                for path, status in (("/readyz", 503), ("/livez", 200)):
                    async with session.get(url + path) as got:
                        assert got.status == status

    asyncio.run(main())


def test_given_no_worker_when_a_lease_is_lost_then_the_server_reconciles_it() -> None:
    """L3, in real time."""
    lost = Jobs()

    @lost.job("lost", on_lost=OnLost(action="fail"), timing=Timing(lease=seconds(0.05)))
    def job(ctx: Context) -> None:
        """Its worker dies."""

    async def main() -> None:
        async with Engine(MemoryStore()) as engine:
            handle = await engine.submit(job())
            await engine.claim("w", frozenset({"lost"}), request="1")  # type: ignore[arg-type]
            async with reconciling(engine, every=timedelta(milliseconds=20)):
                outcome = await handle.wait(timedelta(seconds=20))
            assert outcome.reconciled

    asyncio.run(main())


def test_given_components_then_they_live_as_long_as_the_server_and_end_before_the_store() -> None:
    said: list[str] = []

    class Store(MemoryStore):
        async def close(self) -> None:
            said.append("store")
            await super().close()

    class Part:
        def __init__(self, engine: Engine) -> None:
            self.engine = engine

        async def __aenter__(self) -> None:
            said.append("in")

        async def __aexit__(self, *_: object) -> None:
            await self.engine.store.log()
            said.append("out")

    async def main() -> None:
        settings = Settings(listen=Address(host="127.0.0.1", port=0), workers=0)
        serving = Serving(Store, settings, components=(Part,), tell=said.append)

        def ready(url: str) -> None:
            said.append(url)
            serving.stop()

        await serving.run(ready)

    asyncio.run(main())
    assert said[0].startswith("parcae_")
    assert [said[1], *said[3:]] == ["in", "out", "store"]
    assert said[2].startswith("http://127.0.0.1:")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl, to make a certificate")
def test_given_a_certificate_then_the_server_speaks_tls_and_nothing_older_than_1_2(
    tmp_path: Path,
) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        (
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-keyout", str(key), "-out", str(certificate), "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
        ),
        check=True,
        capture_output=True,
    )
    with pytest.raises(ValueError, match="cannot use"):
        tls(key, certificate)

    async def main() -> None:
        async with Engine(MemoryStore()) as engine:
            app, here = make_app(engine, access=access()), Address(host="127.0.0.1", port=0)
            context = ssl.create_default_context(cafile=certificate)
            old = ssl.create_default_context(cafile=certificate)
            old.maximum_version = ssl.TLSVersion.TLSv1_2
            async with listening(app, here, context=tls(certificate, key), drain=1) as url:
                assert url.startswith("https://")
                for one in (context, old):
                    connector = TCPConnector(ssl=one)
                    headers = {"Authorization": f"Bearer {TOKENS[Scope.READ]}"}
                    async with (
                        ClientSession(connector=connector, headers=headers) as session,
                        session.get(f"{url}/v1/jobs") as got,
                    ):
                        assert got.status == 200
            assert tls(certificate, key).minimum_version is ssl.TLSVersion.TLSv1_2

    asyncio.run(main())


def test_given_the_metrics_when_two_ask_at_once_then_nothing_is_counted_twice() -> None:
    async def main() -> None:
        async with Engine(MemoryStore()) as engine, serving(engine) as client:
            for _ in range(3):
                assert (await client("POST", "/v1/jobs", json={"kind": "a"})).status == 201
            answers = await asyncio.gather(*(client("GET", "/metrics") for _ in range(5)))
            for one in answers:
                text = await one.text()
                assert 'parcae_events_total{event="submitted",kind="a",queue="default"} 3.0' in text

    asyncio.run(main())
