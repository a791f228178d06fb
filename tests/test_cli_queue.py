"""``parcae queue``, ``parcae group``, and what ``submit``, ``list`` and ``show`` say of ties."""

from __future__ import annotations

import asyncio
import getpass
import json
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from parcae import Context, Engine, GiveUp, Graph, Jobs, OnLost, Timing, Unique, seconds
from parcae.ports import Query
from parcae.values import WorkerId
from parcae_adapters.cli.app import parcae
from parcae_adapters.cli.codes import Exit
from parcae_adapters.cli.groups import constraint
from parcae_adapters.sqlite import SqliteStore
from parcae_adapters.worker import Worker

jobs = Jobs()


@jobs.job("greet", queue="mail")
def greet(ctx: Context, name: str) -> str:  # noqa: ARG001
    if name == "nobody":
        raise GiveUp("nobody is there")
    return name


doomed = Jobs()


@doomed.job("lost", on_lost=OnLost(action="fail"), timing=Timing(lease=seconds(0.05)))
def lost(ctx: Context) -> None:
    """Its worker dies."""


class Shop:
    """A database, and what is typed about it."""

    def __init__(self, database: Path) -> None:
        self.database = database

    def __call__(self, *args: str) -> Result:
        result = CliRunner().invoke(parcae, [*args, "--db", str(self.database)])
        assert result.exit_code != Exit.INTERNAL, result.stderr
        return result

    def json(self, *args: str) -> Any:
        return json.loads(self(*args, "--json").stdout)

    def engine(self, use: Callable[[Engine], Coroutine[Any, Any, Any]]) -> Any:
        async def main() -> Any:
            async with Engine(SqliteStore(self.database, durability="normal")) as engine:
                return await use(engine)

        return asyncio.run(main())

    def submit(self, *names: str, **options: Any) -> list[str]:
        async def submit(engine: Engine) -> list[str]:
            return [(await engine.submit(greet(name), **options)).job_id for name in names]

        return list(self.engine(submit))

    def group(self, *names: str) -> str:
        async def submit(engine: Engine) -> str:
            asked = [greet(name) for name in names]
            return (await engine.submit_many(asked, label="letters")).group_id

        return str(self.engine(submit))

    def run(self) -> None:
        """Have a worker run until everything has ended."""

        async def run(engine: Engine) -> None:
            working = asyncio.create_task((worker := Worker(engine, jobs, name="tested")).run())
            for stored in (await engine.find(Query(limit=1_000))).jobs:
                await engine.wait(stored.job.id, timedelta(seconds=20))
            worker.stop()
            await working

        self.engine(run)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "jobs.db")


def test_given_settings_then_they_are_shown_and_on_record_with_who_asked(shop: Shop) -> None:
    assert shop("queue", "limit", "mail", "5", "--by", "ann").stdout == (
        "Queue mail: in all at most 5 at once.\n"
    )
    shop("queue", "limit", "mail", "1", "--each-key", "--by", "ann")
    shop("queue", "rate", "mail", "10", "--per", "1m", "--burst", "2", "--key", "k", "--by", "bob")
    shop("queue", "aging", "mail", "7", "--by", "bob")
    paused = shop("queue", "pause", "mail").stdout
    assert "paused since" in paused
    assert "each key at most 1 at once" in paused
    assert "key 'k' at most 10 starts in any 60 s, 2 at once" in paused
    told = [one["says"] for one in shop.json("queue", "history", "mail")["history"]]
    assert told[:2] == [
        "ann limited the queue to 5 jobs at once.",
        "ann limited each key to 1 job at once.",
    ]
    assert told[-1].startswith(getpass.getuser())
    assert "bob made a level of priority worth 7" in shop("queue", "history", "mail").stdout
    lines = shop("queue", "history", "mail", "--jsonl").stdout.splitlines()
    assert [json.loads(line)["version"] for line in lines] == [1, 2, 3, 4, 5]


