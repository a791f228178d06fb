"""The worker processes: started, killed, replaced, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from parcae.values import WorkerId

SIZE = 2
CONCURRENCY = 8
LOG = "workers.log"

PATIENCE = 10.0
"""Seconds that a worker has to stop in before it is killed."""


class CrewFailed(Exception):
    """A worker cannot work here."""


class Crew:
    """Two workers on one database; whichever is killed is replaced.

    Args:
        stage: the folder that holds the database, and where their log goes.
        database: the path of the database.
    """

    def __init__(self, stage: Path, database: Path) -> None:
        self.killed: list[WorkerId] = []
        self._stage = stage
        self._database = database
        self._hired = 0
        self._alive: dict[WorkerId, subprocess.Popen[bytes]] = {}
        self._log: IO[bytes] | None = None

    def __enter__(self) -> Self:
        """Start the workers."""
        self._log = (self._stage / LOG).open("ab")
        try:
            for _ in range(SIZE):
                self._hire()
        except BaseException:
            self._dismiss()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop them: politely where all went well, at once where it did not."""
        self._dismiss(politely=kind is None)

    def kill(self, worker: WorkerId) -> bool:
        """Kill a worker that is alive; whether it was."""
        process = self._alive.get(worker)
        if process is None or process.poll() is not None:
            return False
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True

    def replace_the_dead(self) -> list[tuple[WorkerId, WorkerId]]:
        """Start a worker for each that was killed; both names of each pair.

        Raises:
            CrewFailed: one ended by itself, so another would too.
        """
        replaced = []
        for name, process in list(self._alive.items()):
            code = process.poll()
            if code is None:
                continue
            if code >= 0:
                raise CrewFailed(f"{name} ended with exit code {code}: {self._last_words()}")
            del self._alive[name]
            self.killed.append(name)
            replaced.append((name, self._hire()))
        return replaced

    def _hire(self) -> WorkerId:
        self._hired += 1
        name = WorkerId(f"worker-{self._hired}")
        self._alive[name] = subprocess.Popen(
            _command(self._database, name),
            # Its end closes the pipe, however it comes: no worker outlives the demo.
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            env=_environment(os.environ),
            # Ctrl-C is for the demo, which sees to its workers itself.
            start_new_session=True,
        )
        return name

    def _dismiss(self, *, politely: bool = False) -> None:
        for process in self._alive.values():
            process.send_signal(signal.SIGTERM if politely else signal.SIGKILL)
        for process in self._alive.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
            process.kill()
            process.wait()
            if process.stdin is not None:
                process.stdin.close()
        self._alive.clear()
        if self._log is not None:
            self._log.close()

    def _last_words(self) -> str:
        lines = (self._stage / LOG).read_text(errors="replace").splitlines()
        return lines[-1] if lines else "it said nothing"


def _command(database: Path, name: WorkerId) -> list[str]:
    # -P: what lies in the folder that is archived must not be imported.
    module = [sys.executable, "-P", "-m", "parcae_adapters.cli"]
    options = [
        f"--db={database}",
        f"--name={name}",
        f"--concurrency={CONCURRENCY}",
        "--drain=5s",
        "--stop-on-eof",
    ]
    return [*module, "worker", "parcae_adapters.demo:jobs", *options]


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    """Ours, save what would set options of the command line."""
    return {name: value for name, value in own.items() if not name.startswith("PARCAE_")}
