"""Workers as plain values."""

from __future__ import annotations

from parcae.roster import Crew
from parcae_adapters.records.jobs import Record, iso


def worker_record(one: Crew) -> Record:
    """A worker; ``None`` where it has written nothing down, and so nobody knows."""
    there = one.presence
    return {
        "worker": one.worker,
        "state": one.state,
        "jobs": one.jobs,
        "heard_at": iso(one.heard_at),
        "lapsed": one.silent,
        "host": there.host if there else None,
        "pid": there.pid if there else None,
        "kinds": list(there.kinds) if there else None,
        "queues": list(there.queues) if there and there.queues is not None else None,
        "capacity": there.capacity if there else None,
        "abandoned": there.abandoned if there else None,
        "started_at": iso(there.started_at) if there else None,
        "until": iso(there.until) if there else None,
        "version": there.version if there else None,
    }