def test_given_settings_then_they_can_be_taken_back(shop: Shop) -> None:
    for verb in ("limit", "rate", "aging"):
        shop("queue", verb, "mail", "3")
        found = shop.json("queue", verb, "mail", "none")
    shop("queue", "pause", "mail")
    found = shop.json("queue", "resume", "mail")
    assert (found["limit"], found["rate"], found["aging"]) == (None, None, None)
    assert found["paused_at"] is None
    assert found["version"] == 8
    assert "nothing is set" in shop("queue", "resume", "mail").stdout
    assert shop.json("queue", "resume", "mail")["version"] == 8, "what is so is not set again"


@pytest.mark.parametrize(
    "args",
    [
        ("limit", "mail", "0"),
        ("limit", "mail", "many"),
        ("limit", "mail", "2", "--key", "k", "--each-key"),
        ("rate", "mail", "2", "--per", "0s"),
        ("pause", ""),
        ("stats", "--window", "0s"),
        (),
    ],
)
def test_given_what_no_queue_can_be_told_then_it_is_wrong_usage(
    shop: Shop, args: tuple[str, ...]
) -> None:
    shop("queue", "pause", "other")
    assert shop("queue", *args).exit_code == Exit.USAGE


def test_given_jobs_then_queues_are_listed_and_counted_key_by_key(shop: Shop) -> None:
    shop.submit("a", "b", "nobody", key="k1")
    shop.run()
    shop.submit("c", "d", key="k2")
    shop("queue", "limit", "mail", "1", "--key", "k2")

    (listed,) = shop.json("queue", "list")["queues"]
    assert (listed["queue"], listed["waiting"], listed["running"]) == ("mail", 2, 0)
    assert listed["ended"] == {"completed": 2, "failed": 1}
    assert listed["wait_seconds"] is None, "no times were asked for"
    document = shop.json("queue", "stats", "mail")
    keys = {one["key"]: one for one in document["queues"][0]["keys"]}
    assert (keys["k2"]["limit"], keys["k2"]["wait_seconds"]) == (1, None)
    assert keys["k1"]["run_seconds"]["count"] == 3
    assert keys["k1"]["run_seconds"]["p50"] <= keys["k1"]["run_seconds"]["p99"]
    assert document["queues"][0]["ends_per_minute"] == pytest.approx(3 / 15, abs=0.001)
    assert document["sample"] == 3
    shown = shop("queue", "stats", "mail").stdout
    assert "mail/k2" in shown
    assert "0 of 1" in shown
    assert "–" in shown, "what is unknown is no zero"
    cut = shop("queue", "stats", "--limit", "1")
    assert "Not shown: 0 queues and 1 keys" in cut.stderr
    assert json.loads(shop("queue", "list", "--jsonl").stdout)["queue"] == "mail"
    assert "mail" in shop("queue", "list").stdout


def test_given_a_queue_that_nobody_has_touched_then_it_is_empty(shop: Shop) -> None:
    assert shop("queue", "list").exit_code == Exit.NOT_FOUND, "there is no database"
    shop.submit("a")
    untouched = shop("queue", "stats", "other")
    assert untouched.exit_code == shop("queue", "history", "other").exit_code == Exit.OK
    assert "Queue other has no jobs, and nothing is set for it." in untouched.stderr
    assert shop("queue", "history", "mail").stderr == "Nothing was ever set for it.\n"


def test_given_a_job_in_line_then_show_says_what_is_in_its_way(shop: Shop) -> None:
    first, second = shop.submit("a", "b", key="k")
    shop("queue", "limit", "mail", "1")

    async def claim(engine: Engine) -> None:
        await engine.claim(WorkerId("busy"), jobs.kinds, request="1")

    shop.engine(claim)
    shown = shop("show", second).stdout
    assert "in line" in shown
    assert (
        f"the next of mail/k; 1 of 1 slots of queue mail are held; slots are held by {first}"
        in (shown)
    )
    place = shop.json("show", second)["place"]
    assert (place["ahead"], place["held"], place["holders"]) == (0, 1, [first])
    assert shop.json("show", first)["place"] is None


