"""How long a worker is given to stop, as systemd, Kubernetes and compose say it."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import pytest

from parcae_adapters.cli.stops import StopWait, chosen, stop_waits

UNIT = """\
# A unit as it is found in the wild.
[Unit]
Description=worker

[Service]
Environment=A=1
Environment=B=2
ExecStart=/usr/bin/parcae worker shop:jobs \\
    --drain 15m
{stop}
KillMode=mixed
"""

DEPLOYMENT = """\
apiVersion: v1
kind: Service
metadata: {name: front}
spec: {ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: worker}
spec:
  template:
    spec:
      terminationGracePeriodSeconds: 120
      containers: [{name: main, image: shop}]
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  jobTemplate:
    spec:
      template:
        spec:
          containers: [{name: main, image: shop}]
"""

COMPOSE = """\
services:
  db: {image: postgres}
  worker:
    command: parcae worker shop:jobs
    stop_grace_period: 1m30s
"""


def wait_of(tmp_path: Path, text: str, name: str = "worker.service") -> StopWait:
    """The only service of a file."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    (found,) = stop_waits(path)
    return found


@pytest.mark.parametrize(
    ("stop", "seconds", "given"),
    [
        ("TimeoutStopSec=16min 10s", 970, True),
        ("TimeoutStopSec=90", 90, True),
        ("TimeoutStopSec = 1.5h", 5_400, True),
        ("TimeoutStopSec=1h 500ms", 3_600.5, True),
        ("TimeoutSec=20", 20, True),
        ("TimeoutSec=20\nTimeoutStopSec=30", 30, True),
        ("TimeoutStopSec=30\nTimeoutSec=20", 20, True),
        ("TimeoutStopSec=30\nTimeoutStopSec=", 90, False),
        ("TimeoutStartSec=5", 90, False),
    ],
)
def test_given_a_unit_then_the_setting_that_holds_is_read(
    tmp_path: Path, stop: str, seconds: float, given: bool
) -> None:
    found = wait_of(tmp_path, UNIT.format(stop=stop))
    assert found == StopWait(service="worker.service", wait=timedelta(seconds=seconds), given=given)


@pytest.mark.parametrize("said", ["infinity", "0"])
def test_given_a_unit_that_is_never_killed_then_its_wait_is_for_ever(
    tmp_path: Path, said: str
) -> None:
    assert wait_of(tmp_path, UNIT.format(stop=f"TimeoutStopSec={said}")).wait is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("TimeoutStopSec=5", "no systemd unit"),
        ("[Unit]\nDescription=x\n", r"no section \[Service\]"),
        (UNIT.format(stop="TimeoutStopSec=soon"), "'soon' is no duration"),
        (UNIT.format(stop="TimeoutStopSec=5 parsecs"), "'5 parsecs' is no duration"),
        (UNIT.format(stop="TimeoutStopSec=5s, 3s"), "is no duration"),
        (UNIT.format(stop="TimeoutStopSec=99999999999999999"), "'99999999999999999' is too long"),
    ],
)
def test_given_what_cannot_be_understood_then_that_is_said(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        wait_of(tmp_path, text)


def yaml_of(tmp_path: Path, text: str) -> tuple[StopWait, ...]:
    """The services of a YAML file."""
    pytest.importorskip("yaml")
    path = tmp_path / "stack.yaml"
    path.write_text(text, encoding="utf-8")
    return stop_waits(path)


def test_given_manifests_then_every_pod_is_found_however_deep(tmp_path: Path) -> None:
    assert yaml_of(tmp_path, DEPLOYMENT) == (
        StopWait(service="worker", wait=timedelta(seconds=120), given=True),
        StopWait(service="nightly", wait=timedelta(seconds=30), given=False),
    )


def test_given_a_compose_file_then_every_service_is_found(tmp_path: Path) -> None:
    found = yaml_of(tmp_path, COMPOSE)
    assert found == (
        StopWait(service="db", wait=timedelta(seconds=10), given=False),
        StopWait(service="worker", wait=timedelta(seconds=90), given=True),
    )
    assert chosen(found, "worker") == found[1]
    assert chosen(found[:1], None) == found[0]
    with pytest.raises(ValueError, match="several services there: db, worker"):
        chosen(found, None)
    with pytest.raises(ValueError, match="no service 'web' there; there is db, worker"):
        chosen(found, "web")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "that is no YAML"),
        ("a: 1", "no pod and no service"),
        ("- 1", "no pod and no service"),
        ("services: {w: {stop_grace_period: soon}}", "'soon' is no duration"),
        (
            "kind: Pod\nspec: {containers: [], terminationGracePeriodSeconds: 99999999999999999}",
            "99999999999999999 is no number of seconds, in Pod",
        ),
        ("a: &a [*a, *a, *a]", "has no pod"),
        (
            "\n".join(
                f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9 * (n > 0))}]" for n in range(12)
            ),
            "has no pod",
        ),
        (
            "{kind: Pod, spec: {containers: [], terminationGracePeriodSeconds: soon}}",
            "'soon' is no number of seconds, in Pod",
        ),
    ],
)
def test_given_yaml_that_says_nothing_of_the_kind_then_that_is_said(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        yaml_of(tmp_path, text)


def test_given_no_yaml_library_then_its_name_is_in_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    path = tmp_path / "stack.yml"
    path.write_text(COMPOSE, encoding="utf-8")
    with pytest.raises(ModuleNotFoundError) as missing:
        stop_waits(path)
    assert missing.value.name == "yaml"
