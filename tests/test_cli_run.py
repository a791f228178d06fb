"""``parcae run``: a cron's command under a lease, with real processes and a real file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from parcae import Query, Status, seconds
from parcae.state import Ended, Job
from parcae.values import Cause
from parcae_adapters.blocking import BlockingEngine
from parcae_adapters.sqlite import SqliteStore

PARCAE = (sys.executable, "-m", "parcae_adapters.cli")
ENV = {**os.environ, "PYTHONPATH": os.pathsep.join(one for one in sys.path if one)}


class Shell:
    """Calls the command line in a folder, and looks at what is in its database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.engine = BlockingEngine(SqliteStore(folder / "jobs.db"))

    def begin(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            (*PARCAE, *words),
            cwd=self.folder,
            env=ENV,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def run(self, *words: str) -> tuple[int, str, str]:
        process = self.begin(*words)
        out, err = process.communicate(timeout=30)
        return process.returncode, out, err

    def job(self) -> Job:
        (stored,) = self.engine.find(Query()).jobs
        return stored.job

    def until(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not true():
            assert time.monotonic() < deadline, self.engine.find(Query())
            time.sleep(0.02)

    def ended(self) -> Ended:
        state = self.job().state
        assert isinstance(state, Ended)
        return state


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    yield shell
    shell.engine.close()


def running(shell: Shell) -> Callable[[], bool]:
    return lambda: (shell.folder / "begun").exists()


SLEEPS = ("--", "sh", "-c", "touch begun; exec sleep 60")


def test_given_a_command_when_it_ends_well_then_its_output_and_its_record_say_so(
    shell: Shell,
) -> None:
    code, out, err = shell.run("run", "backup", "--name", "monday", "--", "echo", "--queue", "hi")
    assert (code, out) == (0, "--queue hi\n")
    job = shell.job()
    assert job.id in err
    assert (job.status, job.spec.kind, job.starts) == (Status.COMPLETED, "backup", 1)
    code, out, err = shell.run("run", "backup", "--name", "monday", "--", "echo", "again")
    assert (code, out) == (5, ""), "one name, one job (S17)"
    assert "completed" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [(("sh", "-c", "exit 7"), "exited with code 7"), (("no-such-command",), "cannot be run")],
)
def test_given_a_command_when_it_ends_badly_then_the_job_has_failed_by_itself(
    shell: Shell, words: tuple[str, ...], said: str
) -> None:
    code, _, err = shell.run("run", "backup", "--", *words)
    assert code == 3
    assert said in err
    assert (shell.ended().cause, shell.ended().reconciled) == (Cause.HANDLER_ERROR, False)


def test_given_a_full_queue_when_a_command_is_to_run_then_it_is_not_and_its_job_says_why(
    shell: Shell,
) -> None:
    """S6: a limit of one keeps a cron's command from running beside itself."""
    shell.engine.run(shell.engine.engine.limit("nightly", 1))
    first = shell.begin("run", "backup", "--queue", "nightly", *SLEEPS)
    shell.until(running(shell))
    code, _, err = shell.run("run", "backup", "--queue", "nightly", "--", "touch", "never")
    assert code == 5
    assert "lets no more start" in err
    assert not (shell.folder / "never").exists()
    (refused,) = [
        one.job for one in shell.engine.find(Query(statuses=frozenset({Status.FAILED}))).jobs
    ]
    assert refused.starts == 0
    first.send_signal(signal.SIGTERM)
    assert first.wait(20) == 3
    assert "SIGTERM" in first.communicate()[1]


def test_given_a_running_command_when_its_job_is_cancelled_then_it_is_stopped(
    shell: Shell,
) -> None:
    process = shell.begin("run", "backup", "--lease", "600ms", *SLEEPS)
    shell.until(running(shell))
    shell.engine.cancel(shell.job().id, by="ops")
    assert process.wait(20) == 3
    process.communicate()
    assert (shell.ended().status, shell.ended().cause) == (Status.CANCELLED, Cause.CANCELLED)


def test_given_a_command_beyond_its_timeout_when_it_is_renewed_then_it_is_stopped_as_lost(
    shell: Shell,
) -> None:
    words = ("run", "backup", "--lease", "300ms", "--timeout", "500ms", *SLEEPS)
    code, _, err = shell.run(*words)
    assert code == 6
    assert "attempt timeout" in err
    assert shell.ended().reconciled


def test_given_a_timeout_before_the_first_renewal_when_it_passes_then_nobody_waits_for_that(
    shell: Shell,
) -> None:
    """Cron starts no reconciler: what is to stop the command must not be the next renewal."""
    ends_well = ("--", "sleep", "2")
    code, _, err = shell.run("run", "backup", "--lease", "45s", "--timeout", "300ms", *ends_well)
    assert (code, shell.ended().cause) == (6, Cause.ATTEMPT_TIMEOUT), err


def test_l3_given_a_run_that_is_killed_when_its_lease_is_over_then_it_is_told_as_lost(
    shell: Shell,
) -> None:
    """L3: after kill -9 nobody reports, and nobody is told that it failed by itself."""
    process = shell.begin("run", "backup", "--lease", "600ms", *SLEEPS)
    shell.until(running(shell))
    assert shell.job().status is Status.RUNNING
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    clock = shell.engine.engine.store.clock
    shell.engine.run(clock.sleep_until(clock.now() + seconds(0.7)))
    code, _, _ = shell.run("reconcile")
    assert code == 0
    assert (shell.ended().cause, shell.ended().reconciled) == (Cause.LEASE_LOST, True)
    assert shell.run("wait", shell.job().id)[0] == 6


def test_what_cannot_be_is_refused_as_wrong_usage(shell: Shell) -> None:
    code, _, err = shell.run("run", "", "--", "true")
    assert code == 2
    assert "expected 1 to 200 printable characters for kind" in err
    assert shell.run("run", "backup")[0] == 2
