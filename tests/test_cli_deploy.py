"""The verb ``deploy``: what it shows of living jobs, and what it refuses."""

from __future__ import annotations

import asyncio
import json
import sys
import types
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner, Result

from parcae import Context, Engine, JobId, Jobs, Moves
from parcae_adapters.cli.app import parcae
from parcae_adapters.sqlite import SqliteStore


def definitions(*names: str, version: str, changed: str = "refuse") -> Jobs:
    """One saga of these phases."""
    jobs = Jobs()
    saga = jobs.saga("order", version=version, changed=changed)
    for name in names:

        @saga.phase(name=name)
        async def nothing(_: Context, number: int) -> None: ...

    return jobs


class Desk:
    """Somebody who types ``parcae deploy``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, database: Path) -> None:
        self._monkeypatch, self._database = monkeypatch, database

    def submitted(self, jobs: Jobs, many: int) -> list[JobId]:
        async def submit() -> list[JobId]:
            async with Engine(SqliteStore(self._database)) as engine:
                return [(await engine.submit(jobs["order"](n))).job_id for n in range(many)]

        return asyncio.run(submit())

    def types(self, jobs: Jobs, *args: str) -> Result:
        module: Any = types.ModuleType("deployed")
        module.jobs = jobs
        self._monkeypatch.setitem(sys.modules, "deployed", module)
        command = ["deploy", "deployed:jobs", *args, "--db", str(self._database)]
        return CliRunner().invoke(parcae, command)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Desk:
    return Desk(monkeypatch, tmp_path / "jobs.db")


def test_given_jobs_of_todays_shape_then_it_says_that_all_is_well(desk: Desk) -> None:
    jobs = definitions("a", "b", version="1")
    desk.submitted(jobs, 2)
    done = desk.types(jobs)
    assert (done.exit_code, done.stdout) == (0, "2 living jobs: all of today's phases\n")
    shown = json.loads(desk.types(jobs, "--json").stdout)
    assert shown == {"ok": True, "looked_at": 2, "complete": True, "findings": []}


def test_given_another_shape_then_it_says_both_sides_what_it_means_and_what_to_choose(
    desk: Desk,
) -> None:
    (job,) = desk.submitted(definitions("a", "b", version="1"), 1)
    after = definitions("b", "a", version="2")
    done = desk.types(after)
    assert done.exit_code == 8
    assert done.stdout == (
        f"error: kind order: 1 living job of version 1 ({job}) differs from version 2: the job has "
        "the order a, b, the definition has b, a: this job goes on in its own order. Choose "
        "changed='finish' (they finish as they were admitted), changed='migrate' (functions say "
        "what their phases have become), or changed='quarantine' (nobody runs them, and a person "
        "sees what they owe).\n1 living job: 1 finding\n"
    )
    (finding,) = json.loads(desk.types(after, "--json").stdout)["findings"]
    assert (finding["version"], finding["now"], finding["choice"]) == ("1", "2", "refuse")
    assert (finding["jobs"], finding["held"], finding["examples"]) == (1, 0, [job])
    assert [one["kind"] for one in finding["differences"]] == ["reordered"]
    chosen = desk.types(definitions("b", "a", version="2", changed="finish"))
    assert chosen.exit_code == 0
    assert chosen.stdout.startswith("note: kind order")


def test_s18_given_a_dry_run_then_it_lists_exactly_what_is_quarantined_afterwards(
    desk: Desk,
) -> None:
    """S18: and changes nothing."""
    jobs = desk.submitted(definitions("a", "b", version="1"), 3)
    after = definitions("a", version="2")
    asked = ("--kind", "order", "--quarantine", "--by", "ops")
    dry = desk.types(after, *asked, "--dry-run", "--json")
    wet = desk.types(after, *asked, "--json")
    listed, put = json.loads(dry.stdout), json.loads(wet.stdout)
    assert (listed["dry_run"], put["dry_run"]) == (True, False)
    assert listed["jobs"] == put["jobs"]
    assert {one["id"] for one in put["jobs"]} == set(jobs)
    assert {one["fate"] for one in put["jobs"]} == {"quarantined"}
    again = desk.types(after, *asked)
    assert (again.exit_code, again.stdout) == (0, "")
    assert "0 quarantined, 0 left alone." in again.stderr
    assert desk.types(after).exit_code == 0


def test_given_a_wrong_call_then_it_says_what_was_expected(desk: Desk) -> None:
    jobs = definitions("a", version="1")
    desk.submitted(jobs, 1)
    for args, says in (
        (("--kind", "nothing"), "does not define nothing"),
        (("--quarantine",), "--quarantine needs --kind"),
        (("--dry-run",), "--dry-run belongs to --quarantine"),
    ):
        done = desk.types(jobs, *args)
        assert done.exit_code == 2
        assert says in done.stderr


def migrating(*names: str, moves: Moves, version: str = "2") -> Jobs:
    """One saga of these phases that takes over the jobs of version 1."""
    jobs = definitions(*names, version=version, changed="migrate")
    jobs["order"].migrate("1")(lambda _: moves)
    return jobs


def test_given_migrate_then_it_lists_what_each_job_becomes_and_then_does_it(desk: Desk) -> None:
    """S18: a dry run changes nothing."""
    ids = desk.submitted(definitions("a", "b", version="1"), 2)
    after = migrating("a", "x", "y", moves=Moves(renamed={"b": "y"}))
    for _ in range(2):
        done = desk.types(after, "--migrate", "--dry-run", "--json")
        assert done.exit_code == 0
        shown = json.loads(done.stdout)
        assert shown["dry_run"] is True
        assert {one["id"]: (one["fate"], one["why"]) for one in shown["jobs"]} == dict.fromkeys(
            ids, ("migrated", "of version 2: a, x, y (was b)")
        )
    looked = desk.types(after)
    assert looked.exit_code == 0
    assert "note: kind order" in looked.stdout
    done = desk.types(after, "--migrate", "--by", "ops")
    assert done.exit_code == 0
    assert "2 migrated, 0 left alone." in done.stderr
    assert desk.types(after).stdout == "2 living jobs: all of today's phases\n"
    again = json.loads(desk.types(after, "--migrate", "--json").stdout)
    assert again["jobs"] == []


def test_given_migrate_where_it_makes_no_sense_then_it_says_what_was_expected(desk: Desk) -> None:
    desk.submitted(definitions("a", version="1"), 1)
    plain = definitions("a", "b", version="2", changed="migrate")
    for jobs, args, said in (
        (plain, ("--migrate",), "--migrate needs a definition that has a function for it"),
        (plain, ("--dry-run",), "--dry-run belongs to --quarantine and --migrate"),
        (plain, ("--migrate", "--quarantine", "--kind", "order"), "exclude each other"),
        (migrating("b", moves=cast(Moves, None)), ("--migrate",), "expected Moves, got None"),
        (migrating("b", moves=cast(Moves, None)), (), "from version 1 failed: TypeError"),
    ):
        done = desk.types(jobs, *args)
        assert done.exit_code == 2
        assert said in done.stderr
