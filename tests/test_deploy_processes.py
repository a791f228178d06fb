"""A deploy that removes a phase in mid-saga, with real workers of real code on a real file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

LONG = 30.0

OLD = """
import asyncio
from pathlib import Path

from parcae import Context, Jobs, Retry

HERE = Path(__file__).parent.parent
jobs = Jobs()


def note(ctx: Context, what: str) -> None:
    with (HERE / f"ran-{ctx.job_id}").open("a") as file:
        file.write(f"{what} ")


def define(kind: str) -> None:
    saga = jobs.saga(kind, version=1, retry=Retry(max_attempts=2, jitter=0))

    @saga.phase
    async def reserve(ctx: Context, number: int) -> int:
        note(ctx, "reserve")
        return number

    @reserve.undo
    async def release(ctx: Context, number: int, result: int) -> None:
        note(ctx, "release")

    @saga.phase
    async def charge(ctx: Context, number: int) -> None:
        note(ctx, "charge")
        await asyncio.sleep(3600)

    @saga.phase
    async def ship(ctx: Context, number: int) -> None:
        note(ctx, "ship")


for kind in ("order", "parcel"):
    define(kind)
"""

NEW = """
import os
from pathlib import Path

from parcae import Context, Jobs

HERE = Path(__file__).parent.parent
ORDER, PARCEL, KEPT = os.environ["CHOICE"].split()
jobs = Jobs()


def note(ctx: Context, what: str) -> None:
    with (HERE / f"ran-{ctx.job_id}").open("a") as file:
        file.write(f"{what} ")


def define(kind: str, changed: str) -> None:
    saga = jobs.saga(kind, version=2, changed=changed)

    @saga.phase
    async def reserve(ctx: Context, number: int) -> int:
        note(ctx, "reserve2")
        return number

    @reserve.undo
    async def release(ctx: Context, number: int, result: int) -> None:
        assert number == result
        note(ctx, "release2")

    @saga.phase
    async def ship(ctx: Context, number: int) -> None:
        note(ctx, "ship2")

    if KEPT == "kept":
        @saga.phase(retired=True)
        async def charge(ctx: Context, number: int) -> None:
            note(ctx, "charge2")


define("order", ORDER)
define("parcel", PARCEL)
"""


class Shop:
    """A file, two versions of the code, and processes that run either."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack = folder, stack
        for name, code in (("old", OLD), ("new", NEW)):
            (folder / name).mkdir()
            (folder / name / "shop.py").write_text(code)

    def typed(self, code: str, *args: str, choice: str = "") -> tuple[int, Any, str]:
        """Exit code, JSON and standard error of a verb."""
        popen = self.start(code, *args, choice=choice, stdout=subprocess.PIPE)
        said, complained = popen.communicate(timeout=LONG)
        return popen.returncode, json.loads(said) if said else None, complained

    def start(
        self, code: str, *args: str, choice: str = "", stdout: int | None = None
    ) -> subprocess.Popen[str]:
        """A process of that code."""
        path = os.pathsep.join((str(self.folder / code), *sys.path))
        popen = subprocess.Popen(
            [sys.executable, "-P", "-m", "parcae_adapters.cli", *args],
            env={**os.environ, "PYTHONPATH": path, "CHOICE": choice, "PARCAE_DB": self.database},
            text=True,
            stdout=stdout,
            stderr=subprocess.PIPE,
        )
        self._stack.enter_context(popen)
        self._stack.callback(popen.kill)
        return popen

    @property
    def database(self) -> str:
        return str(self.folder / "jobs.db")

    def ran(self, job: str) -> str:
        path = self.folder / f"ran-{job}"
        return path.read_text().strip() if path.exists() else ""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with ExitStack() as stack:
        yield Shop(tmp_path, stack)


def until(condition: Callable[[], bool]) -> None:
    over = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < over
        time.sleep(0.02)


