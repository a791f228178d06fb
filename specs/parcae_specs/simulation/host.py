"""The application and its operators: they submit, cancel, retry, annotate and delete."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from random import Random
from typing import Any, TypeVar

from attrs import define, evolve

from parcae.definitions import Request
from parcae.engine import Engine, Handle
from parcae.errors import Reason, Rejected, Unavailable
from parcae.spec import RetryMode
from parcae.values import JobId, Status, seconds
from parcae_specs.simulation.faults import Faults
from parcae_specs.simulation.monitor import Monitor
from parcae_specs.simulation.strands import Strand
from parcae_specs.simulation.work import Crew

T = TypeVar("T")

WAYS = {
    "submit": 45,
    "submit again": 10,
    "reuse key": 4,
    "cancel": 14,
    "force": 5,
    "retry": 10,
    "delete": 6,
    "annotate": 3,
    "wait": 3,
}

BADLY = (Status.FAILED, Status.CANCELLED, Status.COMPENSATED, Status.QUARANTINED)


@define(eq=False)
class Order:
    """One submission, repeated or not.

    Attributes:
        key: its idempotency key.
        number: what it asks for, its own in the whole simulation.
        request: what is submitted.
        origin: the job that is retried, and how; ``None``: a new one.
        job_id: the job that was acknowledged; ``None``: nobody answered, or it was refused.
    """

    key: str
    number: int
    request: Request[Any] | None = None
    origin: tuple[JobId, RetryMode] | None = None
    job_id: JobId | None = None


class Client:
    """One thread of the host, which does one thing after the other."""

    def __init__(
        self,
        engine: Engine,
        crew: Crew,
        faults: Faults,
        monitor: Monitor,
        chance: Random,
        numbers: Iterator[int],
    ) -> None:
        self.orders: list[Order] = []
        self.done = False
        self._engine = engine
        self._crew = crew
        self._faults = faults
        self._monitor = monitor
        self._chance = chance
        self._numbers = numbers

    def begin(self, strand: Strand) -> None:
        """Ask for this and that, until the faults are over."""
        self._strand = strand
        strand.create_task(self._run())

    def go_on(self, jobs: int) -> None:
        """Submit a few more jobs, once the faults are over."""
        self._strand.call_soon(lambda: self._strand.create_task(self._submit_more(jobs)))

    async def _submit_more(self, jobs: int) -> None:
        if not self.done:
            return
        self.done = False
        for _ in range(jobs):
            await self._submit()
        self.done = True

    async def _run(self) -> None:
        while not self._faults.over:
            way = self._chance.choices(list(WAYS), list(WAYS.values()))[0]
            try:
                await self._do(way)
            except Rejected as refusal:
                self._monitor.seen[f"refused: {refusal.reason}"] += 1
            except (Unavailable, TimeoutError):
                self._monitor.seen["client gave up"] += 1
            await asyncio.sleep(self._chance.expovariate(2))
        self.done = True

    async def _do(self, way: str) -> None:
        known = [one for one in self.orders if one.job_id is not None]
        one = self._chance.choice(known) if known else None
        if way == "submit" or one is None or one.job_id is None:
            await self._submit()
        elif way == "submit again":
            await self._ask_for(self._chance.choice(self.orders))
        elif way == "reuse key":
            await self._reuse(one)
        elif way in ("cancel", "force"):
            force, job_id = way == "force", one.job_id
            await self._insist(lambda: self._engine.cancel(job_id, by="ops", force=force))
        elif way == "retry":
            await self._retry(self._worth_it(known) or one.job_id)
        elif way == "delete":
            await self._insist(lambda: self._engine.delete(known[0].job_id or JobId("")))
        elif way == "annotate":
            await self._engine.annotate(one.job_id, "seen", by="ops")
        else:
            # The store's clock may go back while one waits by it.
            async with asyncio.timeout(2):
                await self._engine.wait(one.job_id, seconds(1))

    async def _submit(self) -> None:
        number = next(self._numbers)
        jobs = self._crew.jobs
        kind = self._chance.choice(sorted(jobs.kinds))
        order = Order(key=f"order/{number}", number=number, request=jobs[kind](number))
        self.orders.append(order)
        await self._ask_for(order)

    def _worth_it(self, known: list[Order]) -> JobId | None:
        """A job that ended badly, as an operator would see in a list."""
        jobs = self._monitor.jobs
        bad = [o.job_id for o in known if o.job_id in jobs and jobs[o.job_id].status in BADLY]
        return self._chance.choice(bad) if bad else None

    async def _retry(self, origin: JobId) -> None:
        mode = self._chance.choice(list(RetryMode))
        number = len(self.orders)
        order = Order(key=f"retry/{origin}/{number}", number=-1, origin=(origin, mode))
        self.orders.append(order)
        await self._ask_for(order)

    async def _ask_for(self, order: Order) -> None:
        """Submit until there is an answer; now and then lose patience, and nobody knows."""
        handle = await self._insist(lambda: self._place(order))
        if order.job_id not in (None, handle.job_id):
            self._monitor.breaks(f"S17: {order.key} gave {order.job_id}, then {handle.job_id}")
        order.job_id = handle.job_id
        self._monitor.seen["acknowledged again"] += handle.admitted.duplicate
        self._monitor.seen["acknowledged after deletion"] += handle.admitted.deleted

    async def _place(self, order: Order) -> Handle[Any]:
        if order.origin is not None:
            job_id, mode = order.origin
            return await self._engine.retry(job_id, mode, idempotency_key=order.key)
        assert order.request is not None
        run_at = None
        if order.number % 5 == 0:
            run_at = self._engine.store.clock.now() + seconds(order.number % 3)
        return await self._engine.submit(
            order.request,
            idempotency_key=order.key,
            run_at=run_at,
            priority=order.number % 2,
        )

    async def _reuse(self, order: Order) -> None:
        """The same key with another body is refused."""
        if order.request is None:
            return
        other = self._crew.jobs[order.request.spec.kind](-1 - order.number)
        wrong = evolve(order, request=other)
        try:
            await self._insist(lambda: self._place(wrong))
        except Rejected as refusal:
            if refusal.reason is Reason.KEY_REUSED:
                self._monitor.seen["key reuse refused"] += 1
                return
            raise
        self._monitor.breaks(f"S17: {order.key} was taken with another body")

    async def _insist(self, ask: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await ask()
            except Unavailable:
                if not self._faults.over and self._chance.random() < 0.1:
                    raise
                await asyncio.sleep(self._chance.uniform(0, 0.5))
