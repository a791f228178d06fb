"""The stores of Parcae itself, as subjects of the contract."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from parcae.ports import Clock, Entropy, Store
from parcae.values import JobId
from parcae_adapters.memory import MemoryStore
from parcae_specs.subject import Capability, Subject

FILE = "jobs.db"


def _memory(_: Path, clock: Clock, entropy: Entropy) -> Store:
    return MemoryStore(clock=clock, entropy=entropy)


def _sqlite(folder: Path, clock: Clock, entropy: Entropy) -> Store:
    # Here and not above: whoever only keeps jobs in memory need not have sqlite-utils.
    from parcae_adapters.sqlite import SqliteStore

    return SqliteStore(
        folder / FILE, clock=clock, entropy=entropy, durability="normal", busy_timeout=1.0
    )


def _patient(folder: Path, clock: Clock, entropy: Entropy) -> Store:
    from parcae_adapters.sqlite import SqliteStore

    return SqliteStore(folder / FILE, clock=clock, entropy=entropy, durability="normal")


def _damage(folder: Path, job: JobId) -> None:
    with closing(sqlite3.connect(folder / FILE, isolation_level=None)) as connection:
        connection.execute("UPDATE parcae_jobs SET state = x'7b' WHERE id = ?", (job,))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with closing(sqlite3.connect(folder / FILE, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


_GIVEN = (Capability.CLOCK, Capability.ENTROPY)
_KEPT = (*_GIVEN, Capability.DURABLE, Capability.SHARED, Capability.PROCESSES)

MEMORY = Subject(name=f"{__name__}:MEMORY", open=_memory, declared=_GIVEN)
SQLITE = Subject(
    name=f"{__name__}:SQLITE", open=_sqlite, declared=_KEPT, damage=_damage, obstruct=_locked
)
PATIENT = Subject(name=f"{__name__}:PATIENT", open=_patient, declared=_KEPT)
"""The same with patience, where many processes come at once for long."""
