"""The page that the long run writes."""

from __future__ import annotations

from parcae_specs.crash import report
from parcae_specs.crash.port import Survived
from parcae_specs.crash.power import Losses
from parcae_specs.crash.strikes import Struck
from parcae_specs.crash.troubles import Troubled


def rows(page: str) -> list[str]:
    return [line for line in page.splitlines() if line.startswith("| ")][1:]


def test_the_page_begins_with_the_command_that_repeats_it() -> None:
    assert "`python -m parcae_specs.crash --all`" in report.head(
        "python -m parcae_specs.crash --all"
    )


def test_crashes_at_the_port_are_counted_by_store_and_model() -> None:
    survived = Survived(points=30_000, taken=9, wrong=["S23"])
    page = report.port([("memory", "one phase", 331, survived)])
    assert rows(page) == ["| memory | one phase | 331 | 30,000 | 9 | 1 |"]


def test_strikes_are_counted_by_system_call() -> None:
    struck = Struck(points=9, by_call={"pwrite64": 7, "fdatasync": 1}, missed=1)
    page = report.calls(98, {"SIGKILL": struck})
    assert rows(page) == ["| SIGKILL | 9 | fdatasync 1, pwrite64 7 | 1 | 0 |"]


def test_power_losses_are_counted_by_what_was_lost() -> None:
    losses = Losses(images=10, lost={0: 6, 2: 3}, corrupt=1, wrong=["torn"])
    page = report.power({"normal": losses})
    assert rows(page) == ["| normal | 10 | 3 | 2 | 1 |"]
    assert "so many images of `normal`:\n\n0:6, 2:3.\n" in page


def test_troubles_are_told_in_the_words_that_clients_were_told() -> None:
    page = report.troubles({"full": Troubled(2, {"Unavailable: full": 2}), "torn": Troubled(5)})
    assert rows(page) == ["| full | 2 | Unavailable: full 2 | 0 |", "| torn | 5 | – | 0 |"]
