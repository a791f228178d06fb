"""Client processes, some of which are killed: ``python -m parcae_specs.linear.herd``.

One process imports everything once and forks the clients, each of which opens the store itself: so
another one takes the place of one that was killed within milliseconds.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import random
import signal
import sys
import time
from pathlib import Path

from parcae_specs.linear.client import crowd
from parcae_specs.linear.journal import Client, Journal
from parcae_specs.subject import Subject, found, opened

SIZE = 3
"""Processes at a time."""
CROWD = 3
"""Clients in each process, whose commits may be grouped."""


class Herd:
    """The processes, and a page of memory in which each counts its calls."""

    def __init__(
        self, subject: Subject, folder: Path, journals: Path, calls: int, processes: int
    ) -> None:
        self.subject, self.folder, self.journals, self.calls = subject, folder, journals, calls
        self.counts = memoryview(mmap.mmap(-1, 8 * processes)).cast("Q")
        self.started = 0
        self.living: list[int] = []

    def total(self) -> int:
        """The calls of all, the dead included."""
        return sum(self.counts)

    def start(self) -> None:
        """Fork one more."""
        number = self.started
        self.started += 1
        child = os.fork()
        if child:
            self.living.append(child)
            return
        try:
            asyncio.run(self._be(number))
        finally:
            # Not ``sys.exit``: what the parent would do at its end is none of the child's business.
            os._exit(0)

    async def _be(self, number: int) -> None:
        store = await opened(self.subject, self.folder)
        name, parent = f"c{number}", os.getppid()
        journal = Journal(self.journals / f"{name}.journal")
        clients: list[Client] = []

        def client(own: str) -> Client:
            clients.append(Client(store, journal, own))
            return clients[-1]

        def done() -> bool:
            self.counts[number] = sum(one.number for one in clients)
            # Nobody outlives whoever started it.
            return self.total() >= self.calls or os.getppid() != parent

        await crowd(client, name, CROWD, done)
        await store.close()

    def kill(self, chance: random.Random) -> None:
        """End one of them without a word, and start another one."""
        victim = self.living.pop(chance.randrange(len(self.living)))
        os.kill(victim, signal.SIGKILL)
        os.waitpid(victim, 0)
        self.start()


def main(name: str, folder: str, journals: str, calls: str, kills: str, seed: str) -> None:
    """Drive the herd until it has made so many calls, of which kills interrupt some."""
    chance = random.Random(seed)
    herd = Herd(found(name), Path(folder), Path(journals), int(calls), SIZE + int(kills))
    for _ in range(SIZE):
        herd.start()
    for number in range(1, int(kills) + 1):
        # Spread over the calls, so that the last kill is not long before the end.
        while herd.total() < herd.calls * number // (int(kills) + 1):
            time.sleep(0.002)
        herd.kill(chance)
    for child in herd.living:
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
