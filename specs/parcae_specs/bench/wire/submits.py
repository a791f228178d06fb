"""Durable submissions over HTTP beside a plain handler that commits one row."""

from __future__ import annotations

import asyncio
from pathlib import Path

from parcae_specs.bench.smoke import Ratio
from parcae_specs.bench.wire.ours import TOKEN
from parcae_specs.bench.wire.requests import repeat, request
from parcae_specs.bench.wire.servers import server

CONNECTIONS = (32, 128)
JOB = b'{"kind":"resize","arguments":{"path":"a.png","width":640}}'


def compare(folder: Path, *, rounds: int, count: int) -> dict[int, Ratio]:
    """Both in turns, by the number of connections."""
    plain, ours = request("/jobs", JOB), request("/v1/jobs", JOB, token=TOKEN)
    with (
        server("plain", str(folder / "plain.db")) as theirs,
        server("ours", str(folder / "ours.db")) as own,
    ):
        found: dict[int, Ratio] = {}
        for connections in CONNECTIONS:
            pairs = [
                (
                    count / asyncio.run(repeat(own, ours, connections, count)),
                    count / asyncio.run(repeat(theirs, plain, connections, count)),
                )
                for _ in range(rounds + 1)
            ][1:]  # The first round warms both up.
            found[connections] = Ratio(
                ours=[one for one, _ in pairs], plain=[one for _, one in pairs]
            )
        return found
