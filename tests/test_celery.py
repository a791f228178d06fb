"""The bridge from Celery, with a real worker: a prefork pool, and a broker of files."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from parcae import Status, seconds
from parcae.events import Failed, RetryScheduled, Started
from parcae.freshness import Freshness, assess
from parcae.host_engine import External, HostEngine
from parcae.spec import Timing
from parcae.state import Ended, Job, Running
from parcae.values import Cause
from parcae.why import why
from parcae_adapters.blocking import BlockingEngine
from parcae_adapters.bridge import Bridge
from parcae_adapters.sqlite import SqliteStore

pytestmark = [pytest.mark.xdist_group("celery")]

APP = """
import os, signal, sys, time
from pathlib import Path
from celery import Celery
from parcae.host_engine import External
from parcae.spec import Timing
from parcae.values import hours, seconds
from parcae_adapters.celery import CeleryBridge
from parcae_adapters.sqlite import SqliteStore

HERE = Path(__file__).parent
app = Celery("shop", broker="filesystem://")
for name in ("broker", "control"):
    (HERE / name).mkdir(exist_ok=True)
app.conf.update(
    broker_transport_options={
        "data_folder_in": str(HERE / "broker"),
        "data_folder_out": str(HERE / "broker"),
        "control_folder": str(HERE / "control"),
        "polling_interval": 0.05,
    },
    worker_prefetch_multiplier=1,
    worker_lost_wait=0.2,
    broker_connection_retry_on_startup=True,
    task_ignore_result=True,
)
TIMING = Timing(
    lease=seconds(1.5), renewal=seconds(0.4), attempt=hours(1), stale_after=hours(1)
)
bridge = CeleryBridge(
    app,
    lambda: SqliteStore(HERE / "jobs.db", durability="normal"),
    jobs=External(queue="celery", timing=TIMING),
    reconcile_every=seconds(1),
).connect()

@app.task
def double(number):
    return number * 2

@app.task
def breaks():
    raise LookupError("no such order")

@app.task(
    autoretry_for=(OSError,), retry_kwargs={"max_retries": 1, "countdown": 0}, default_retry_delay=0
)
def offline():
    raise OSError("no route")

@app.task(time_limit=1)
def hangs():
    time.sleep(60)

@app.task
def dies():
    os.kill(os.getpid(), signal.SIGKILL)

@app.task
def long(path, span):
    Path(path).touch()
    time.sleep(span)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("celery")
    (folder / "shop_celery_app.py").write_text(APP)
    return folder