def test_given_jobs_that_are_tied_then_show_tells_so(shop: Shop) -> None:
    (parent,) = shop.submit("nobody")
    unique = Unique(name="one", replace=True, delay=seconds(1), at_most=seconds(60))
    (child,) = shop.submit("b", after=[parent], unique=unique)
    waiting = shop("show", child).stdout
    assert f"after     {parent}: has not ended; if not completed: cancel" in waiting
    assert "it stands for all others of 'one' until it has ended" in waiting
    assert "runs 1.0s after the last, at most 60s after the first" in waiting
    shop.run()
    document = shop.json("show", child)
    (dependency,) = document["dependencies"]
    assert (dependency["id"], dependency["outcome"], dependency["met"]) == (parent, "failed", False)
    assert document["unique"]["name"] == "one"
    assert document["group"] is None
    assert f"{parent}: ended failed" in shop("show", child).stdout


def test_every_constraint_has_its_words() -> None:
    said = [
        constraint(Unique(name="n", until=until, period=period))
        for until, period in (("started", None), ("forever", None), ("expired", seconds(90)))
    ]
    assert [one.removeprefix("it stands for all others of 'n' ") for one in said] == [
        "until it has started",
        "for ever",
        "for 90s",
    ]


def test_given_a_batch_then_its_progress_and_end_are_told(shop: Shop) -> None:
    group = shop.group("a", "b", "nobody")
    before = shop.json("group", "show", group)
    assert (before["status"], before["left"], before["jobs"]) == (None, 3, {"scheduled": 3})
    assert shop("group", "wait", group, "--timeout", "0").exit_code == Exit.TIMED_OUT
    assert [one["id"] for one in shop.json("group", "list", "--open")["groups"]] == [group]
    shop.run()

    waited = shop("group", "wait", group[:18])
    assert waited.exit_code == Exit.JOB_FAILED
    assert waited.stdout == "failed: It ended failed: 2 completed, 1 failed.\n"
    shown = shop("group", "show", group, "--history").stdout
    assert "letters: It ended failed: 2 completed, 1 failed." in shown
    assert "3 jobs were admitted as 'letters'" in shown
    assert "It ended: failed." in shown
    lines = shop("group", "show", group, "--jsonl").stdout.splitlines()
    assert json.loads(lines[-1])["says"] == "It ended: failed."
    assert len(shop.json("group", "show", group, "--history")["history"]) == len(lines)
    assert shop.json("group", "list", "--open")["groups"] == []
    assert group in shop("group", "list").stdout
    assert len(shop.json("list", "--group", group)["jobs"]) == 3
    member = shop.json("list", "--group", group.removeprefix("group/"))["jobs"][0]["id"]
    assert f"group     {group}, number " in shop("show", member).stdout


def test_given_a_batch_that_completes_then_wait_exits_with_0(shop: Shop) -> None:
    group = shop.group("a", "b")
    shop.run()
    assert shop("group", "wait", group).exit_code == Exit.OK


def test_given_a_batch_with_a_lost_job_then_wait_exits_with_6(shop: Shop) -> None:
    async def lose(engine: Engine) -> str:
        handle = await engine.submit_many([lost()])
        await engine.claim(WorkerId("gone"), doomed.kinds, request="1")
        await asyncio.sleep(0.1)
        await engine.reconcile()
        return handle.group_id

    group = shop.engine(lose)
    waited = shop("group", "wait", group, "--json")
    assert waited.exit_code == Exit.JOB_LOST
    assert json.loads(waited.stdout)["lost"] is True


def test_given_a_batch_that_is_cancelled_then_it_is_told_who_asked(shop: Shop) -> None:
    group = shop.group("a", "b")
    assert shop("group", "cancel", group, "--by", "ann", "--reason", "late").exit_code == Exit.OK
    told = shop("group", "show", group, "--history").stdout
    assert "ann asked for all of it to stop (late)." in told
    again = shop("group", "cancel", group)
    assert again.exit_code == Exit.CONFLICT
    assert "already ended" in again.stdout


def test_given_no_such_group_then_it_is_not_found(shop: Shop) -> None:
    shop.submit("a")
    for verb in ("show", "cancel", "wait"):
        assert shop("group", verb, "01234").exit_code == Exit.NOT_FOUND
    assert shop("group", "list").stderr == "No such group.\n"


