"""A renewal that is refused leaves the file as it was, row for row and byte for byte."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from parcae import Conflict, Engine, JobId, LeaseLost, Reason, Rejected, Superseded, Token, seconds
from parcae.commands import Renew
from parcae.errors import ParcaeError
from parcae.handle import Held
from parcae.values import WorkerId
from parcae_adapters.clock import ManualClock
from parcae_adapters.sqlite import SqliteStore
from parcae_specs.bench.load import noop

KINDS = frozenset({"noop"})


def rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, as another process would read it."""
    connection = sqlite3.connect(path)
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    found = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for (name,) in names}
    connection.close()
    return found


@pytest.mark.parametrize(
    ("token", "moved", "released", "error", "reason"),
    [
        pytest.param(1, 0, False, LeaseLost, Reason.STALE_TOKEN, id="by a former owner"),
        pytest.param(9, 0, False, Rejected, Reason.UNKNOWN_TOKEN, id="by nobody's token"),
        pytest.param(2, 0, True, LeaseLost, Reason.STALE_TOKEN, id="without a lease"),
        pytest.param(2, 30, False, LeaseLost, Reason.EXPIRED, id="of an expired one"),
        pytest.param(2, -1, False, Conflict, Reason.WOULD_SHORTEN, id="that does not extend"),
    ],
)
def test_s4_s18_s24_given_a_renewal_that_is_refused_then_not_a_byte_of_any_row_changes(
    tmp_path: Path,
    token: int,
    moved: float,
    released: bool,
    error: type[ParcaeError],
    reason: Reason,
) -> None:
    path, clock = tmp_path / "jobs.db", ManualClock()

    async def held_twice(engine: Engine) -> JobId:
        handle = await engine.submit(noop()["noop"]())
        await engine.claim(WorkerId("first"), KINDS, request="1")
        await engine.release(handle.job_id, Token(1))
        await engine.claim(WorkerId("second"), KINDS, request="2")
        if released:
            await engine.release(handle.job_id, Token(2))
        return handle.job_id

    async def scenario() -> None:
        async with Engine(SqliteStore(path, clock=clock)) as engine:
            job_id = await held_twice(engine)
            clock.advance(seconds(moved))
            before = rows(path)
            (answer,) = await engine.renew([Held(job_id=job_id, command=Renew(token=Token(token)))])
            assert isinstance(answer, error)
            assert isinstance(answer, Rejected | Superseded)
            assert answer.reason is reason
            assert rows(path) == before

    asyncio.run(scenario())
