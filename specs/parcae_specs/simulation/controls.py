"""Planted faults: a simulation that does not find them could not find anything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager

from attrs import evolve, frozen

from parcae import commands as c
from parcae import decide as decisions
from parcae import engine, retry
from parcae.decide import draft, ending, fence
from parcae.state import Job
from parcae.values import Cause, Error
from parcae_adapters.worker import Worker
from parcae_adapters.worker.keeper import Keeper
from parcae_specs.simulation.processes import exchanged


@frozen(kw_only=True)
class Control:
    """A planted fault.

    Attributes:
        name: what is wrong.
        seed: one that finds it, to be tried before the others.
        breaks: the guarantees of which one must be found broken.
        plant: puts it into the code, inside the block only.
    """

    name: str
    seed: int
    breaks: tuple[str, ...]
    plant: Callable[[], AbstractContextManager[None]]


def _fencing_is_off() -> AbstractContextManager[None]:
    """Whoever speaks of a held job is taken for its holder."""
    original = fence.holds

    def holds(given: draft.Draft, command: c.WorkerCommand) -> bool:
        return given.job.lease is not None or original(given, command)

    return exchanged((decisions, "holds", holds))


def _retries_are_not_bounded() -> AbstractContextManager[None]:
    """An attempt is always followed by another."""

    def after_attempt(job: Job, _: Cause, __: Error | None) -> retry.Again | retry.Stop:
        return retry.Again(retry.delay(job.spec.retry, 1, job.spec.seed))

    return exchanged((ending, "after_attempt", after_attempt))


def _keepers_do_not_renew() -> AbstractContextManager[None]:
    return exchanged((Keeper, "_due", lambda _: []))


def _keepers_do_not_reconcile() -> AbstractContextManager[None]:
    async def reconcile(_: Keeper) -> None:
        return None

    return exchanged((Keeper, "_reconcile", reconcile))


def _submissions_have_no_key() -> AbstractContextManager[None]:
    """The engine forgets the caller's key, and what is repeated is there twice."""
    return exchanged((engine, "idempotency", lambda *_: None))


def _living_handlers_are_forgotten() -> AbstractContextManager[None]:
    """A fenced-off lease that has not expired holds nothing up."""
    return exchanged((draft.Draft, "fence", lambda *_: None))


def _losses_are_not_counted() -> AbstractContextManager[None]:
    """What kills its workers is tried again and again: without poison, and burning nothing."""

    def after_attempt(job: Job, cause: Cause, error: Error | None) -> retry.Again | retry.Stop:
        lost = cause is Cause.LEASE_LOST
        return retry.after_attempt(evolve(job, attempts=0) if lost else job, cause, error)

    return exchanged((ending, "after_attempt", after_attempt))


def _keepers_wait_for_the_store() -> AbstractContextManager[None]:
    """While the store hangs, nobody tells a handler that its lease is over."""
    return exchanged((Keeper, "_turn", Keeper._tick))


def _drains_wait_for_handlers() -> AbstractContextManager[None]:
    """A stop waits for every handler, however long it takes, and whatever was said of a limit."""

    async def drain(worker: Worker) -> None:
        while worker.running:  # noqa: ASYNC110 - nothing tells it
            await asyncio.sleep(0.1)

    return exchanged((Worker, "_drain", drain))


CONTROLS = (
    Control(name="fencing is off", seed=1, breaks=("S3", "S4", "S5", "S25"), plant=_fencing_is_off),
    Control(
        name="retries are not bounded",
        seed=0,
        breaks=("S19", "L8"),
        plant=_retries_are_not_bounded,
    ),
    Control(name="keepers do not renew", seed=0, breaks=("L8",), plant=_keepers_do_not_renew),
    Control(
        name="keepers do not reconcile",
        seed=0,
        breaks=("L1", "L3", "L8"),
        plant=_keepers_do_not_reconcile,
    ),
    Control(
        name="submissions have no key", seed=0, breaks=("S17",), plant=_submissions_have_no_key
    ),
    Control(
        name="living handlers are forgotten",
        seed=1,
        breaks=("S29",),
        plant=_living_handlers_are_forgotten,
    ),
    Control(name="losses are not counted", seed=6, breaks=("S19",), plant=_losses_are_not_counted),
    Control(
        name="drains wait for handlers",
        seed=45,
        breaks=("L6",),
        plant=_drains_wait_for_handlers,
    ),
    Control(
        name="keepers wait for the store",
        seed=87,
        breaks=("S29",),
        plant=_keepers_wait_for_the_store,
    ),
)
"""Each must be found by some seed among those of the gate."""
