"""What is done after a crash: look, reconcile, and bring everything that is left to its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from parcae import commands as c
from parcae.answers import Granted
from parcae.deliveries import Attempt, Delivery, Done, Report
from parcae.engine import Engine
from parcae.fsck import fsck
from parcae.outbox import Dispatch
from parcae.outbox_engine import OutboxEngine
from parcae.ports import Query, Store
from parcae.settling import Said
from parcae.state import Compensating, Stored
from parcae.values import WorkerId
from parcae_adapters.clock import ManualClock
from parcae_specs.crash.contents import contents, deliveries

KINDS = frozenset({"crash"})
OUTAGE = timedelta(hours=1)
"""How long nobody was there: every lease has expired, every wait is over."""
ROUNDS = 20
"""Of claims and reconciliations; whatever is left after so many will never end."""


async def recover(store: Store, clock: ManualClock) -> Sequence[str]:
    """Come back after an outage; what is wrong, one sentence each."""
    wrong = [f"fsck: {one}" for one in (await fsck(store)).findings]
    clock.advance(OUTAGE)
    engine = Engine(store)
    while await engine.reconcile():
        pass
    before = await contents(store)
    if await engine.reconcile() or await contents(store) != before:
        wrong.append("S20: the second reconcile did something")
    wrong += [f"L1: {one}" for one in await _finish(engine, clock)]
    wrong += [f"L4: {one}" for one in await _deliver(OutboxEngine(store), clock)]
    return [*wrong, *(f"fsck in the end: {one}" for one in (await fsck(store)).findings)]


async def _finish(engine: Engine, clock: ManualClock) -> Sequence[str]:
    """Work until nothing is left; what never ends."""
    left: list[Stored] = []
    for number in range(ROUNDS):
        page = await engine.find(Query(limit=1_000))
        left = [one for one in page.jobs if not one.job.status.is_terminal]
        if not left:
            break
        worker = WorkerId("heir")
        for granted in await engine.claim(worker, KINDS, request=f"{number}", limit=100):
            await _work(engine, granted)
        clock.advance(OUTAGE)
        await engine.reconcile()
    return [f"job {one.job.id} is left {one.job.status}, for ever" for one in left]


async def _deliver(outbox: OutboxEngine, clock: ManualClock) -> Sequence[str]:
    """L4: open the seal, enable whoever is not, send until nothing is owed; what is so for ever."""
    await outbox.unseal()
    for name in await outbox.subscriptions():
        await outbox.enable(name)
    left = await _open(outbox)
    for number in range(ROUNDS):
        if not left:
            break
        taken = await outbox.take(WorkerId("heir"), request=f"{number}")
        await outbox.settle([_sent(one) for one in taken])
        clock.advance(OUTAGE)
        left = await _open(outbox)
    return [f"{one.id} is left undelivered, for ever: {one.state}" for one in left]


async def _open(outbox: OutboxEngine) -> Sequence[Delivery]:
    found = await deliveries(outbox.store)
    return [one for one in found if not isinstance(one.state, Done)]


def _sent(one: Dispatch) -> Said:
    return Said(delivery=one.delivery, command=Report(token=one.token, attempt=Attempt(status=204)))


async def _work(engine: Engine, granted: Granted) -> None:
    """Do all that one lease is good for."""
    for command in _steps(granted):
        await engine.command(granted.job.id, command)


def _steps(granted: Granted) -> Iterator[c.Command]:
    job, token = granted.job, granted.lease.token
    if isinstance(job.state, Compensating):
        for undo in job.undos:
            if undo.status != "done":
                yield c.StartUndo(token=token, phase=undo.phase)
                yield c.CompleteUndo(token=token, phase=undo.phase)
        return
    for spec, phase in zip(job.spec.phases, job.phases, strict=True):
        if phase.status != "completed":
            yield c.StartPhase(token=token, phase=spec.name)
            yield c.CompletePhase(token=token, phase=spec.name)
