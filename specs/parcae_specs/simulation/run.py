"""One simulation: first faults, for safety; then none, and everything ends in time (L8)."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from random import Random

from attrs import Factory, frozen

from parcae import ledger
from parcae.engine import Engine
from parcae.fsck import fsck
from parcae.state import Compensating, Job
from parcae.timing import next_due
from parcae.values import Instant, JobId, seconds
from parcae_adapters.memory import MemoryStore
from parcae_adapters.worker import Worker
from parcae_adapters.worker.keeper import TICK
from parcae_adapters.worker.worker import LOOK, PAUSE
from parcae_specs.simulation.balance import acknowledged, told
from parcae_specs.simulation.bound import Pace, bound
from parcae_specs.simulation.edges import Edges
from parcae_specs.simulation.faults import LATE, PATIENCE, QUICK, Faults, draw
from parcae_specs.simulation.host import Client
from parcae_specs.simulation.monitor import Monitor
from parcae_specs.simulation.nemesis import Nemesis
from parcae_specs.simulation.processes import Process, StoreClock, exchanged, without_threads
from parcae_specs.simulation.strands import Scheduler, Spinning
from parcae_specs.simulation.wire import Server, Wire, at_once
from parcae_specs.simulation.work import LONGEST, Crew

FAULTY = 12.0
"""Virtual seconds of faults."""
AFTERMATH = LATE + PATIENCE
"""Virtual seconds after which what was sent among faults has arrived, or never will."""
CALM = 1.0
"""Virtual seconds in which a few more jobs are submitted, now that nothing goes wrong."""
CALM_JOBS = 3
RECONCILE = seconds(0.5)
SLOTS = 2
"""How many jobs one worker runs at once."""
CLIENTS = 2


@frozen(kw_only=True)
class Simulated:
    """What one seed came to.

    Attributes:
        seed: repeats it.
        broken: what went wrong, each with the guarantee's id; empty: nothing.
        digest: of everything that happened: the same in every process, on every Python.
        events: how many events were committed.
        jobs: how many jobs there were.
        steps: how many callbacks were run.
        bound: within what time everything had to end, once nothing went wrong any more.
        took: and within what time it did; ``None``: it did not.
        seen: how often what happened.
        lines: the whole story.
    """

    seed: int
    broken: tuple[str, ...]
    digest: str
    events: int
    jobs: int
    steps: int
    bound: timedelta
    took: timedelta | None
    seen: Counter[str]
    lines: tuple[str, ...] = Factory(tuple)


def simulate(seed: int) -> Simulated:
    """Play the world of ``seed`` to its end."""
    with without_threads(), _silence():
        world = World(seed)
        watched = Edges(world.monitor.breaks).watch(vars(ledger)["decide"])
        try:
            with exchanged((ledger, "decide", watched)):
                world.play()
        except Spinning as spinning:
            world.monitor.breaks(f"L1: {spinning}")
        finally:
            world.dispose()
    return world.outcome()


@contextmanager
def _silence() -> Iterator[None]:
    log = logging.getLogger("parcae.worker")
    before = log.disabled
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = before


class World:
    """Everybody and everything in one simulation."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.scheduler = Scheduler(self._chance("order"))
        self.clock = StoreClock(self.scheduler)
        self.monitor = Monitor(lambda: self.scheduler.now, self.clock.now)
        entropy = self._chance("entropy")
        self.store = MemoryStore(clock=self.clock, entropy=lambda: entropy.getrandbits(128))
        chance = self._chance("faults")
        self.faults = Faults(draw(chance), chance)
        self.processes: list[Process] = []
        strand = self.process("server").main
        self.server = Server(self.store, strand, self.faults, self.monitor)
        self.crew = Crew(seed, self.faults, self.monitor)
        self.clients = [self._client(index) for index in range(CLIENTS)]
        self.nemesis = Nemesis(self, self._chance("nemesis"))
        self._bound = timedelta(0)
        self._took: timedelta | None = None
        self._quiet_from = self.clock.now()

    def _chance(self, what: str) -> Random:
        return Random(f"{self.seed}/{what}")

    def process(self, name: str) -> Process:
        """A new process."""
        made = Process(self.scheduler, name, self.clock)
        self.processes.append(made)
        return made

    def _client(self, index: int) -> Client:
        process = self.process(f"host{index}")
        engine = Engine(Wire(self.server, process))
        numbers = count(index, CLIENTS)
        chance = self._chance(f"client{index}")
        client = Client(engine, self.crew, self.faults, self.monitor, chance, numbers)
        client.begin(process.main)
        return client

    def worker(self, name: str) -> tuple[Process, Worker, asyncio.Task[None]]:
        """A new worker process."""
        process = self.process(name)
        worker = Worker(
            Engine(Wire(self.server, process)),
            self.crew.jobs,
            concurrency=SLOTS,
            drain=seconds(1),
            name=name,
            reconcile_every=RECONCILE,
        )
        return process, worker, process.main.create_task(worker.run())

    def play(self) -> None:
        """First faults, then peace, then the balance."""
        self.nemesis.begin()
        self.scheduler.run(FAULTY)
        self.faults.over = True
        self.nemesis.make_peace()
        alive = set(self.monitor.alive)
        # What was sent in the bad times has arrived after this, and nothing else is on its way.
        self.scheduler.run(FAULTY + AFTERMATH)
        self.monitor.quiet_since = self.scheduler.now
        self._quiet_from = self.clock.now()
        for client in self.clients:
            client.go_on(CALM_JOBS)
        self.scheduler.run(FAULTY + AFTERMATH + CALM)
        self._quiet(alive | self.monitor.alive)
        self._balance()

    def _quiet(self, jobs: set[JobId]) -> None:
        """Everything ends in time, counted from when the faults stopped."""
        monitor = self.monitor
        if not all(client.done for client in self.clients):
            monitor.breaks("L8: a client got no answer although nothing goes wrong")
        specs = [monitor.specs[job_id] for job_id in sorted(jobs)]
        self._bound = bound(specs, self._pace())
        until = FAULTY + self._bound.total_seconds()
        while monitor.alive and self.scheduler.now < until:
            self.scheduler.run(min(self.scheduler.now + 1, until), lambda: not monitor.alive)
            self._settled()
        if monitor.alive:
            alive = ", ".join(f"{one} {monitor.jobs[one].status}" for one in sorted(monitor.alive))
            monitor.breaks(f"L8: not ended within {self._bound}: {alive}")
        else:
            self._took = timedelta(seconds=max(monitor.last_end - FAULTY, 0))

    def _pace(self) -> Pace:
        answer = seconds(2 * QUICK)
        return Pace(
            slots=SLOTS * self.nemesis.workers,
            notice=seconds(LOOK + PAUSE) + 3 * answer,
            settle=self._settle(),
            told=seconds(TICK) + 4 * answer,
            longest=seconds(LONGEST + 0.5),
            answer=answer,
            late=seconds(AFTERMATH + CALM),
            ahead=max(self.clock.latest - self.clock.now(), timedelta(0)) + self._later(),
        )

    def _later(self) -> timedelta:
        """How long the last of the jobs that are for later has to wait."""
        now = self.clock.now()
        jobs = [self.monitor.jobs[one] for one in self.monitor.alive]
        waits = [job.spec.run_at - now for job in jobs if job.spec.run_at is not None]
        return max([timedelta(0), *waits])

    @staticmethod
    def _settle() -> timedelta:
        # A keeper renews, looks for cancels and reconciles in one turn, an answer each.
        return RECONCILE + seconds(2 * TICK) + 5 * seconds(2 * QUICK)

    def _settled(self) -> None:
        """What has fallen due in peace does not stay so (L3)."""
        horizon = self.clock.now() - self._settle()
        for job_id in sorted(self.monitor.alive):
            stored = at_once(self.store.fetch(job_id))
            if stored is None:
                continue
            if _overdue(stored.job, horizon):
                self.monitor.breaks(f"L1: job {job_id} is worked on past its timeout")
            due = next_due(stored.job, stored.liveness)
            if due is not None and max(due.at, self._quiet_from) < horizon:
                self.monitor.breaks(f"L3: job {job_id} is {due.kind.name} since {due.at}")

    def _balance(self) -> None:
        monitor = self.monitor
        for finding in at_once(fsck(self.store)).findings:
            monitor.breaks(f"S5: {finding}")
        for fault in monitor.verdict():
            monitor.breaks(fault)
        for trouble in self.scheduler.troubles:
            monitor.breaks(f"the simulation itself: {trouble}")
        orders = (order for client in self.clients for order in client.orders)
        log = at_once(self.store.log(limit=1_000_000))
        for fault in acknowledged(monitor.histories, orders):
            monitor.breaks(fault)
        for fault in told(monitor.histories, monitor.jobs, log):
            monitor.breaks(fault)

    def dispose(self) -> None:
        """Take everything apart."""
        for process in self.processes:
            process.alive = False
        for process in self.processes:
            for strand in process.strands:
                strand.dispose()

    def outcome(self) -> Simulated:
        """What it came to."""
        monitor = self.monitor
        seen = monitor.seen + Counter({f"ended {k}": v for k, v in monitor.by_status().items()})
        return Simulated(
            seed=self.seed,
            broken=tuple(monitor.broken),
            digest=monitor.digest,
            events=sum(map(len, monitor.histories.values())),
            jobs=len(monitor.histories),
            steps=self.scheduler.steps,
            bound=self._bound,
            took=self._took,
            seen=seen,
            lines=tuple(monitor.lines),
        )


def _overdue(job: Job, now: Instant) -> bool:
    """Whether a lease outlasts its hard timeout, counted here anew."""
    timing, lease = job.spec.timing, job.lease
    limit = timing.undo if isinstance(job.state, Compensating) else timing.attempt
    return lease is not None and lease.since + limit < now
