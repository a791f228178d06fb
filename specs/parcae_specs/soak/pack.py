"""The worker processes of the soak: started, killed, frozen past their leases, and let go on."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

from attrs import define, field

from parcae_specs.soak.work import FAST, written

LONGEST = 2 * FAST.lease.total_seconds()
"""Seconds that a worker stands still; at least two thirds of them, which is more than a lease."""
GLANCE = 0.002
PATIENCE = 300
"""Glances until anybody may be frozen."""

Process = subprocess.Popen[bytes]


@define
class Pack:
    """The worker processes.

    Attributes:
        folder: where they work.
        size: how many there are besides those that stand still.
        members: those that run.
        frozen: those that stand still, and what will let them go on.
        freezes: how many were stopped.
    """

    folder: Path
    size: int
    members: list[Process] = field(factory=list)
    frozen: dict[Process, asyncio.Task[None]] = field(factory=dict)
    freezes: int = 0

    def fill(self) -> None:
        """Start as many as are missing."""
        self.members[:] = [one for one in self.members if one.poll() is None]
        while len(self.members) < self.size:
            command = [sys.executable, "-m", "parcae_specs.soak.work", "soak.db", "traces"]
            log = (self.folder / "workers.log").open("ab")
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
            self.members.append(
                subprocess.Popen(command, cwd=self.folder, env=environment, stderr=log)
            )
            log.close()

    def kill_one(self, chance: random.Random) -> None:
        """End one of them without a word."""
        victim = chance.choice(self.members)
        victim.kill()
        victim.wait()

    async def freeze_one(self, chance: random.Random) -> None:
        """Stop one at work, until its leases have run out and others have them; then it goes on."""
        victim = await self._at_work() or chance.choice(self.members)
        victim.send_signal(signal.SIGSTOP)
        self.freezes += 1
        self.members.remove(victim)
        still = chance.uniform(LONGEST * 2 / 3, LONGEST)
        # A task of its own: it may hold the file's lock, and whoever waits for that is no help.
        self.frozen[victim] = asyncio.create_task(self._thaw(victim, still))

    async def _at_work(self) -> Process | None:
        """Whoever begins a handler next: most of their time workers wait."""
        path = self.folder / "traces"
        seen = path.stat().st_size
        for _ in range(PATIENCE):
            await asyncio.sleep(GLANCE)
            for line in reversed(written(path, seen).splitlines()):
                for member in self.members:
                    if line.endswith(b" %d" % member.pid):
                        return member
        return None

    async def _thaw(self, one: Process, still: float) -> None:
        await asyncio.sleep(still)
        one.send_signal(signal.SIGCONT)
        del self.frozen[one]
        self.members.append(one)

    async def calm(self) -> None:
        """Nobody is killed any more, and whoever stands still goes on first."""
        await asyncio.gather(*self.frozen.values())
        self.fill()

    def disband(self) -> None:
        """End all of them."""
        for task in self.frozen.values():
            task.cancel()
        for member in (*self.members, *self.frozen):
            member.kill()
            member.wait()
