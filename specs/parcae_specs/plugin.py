"""Holds a store to its contract without any test file: ``pytest --parcae-store mypackage:make``.

Nothing of Parcae is imported until a run asks for it: pytest imports plugins before coverage is
measured, and what is imported by then counts as never run.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import pytest

OPTION = "--parcae-store"
NOT_DECLARED = "not declared: "

pytest.register_assert_rewrite("parcae_specs.contracts")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.getgroup("parcae").addoption(
        OPTION,
        metavar="PACKAGE.MODULE:NAME",
        help="hold this store to the contract of parcae.ports.Store: a function that opens the "
        "store kept in a folder, make(folder, clock, entropy), or a Subject",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Where the option is given, collect the contract; alone, where no other tests are named."""
    config.pluginmanager.register(Skips(), "parcae-skips")
    if config.getoption(OPTION) is None:
        return
    here = str(config.invocation_params.dir)
    if here not in sys.path:
        # Without a test file pytest puts no folder of the user's on the path.
        sys.path.insert(0, here)
    suite = str(Path(__file__).parent / "contracts" / "suite.py")
    named = config.args if config.args_source is pytest.Config.ArgsSource.ARGS else []
    # A worker of pytest-xdist is given the arguments with the suite among them.
    config.args = list(dict.fromkeys([*named, suite]))


class Skips:
    """Remembers what was skipped because the store had not declared it."""

    def __init__(self) -> None:
        self.tests: defaultdict[str, list[str]] = defaultdict(list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a skip."""
        if not report.skipped or not isinstance(report.longrepr, tuple):
            return
        _, _, names = report.longrepr[2].partition(NOT_DECLARED)
        for name in filter(None, names.split(", ")):
            self.tests[name].append(report.nodeid)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what was not tested, and why."""
        if not self.tests:
            return
        from parcae_specs.subject import CAN, Capability

        terminalreporter.section("not held to, for it was not declared")
        width = max(map(len, self.tests))
        for name, tests in sorted(self.tests.items()):
            what = CAN[Capability(name)]
            terminalreporter.write_line(
                f"{name:{width}}  {len(tests):3} tests  a store that {what}"
            )
