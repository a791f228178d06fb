"""What a client does: whatever may go wrong among workers and callers, at random from a seed."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable

from parcae.answers import Granted
from parcae.errors import ParcaeError
from parcae.ports import Committed
from parcae.state import Compensating, Job, UndoStatus
from parcae.values import JobId
from parcae_specs.linear.asks import SHAPES, Ask
from parcae_specs.linear.journal import Client

KEYS = 5


class Actor:
    """A worker, a caller and an operator in one, that sometimes says the wrong thing."""

    def __init__(self, client: Client, seed: str, *, renews: bool) -> None:
        self.client = client
        self.name = seed
        self.renews = renews
        self.chance = random.Random(seed)
        self.known: deque[str] = deque(maxlen=50)
        self.held: tuple[str, int] | None = None
        self.last: Ask | None = None

    async def act(self) -> None:
        """One call."""
        roll = self.chance.random()
        if roll < 0.05 and self.last is not None:
            await self._ask(self.last)
        elif roll < 0.12 and self.known:
            await self.client.read(JobId(self.chance.choice(self.known)))
        elif roll < 0.20 and self.known:
            await self._disturb(self.chance.choice(self.known))
        elif roll < 0.24:
            await self._ask(Ask("reconcile"))
        elif self.held is not None:
            await self._work(*self.held)
        elif roll < 0.6:
            await self._submit()
        else:
            await self._claim()

    async def _submit(self) -> None:
        key = f"k{self.chance.randrange(KEYS)}" if self.chance.random() < 0.1 else ""
        # A key comes again with the same body only if its shape is always the same.
        shape = 0 if key else self.chance.randrange(len(SHAPES))
        done = await self._ask(Ask("submit", number=shape, key=key))
        if isinstance(done, Committed):
            self.known.append(done.changes[0].job_id)

    async def _claim(self) -> None:
        request = f"{self.name}/{self.client.number}"
        limit = self.chance.choice((1, 1, 2))
        done = await self._ask(Ask("claim", text=request, number=limit, worker=self.name))
        if not isinstance(done, Committed):
            return
        for change in done.changes:
            if isinstance(change.answer, Granted):
                self.held = (change.job_id, int(change.answer.lease.token))
                self.known.append(change.job_id)

    async def _work(self, job: str, token: int) -> None:
        stored = await self.client.store.fetch(JobId(job))
        lease = None if stored is None else stored.job.lease
        if stored is None or lease is None or lease.token != token:
            # It is lost; now and then a late word is said nevertheless.
            self.held = None
            late = self.chance.choice(("done", "start", "fail", "release"))
            await self._ask(Ask(late, job=job, text="a", number=token))
            return
        ask = self._next(stored.job, job, token)
        done = await self._ask(ask)
        if isinstance(done, ParcaeError) and ask.what != "confirm":
            self.held = None

    def _next(self, job: Job, name: str, token: int) -> Ask:
        roll = self.chance.random()
        odd: tuple[str, ...] = ("fail", "release", "confirm", *(("renew",) if self.renews else ()))
        if roll < 0.2 and not isinstance(job.state, Compensating):
            key = "permanent" if roll < 0.05 else ""
            what = self.chance.choice(odd)
            return Ask(what, job=name, text=f"at {self.client.number}", number=token, key=key)
        if isinstance(job.state, Compensating):
            undo = job.state.next
            told = "undone" if undo.status is UndoStatus.RUNNING else "undo"
            if roll < 0.1 and told == "undone":
                told = "undo-failed"
            return Ask(told, job=name, text=undo.phase, number=token)
        index = job.running_phase
        if index is not None:
            return Ask("done", job=name, text=job.spec.phases[index].name, number=token)
        phase = job.spec.phases[job.next_phase or 0].name
        return Ask("start", job=name, text=phase, number=token)

    async def _disturb(self, job: str) -> None:
        what = self.chance.choice(("note", "note", "cancel", "cancel", "force"))
        if what == "note":
            await self._ask(Ask("note", job=job, text=f"{self.name}/{self.client.number}"))
        else:
            await self._ask(Ask("cancel", job=job, text=self.name, number=int(what == "force")))

    async def _ask(self, ask: Ask) -> Committed | ParcaeError:
        self.last = ask
        return await self.client.ask(ask)


async def crowd(
    client: Callable[[str], Client],
    name: str,
    size: int,
    done: Callable[[], bool],
    *,
    renews: bool = False,
) -> None:
    """Several of them at once, until it is done."""

    async def one(index: int) -> None:
        own = f"{name}.{index}"
        actor = Actor(client(own), own, renews=renews)
        while not done():
            await actor.act()

    await asyncio.gather(*(one(index) for index in range(size)))