def test_given_many_streams_then_every_group_is_found(shop: Shop) -> None:
    groups = [shop.group("a") for _ in range(3)]
    shop("queue", "pause", "mail")
    assert [one["id"] for one in shop.json("group", "list")["groups"]] == groups[::-1]
    newest = shop.json("group", "list", "--limit", "1")
    assert ([one["id"] for one in newest["groups"]], newest["total"]) == ([groups[2]], 3)
    assert shop("group", "show", groups[0][:10]).exit_code == Exit.CONFLICT, "it could be any"


APP = "tests_cli_queue_app:jobs"


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An application in the folder of the shop."""
    (tmp_path / "tests_cli_queue_app.py").write_text(
        "from parcae import Context, Jobs\n"
        "jobs = Jobs()\n"
        "@jobs.job('greet', queue='mail')\n"
        "def greet(ctx: Context, name: str) -> str:\n"
        "    return name\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return APP


def test_given_after_then_the_job_waits_by_its_policy(shop: Shop, app: str) -> None:
    first = shop("submit", app, "greet", "a").stdout.strip()
    group = shop.group("b")
    child = shop(
        "submit", app, "greet", "c", "--after", first, "--after", f"{group}:proceed"
    ).stdout.strip()
    document = shop.json("show", child)
    assert document["status"] == "pending"
    assert [(one["id"], one["policy"]) for one in document["dependencies"]] == [
        (first, "cancel"),
        (group, "proceed"),
    ]
    assert shop("submit", app, "greet", "c", "--after", f"{first}:ask").exit_code == Exit.USAGE
    assert shop("submit", app, "greet", "c", "--after", "nobody").exit_code == Exit.NOT_FOUND


def test_given_unique_then_the_answer_names_the_job_that_stands(shop: Shop, app: str) -> None:
    first = shop("submit", app, "greet", "a", "--unique", "ended")
    again = shop("submit", app, "greet", "a", "--unique", "ended")
    assert again.stdout == first.stdout
    assert again.stderr == "It was admitted before: it stands for this one.\n"
    named = ("--unique", "expired", "--unique-name", "n", "--unique-period", "1h")
    other = shop("submit", app, "greet", "b", *named).stdout
    assert shop("submit", app, "greet", "c", *named).stdout == other
    debounced = ("--unique", "ended", "--unique-name", "d", "--replace", "--debounce", "5s")
    one = shop("submit", app, "greet", "a", *debounced).stdout.strip()
    two = shop("submit", app, "greet", "b", *debounced, "--at-most", "1m").stdout.strip()
    assert shop.json("show", one)["status"] == "cancelled"
    assert shop.json("show", two)["unique"]["at_most_seconds"] == 60


@pytest.mark.parametrize(
    "wrong",
    [
        ("--replace",),
        ("--unique-name", "n"),
        ("--unique", "expired"),
        ("--unique", "ended", "--debounce", "5s"),
        ("--unique", "never"),
    ],
)
def test_given_a_constraint_that_does_not_fit_together_then_it_is_wrong_usage(
    shop: Shop, app: str, wrong: tuple[str, ...]
) -> None:
    assert shop("submit", app, "greet", "a", *wrong).exit_code == Exit.USAGE


def test_given_a_graph_then_a_member_says_what_it_waits_for(shop: Shop) -> None:
    async def submit(engine: Engine) -> str:
        graph = Graph()
        first = graph.add(greet("a"), name="first")
        graph.add(greet("b"), name="second", after=[first])
        return (await engine.submit_graph(graph)).names["second"]

    member = shop.engine(submit)
    assert "as 'first': has not ended" in shop("show", member).stdout


def test_every_subcommand_shows_an_environment_twin_for_every_option() -> None:
    runner = CliRunner()
    for verb in ("queue", "group"):
        command = parcae.get_command(click.Context(parcae), verb)
        assert isinstance(command, click.Group)
        for name, one in command.commands.items():
            shown = " ".join(runner.invoke(parcae, [verb, name, "--help"]).stdout.split())
            options = [param for param in one.params if isinstance(param, click.Option)]
            assert shown.count("env var:") == len(options), name
