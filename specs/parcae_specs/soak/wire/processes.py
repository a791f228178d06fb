"""The processes of the soak: a server, workers without its database, a receiver; and their ends."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from attrs import define, field

from parcae_specs.soak.wire.receiver import READY

DATABASE, TOKENS, TOKEN = "jobs.db", "tokens.toml", "token"
SERVER, RECEIVER, WORKERS = "server", "receiver", ("worker 1", "worker 2")
NAMES = (SERVER, RECEIVER, *WORKERS)
SOON = 60.0
"""Seconds in which a process has to be there."""
GLANCE = 0.02
TRIES = 5
"""So often a process is started that ends at once."""
AGES = ("--keep-delivered", "365d", "--keep-dead", "365d")
"""Nothing is forgotten while clocks are put ahead."""

Process = subprocess.Popen[bytes]


@define
class Processes:
    """All of them, each under its name, on ports that they keep over their lives.

    Attributes:
        folder: where they work.
        ahead: seconds by which the next server's clock is ahead of this machine's.
        lives: of the servers: when each was started, by this machine, and how far it was ahead.
        ports: of the server and the receiver, once they have one.
        running: by name.
        fell: what ended although nobody had killed it.
    """

    folder: Path
    ahead: float = 0.0
    lives: list[tuple[float, float]] = field(factory=list)
    ports: dict[str, int] = field(factory=dict)
    running: dict[str, Process] = field(factory=dict)
    fell: list[str] = field(factory=list)

    @property
    def url(self) -> str:
        """Of the server."""
        return f"http://127.0.0.1:{self.ports[SERVER]}"

    @property
    def hooks(self) -> str:
        """Where the receiver listens."""
        return f"http://localhost:{self.ports[RECEIVER]}/hooks"

    async def ensure(self) -> None:
        """Start whoever is not there, and return once all can be spoken to."""
        for name in NAMES:
            one = self.running.get(name)
            if one is not None and one.poll() is not None:
                self.fell.append(f"{name} ended by itself with {one.returncode}")
                one = None
            if one is None:
                await self._start(name)

    def kill(self, name: str) -> None:
        """End one without a word."""
        one = self.running.pop(name)
        one.kill()
        one.wait()

    async def restart(self, ahead: float) -> None:
        """Have the server stop in peace, and start again so many seconds later by its clock."""
        one = self.running.pop(SERVER)
        one.terminate()
        if code := await asyncio.to_thread(one.wait, SOON):
            self.fell.append(f"{SERVER} was told to stop, and ended with {code}")
        self.ahead += ahead
        await self.ensure()

    def disband(self) -> None:
        """End all of them."""
        for name in list(self.running):
            self.kill(name)

    async def _start(self, name: str) -> None:
        for _ in range(TRIES):
            self._spawn(name)
            if name in WORKERS or await self._answers(name):
                return
        self.fell.append(f"{name} does not start")

    def _spawn(self, name: str) -> None:
        if name == SERVER:
            self.lives.append((time.time(), self.ahead))
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, "-m", *self._command(name)],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _command(self, name: str) -> Sequence[str]:
        module = "parcae_specs.soak.wire"
        if name == RECEIVER:
            return (f"{module}.receiver", ".", str(self.ports.get(name, 0)))
        if name == SERVER:
            where = f"127.0.0.1:{self.ports.get(name, 0)}"
            return (
                *(f"{module}.ahead", str(self.ahead), "serve", "--db", DATABASE),
                *("--tokens", TOKENS, "--listen", where, "--allow-host", "localhost"),
                *("--allow-http", "--answer-within", "2s", *AGES),
            )
        jobs = f"{module}.work:jobs"
        return ("parcae_adapters.cli", "worker", jobs, "--url", self.url, "--token-file", TOKEN)

    async def _answers(self, name: str) -> bool:
        """Return once it takes connections; whether it does.

        It may have found its port taken: whoever connects anywhere meanwhile is given some port.
        """
        async with asyncio.timeout(SOON):
            while not await self._connects(name):
                if self.running[name].poll() is not None:
                    return False
                await asyncio.sleep(GLANCE)
        return True

    async def _connects(self, name: str) -> bool:
        if name not in self.ports:
            found = self._first_port(name)
            if found is None:
                return False
            self.ports[name] = found
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", self.ports[name])
            writer.close()
            return True
        return False

    def _first_port(self, name: str) -> int | None:
        """What was given to one that asked for any."""
        if name == RECEIVER:
            path = self.folder / READY
            return int(path.read_text()) if path.exists() else None
        said = (self.folder / f"{name}.log").read_text()
        _, _, after = said.partition("Serving on http://127.0.0.1:")
        return int(after.split()[0]) if "\n" in after else None