@pytest.fixture(scope="module")
def shop(folder: Path) -> Iterator[ModuleType]:
    """The application, in this process: it publishes."""
    spec = importlib.util.spec_from_file_location("shop_celery_app", folder / "shop_celery_app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    module.bridge.disconnect()


@pytest.fixture(scope="module")
def worker(folder: Path, shop: ModuleType) -> Iterator[subprocess.Popen[bytes]]:  # noqa: ARG001
    path = os.pathsep.join([str(folder), *(one for one in sys.path if one)])
    options = "--pool=prefork --concurrency=2 --without-gossip --without-mingle -l INFO"
    command = [sys.executable, "-m", "celery", "-A", "shop_celery_app", "worker", *options.split()]
    with (folder / "worker.log").open("wb") as output:
        process = subprocess.Popen(
            [*command, "-n", "one@here"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        yield process
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Desk:
    """Looks at the store."""

    def __init__(self, folder: Path) -> None:
        self.engine = BlockingEngine(SqliteStore(folder / "jobs.db"))
        self.host = HostEngine(self.engine.engine.store)
        self.log = folder / "worker.log"

    def job(self, task: Any) -> Job:
        return self.named(task.id)

    def named(self, name: str) -> Job:
        return self.engine.run(self.host.external(name)).job

    def until(self, name: str, true: Callable[[Job], bool]) -> Job:
        deadline = time.monotonic() + 30
        while not true(job := self.named(name)):
            if time.monotonic() > deadline:
                pytest.fail(f"{job.status}: {job}\n{self.log.read_text()}")
            time.sleep(0.02)
        return job

    def ended(self, task: Any) -> tuple[Job, Ended]:
        return self.ended_named(task.id)

    def ended_named(self, name: str) -> tuple[Job, Ended]:
        job = self.until(name, lambda job: job.status.is_terminal)
        assert isinstance(job.state, Ended)
        return job, job.state

    def events(self, job: Job, *kinds: type) -> list[Any]:
        every = [one.event for one in self.engine.history(job.id)]
        return [one for one in every if isinstance(one, kinds)]


@pytest.fixture(scope="module")
def desk(folder: Path) -> Iterator[Desk]:
    desk = Desk(folder)
    yield desk
    desk.engine.close()


def test_given_a_published_task_when_no_worker_has_it_then_it_is_in_line(
    shop: ModuleType, desk: Desk
) -> None:
    task = shop.double.delay(2)
    job = desk.job(task)
    assert (job.status, job.spec.kind, job.spec.lane.queue) == (
        Status.SCHEDULED,
        "shop_celery_app.double",
        "celery",
    )


@pytest.mark.usefixtures("worker")
def test_given_a_task_when_it_returns_then_its_job_has_completed(
    shop: ModuleType, desk: Desk
) -> None:
    job, _ = desk.ended(shop.double.delay(21))
    assert (job.status, job.starts) == (Status.COMPLETED, 1)
    (started,) = desk.events(job, Started)
    assert started.worker.startswith("one@here#")


@pytest.mark.usefixtures("worker")
def test_given_a_task_when_it_raises_then_its_job_has_failed_by_itself(
    shop: ModuleType, desk: Desk
) -> None:
    job, state = desk.ended(shop.breaks.delay())
    assert (job.status, state.cause, state.reconciled) == (
        Status.FAILED,
        Cause.HANDLER_ERROR,
        False,
    )
    assert job.error is not None
    assert (job.error.type, job.error.message) == ("LookupError", "no such order")


@pytest.mark.usefixtures("worker")
def test_given_a_task_that_is_retried_when_no_retry_is_left_then_the_host_has_given_it_up(
    shop: ModuleType, desk: Desk
) -> None:
    """S17: both starts are of one job, named by the task's id."""
    job, state = desk.ended(shop.offline.delay())
    assert (job.starts, job.attempts, state.cause) == (2, 2, Cause.REPORTED)
    (retry,) = desk.events(job, RetryScheduled)
    assert retry.error.type == "OSError"


@pytest.mark.usefixtures("worker")
def test_given_a_task_when_it_runs_into_celerys_hard_limit_then_the_host_has_given_it_up(
    shop: ModuleType, desk: Desk
) -> None:
    job, state = desk.ended(shop.hangs.delay())
    assert (job.status, state.cause, state.reconciled) == (Status.FAILED, Cause.REPORTED, False)
    (failed,) = desk.events(job, Failed)
    assert failed.error.type.endswith("TimeLimitExceeded")
    assert failed.interrupted == "run"


@pytest.mark.usefixtures("worker")
def test_given_a_task_when_its_process_is_killed_then_celerys_word_of_it_is_kept(
    shop: ModuleType, desk: Desk
) -> None:
    job, state = desk.ended(shop.dies.delay())
    assert (job.status, state.cause) == (Status.FAILED, Cause.REPORTED)
    (failed,) = desk.events(job, Failed)
    assert failed.error.type.endswith("WorkerLostError")
    said = why(job, None, desk.engine.engine.store.clock.now())
    assert "that queue has given it up" in " ".join(map(str, (said,)))


@pytest.mark.usefixtures("worker")
def test_given_a_task_that_waits_when_it_is_revoked_then_its_job_is_cancelled(
    shop: ModuleType, desk: Desk
) -> None:
    task = shop.double.apply_async((1,), countdown=1.5)
    shop.app.control.revoke(task.id)
    job, state = desk.ended(task)
    assert (job.status, state.cause, job.starts) == (Status.CANCELLED, Cause.CANCELLED, 0)


@pytest.mark.usefixtures("worker")
def test_given_a_task_longer_than_its_lease_when_it_runs_then_heartbeats_keep_it(
    shop: ModuleType, desk: Desk, tmp_path: Path
) -> None:
    stale = External(timing=Timing(stale_after=seconds(0.1)))
    Bridge(desk.engine, jobs=stale).submitted("never started", "shop.lost")
    job, _ = desk.ended(shop.long.delay(str(tmp_path / "begun"), 2.2))
    assert (job.status, job.starts, job.losses) == (Status.COMPLETED, 1, 0)
    # And a living worker has settled by the way what was never started.
    _, state = desk.ended_named("never started")
    assert (state.cause, state.reconciled) == (Cause.STALE_IN_QUEUE, True)


def test_given_a_task_when_its_whole_worker_is_killed_then_it_is_reconciled_as_lost(
    shop: ModuleType, desk: Desk, worker: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """L3: nobody ever reports. It does not look like one that failed by itself."""
    task = shop.long.delay(str(tmp_path / "begun"), 60)
    desk.until(
        task.id, lambda job: isinstance(job.state, Running) and (tmp_path / "begun").exists()
    )
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    clock, deadline = desk.engine.engine.store.clock, time.monotonic() + 20
    while not desk.job(task).status.is_terminal and time.monotonic() < deadline:
        desk.engine.run(clock.sleep_until(clock.now() + seconds(0.1)))
        desk.engine.run(desk.engine.engine.reconcile())
    job, state = desk.ended(task)
    assert (job.status, state.cause, state.reconciled) == (Status.FAILED, Cause.LEASE_LOST, True)
    assert assess(job, None, clock.now()).word is Freshness.RECONCILED
