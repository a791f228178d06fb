"""How long a system lets a worker stop before it kills it: read from systemd, Kubernetes, compose.

Only what says that is read; whatever else is in these files is none of our business.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from attrs import frozen

SYSTEMD_DEFAULT = timedelta(seconds=90)
KUBERNETES_DEFAULT = timedelta(seconds=30)
COMPOSE_DEFAULT = timedelta(seconds=10)
"""What holds where nothing is said."""


@frozen(kw_only=True)
class StopWait:
    """How long one service is given to stop.

    Attributes:
        service: its name in the file.
        wait: how long; ``None``: for ever.
        given: the file says so; otherwise it is what the system does by itself.
    """

    service: str
    wait: timedelta | None
    given: bool


def stop_waits(path: Path) -> tuple[StopWait, ...]:
    """Every service of a systemd unit, of Kubernetes manifests or of a compose file.

    Raises:
        ValueError: it is none of these, or says something that cannot be understood.
        ModuleNotFoundError: it is YAML, and PyYAML is not installed.
    """
    text = path.read_text(encoding="utf-8")
    if path.suffix not in (".yaml", ".yml"):
        return (_systemd(path.name, text),)
    found = tuple(_yaml(text))
    if not found:
        raise ValueError(f"{path} has no pod and no service of compose in it")
    return found


def chosen(found: tuple[StopWait, ...], service: str | None) -> StopWait:
    """The one that runs the worker.

    Raises:
        ValueError: there are several, or none of that name.
    """
    names = ", ".join(one.service for one in found)
    if service is None:
        if len(found) > 1:
            raise ValueError(f"several services there: {names}; name the one that runs the worker")
        return found[0]
    named = [one for one in found if one.service == service]
    if not named:
        raise ValueError(f"there is no service {service!r} there; there is {names}")
    return named[0]


def _systemd(name: str, text: str) -> StopWait:
    # Settings may be repeated, and what is repeated is of no interest here, save the last one.
    unit = configparser.ConfigParser(
        strict=False,
        interpolation=None,
        delimiters=("=",),
        comment_prefixes=("#", ";"),
        allow_no_value=True,
    )
    # One setting, or the stop's part of another: of both, too, the last one holds.
    unit.optionxform = lambda name: {"TimeoutSec": "TimeoutStopSec"}.get(name, name)  # type: ignore[assignment,method-assign]
    try:
        unit.read_string(text)
    except configparser.Error as error:
        raise ValueError(f"{name} is no systemd unit: {error}") from error
    if not unit.has_section("Service"):
        raise ValueError(f"{name} has no section [Service]: is it a unit that runs a worker?")
    said = unit["Service"].get("TimeoutStopSec")
    if not said:
        return StopWait(service=name, wait=SYSTEMD_DEFAULT, given=False)
    return StopWait(service=name, wait=_span(said, SYSTEMD_UNITS, zero_is_ever=True), given=True)


SYSTEMD_UNITS = {
    "": 1.0,
    **dict.fromkeys(("us", "usec", "µs"), 1e-6),
    **dict.fromkeys(("ms", "msec"), 1e-3),
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3_600.0),
    **dict.fromkeys(("d", "day", "days"), 86_400.0),
    **dict.fromkeys(("w", "week", "weeks"), 604_800.0),
}
"""systemd.time(7), as far as anybody lets a service stop."""

COMPOSE_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3_600.0}

_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-zµ]*)\s*")


def _span(said: str, units: dict[str, float], *, zero_is_ever: bool = False) -> timedelta | None:
    """A duration such as ``1min 30s``; ``None``: for ever.

    Raises:
        ValueError: it is none.
    """
    said = said.strip()
    if said == "infinity":
        return None
    parts = _PART.findall(said)
    if not parts or "".join(_PART.split(said)[::3]) or any(unit not in units for _, unit in parts):
        raise ValueError(f"{said!r} is no duration")
    try:
        total = timedelta(seconds=sum(float(number) * units[unit] for number, unit in parts))
    except OverflowError as error:
        raise ValueError(f"{said!r} is too long") from error
    return None if zero_is_ever and not total else total


def _yaml(text: str) -> Iterator[StopWait]:
    import yaml  # type: ignore[import-untyped]

    try:
        documents = list(yaml.safe_load_all(text))
    except yaml.YAMLError as error:
        raise ValueError(f"that is no YAML: {' '.join(str(error).split())}") from error
    for document in documents:
        if isinstance(document, dict):
            services = document.get("services")
            yield from _compose(services) if isinstance(services, dict) else _pods(document)


def _compose(services: dict[str, Any]) -> Iterator[StopWait]:
    for name, service in services.items():
        said = service.get("stop_grace_period") if isinstance(service, dict) else None
        wait = COMPOSE_DEFAULT if said is None else _span(str(said), COMPOSE_UNITS)
        yield StopWait(service=str(name), wait=wait, given=said is not None)


def _pods(manifest: dict[str, Any]) -> Iterator[StopWait]:
    """Every pod of a manifest, however deep it stands: a template of a template, or in a list."""
    name = _name(manifest)
    for pod in _with_containers(manifest, set()):
        said = pod.get("terminationGracePeriodSeconds")
        try:
            wait = KUBERNETES_DEFAULT if said is None else timedelta(seconds=float(said))
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"{said!r} is no number of seconds, in {name}") from error
        yield StopWait(service=name, wait=wait, given=said is not None)


def _name(manifest: dict[str, Any]) -> str:
    metadata = manifest.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return str(name or manifest.get("kind") or "a pod")


def _with_containers(value: Any, seen: set[int]) -> Iterator[dict[str, Any]]:
    """What has containers, each once: YAML's aliases may name one value a billion times."""
    if not isinstance(value, dict | list) or id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, dict) and isinstance(value.get("containers"), list):
        yield value
        return
    for one in value.values() if isinstance(value, dict) else value:
        yield from _with_containers(one, seen)