def test_s11_s12_s13_given_a_deploy_that_removes_a_phase_then_each_choice_tells_the_truth(
    shop: Shop,
) -> None:
    """S11, S12, S13, S18: refused until chosen; finished by kept code; put aside with its debts."""
    jobs = {
        kind: shop.typed("old", "submit", "shop:jobs", kind, "7", "--json")[1]["id"]
        for kind in ("order", "parcel")
    }
    worker = shop.start("old", "worker", "shop:jobs", "--drain", "200ms")
    until(lambda: all(shop.ran(job) == "reserve charge" for job in jobs.values()))
    worker.send_signal(signal.SIGTERM)
    worker.communicate(timeout=LONG)
    assert worker.returncode == 0

    code, _, said = shop.typed("new", "worker", "shop:jobs", choice="refuse refuse gone")
    assert code == 2
    assert "kind order: 1 living job of version 1" in said
    assert "changed='finish'" in said
    code, _, said = shop.typed("new", "worker", "shop:jobs", choice="finish quarantine gone")
    assert code == 2
    assert "no handler for phase 'charge'" in said
    code, found, _ = shop.typed(
        "new", "deploy", "shop:jobs", "--json", choice="finish quarantine gone"
    )
    assert (code, found["ok"], found["looked_at"]) == (8, False, 2)
    assert [(one["kind"], one["error"]) for one in found["findings"]] == [
        ("order", True),
        ("parcel", False),
    ]
    dry = ("deploy", "shop:jobs", "--kind", "parcel", "--quarantine", "--dry-run", "--json")
    code, found, _ = shop.typed("new", *dry, choice="finish quarantine kept")
    assert (code, found["dry_run"]) == (0, True)
    assert [(one["id"], one["fate"]) for one in found["jobs"]] == [(jobs["parcel"], "quarantined")]
    assert {shop.ran(job) for job in jobs.values()} == {"reserve charge"}

    shop.start("new", "worker", "shop:jobs", choice="finish quarantine kept")
    assert (
        shop.typed("new", "wait", jobs["order"], "--json", choice="finish quarantine kept")[0] == 0
    )
    assert shop.ran(jobs["order"]) == "reserve charge charge2 ship2"
    shown = shop.typed("old", "show", jobs["parcel"], "--json")[1]
    assert (shown["status"], shown["cause"]) == ("quarantined", "definition changed")
    assert shown["definition"] == "1"
    undoing = shop.typed("old", "retry", jobs["parcel"], "--mode", "undo", "--json")[1]["id"]
    until(lambda: shop.ran(undoing) == "release2")
    assert shop.ran(jobs["parcel"]) == "reserve charge"
    assert shop.typed("old", "wait", undoing, "--json")[0] == 3
    assert shop.typed("old", "show", undoing, "--json")[1]["status"] == "compensated"


NEXT = """
import os
from pathlib import Path

from parcae import Context, GiveUp, Jobs, Moves, Retry, Shape

HERE = Path(__file__).parent.parent
jobs = Jobs()
saga = jobs.saga("order", version=2, changed="migrate", retry=Retry(max_attempts=3, jitter=0))


def note(ctx: Context, what: str) -> None:
    assert ctx.idempotency_key.startswith(ctx.job_id)
    with (HERE / f"ran-{ctx.job_id}").open("a") as file:
        file.write(f"{what}:{ctx.idempotency_key.removeprefix(ctx.job_id)} ")


@saga.migrate(1)
def since_the_first(old: Shape) -> Moves:
    return Moves(renamed={"reserve": "hold", "charge": "pay"})


@saga.phase
async def hold(ctx: Context, number: int) -> int:
    note(ctx, "hold")
    return number


@hold.undo
async def free(ctx: Context, number: int, result: int) -> None:
    assert number == result
    note(ctx, "free")


@saga.phase
async def check(ctx: Context, number: int) -> str:
    note(ctx, "check")
    return f"checked {ctx.result(hold)}"


@check.undo
async def uncheck(ctx: Context, number: int, result: str) -> None:
    assert result == f"checked {number}"
    note(ctx, "uncheck")


@saga.phase
async def pay(ctx: Context, number: int) -> None:
    note(ctx, "pay")


@saga.phase
async def ship(ctx: Context, number: int) -> None:
    note(ctx, "ship")
    if number == 13:
        raise GiveUp("nobody is there")
"""


def test_s11_s12_given_a_deploy_that_renames_and_inserts_in_mid_saga_then_jobs_go_on_in_it(
    shop: Shop,
) -> None:
    """S5, S11, S12, S13: killed inside a phase, migrated, one completes and one undoes it all."""
    (shop.folder / "next").mkdir()
    (shop.folder / "next" / "shop.py").write_text(NEXT)
    well, badly = (
        shop.typed("old", "submit", "shop:jobs", "order", number, "--json")[1]["id"]
        for number in ("7", "13")
    )
    worker = shop.start("old", "worker", "shop:jobs", "--drain", "200ms")
    until(lambda: all(shop.ran(job) == "reserve charge" for job in (well, badly)))
    worker.send_signal(signal.SIGTERM)
    worker.communicate(timeout=LONG)
    dry = ("deploy", "shop:jobs", "--migrate", "--dry-run", "--json")
    code, found, _ = shop.typed("next", *dry)
    assert (code, {one["id"] for one in found["jobs"]}) == (0, {well, badly})
    assert {one["why"] for one in found["jobs"]} == {
        "of version 2: hold (was reserve), check, pay (was charge), ship"
    }
    shop.start("next", "worker", "shop:jobs")
    assert shop.typed("next", "wait", well, "--json")[0] == 0
    shop.typed("next", "wait", badly, "--json")
    forward = "reserve charge check:/check pay:/charge ship:/ship"
    assert shop.ran(well) == forward
    assert shop.ran(badly) == f"{forward} uncheck:/check/undo free:/reserve/undo"
    shown = shop.typed("old", "show", badly, "--json")[1]
    assert (shown["status"], shown["definition"]) == ("compensated", "2")
    assert shop.typed("next", "fsck", "--json")[0] == 0
