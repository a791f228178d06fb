"""A schedule for readers: a timeline, a sequence diagram, JSON, and a test that fails."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from cattrs import Converter

from parcae import commands as c
from parcae.spec import RetryMode
from parcae_specs.explorer.run import Act, at
from parcae_specs.explorer.schedule import Scene, Schedule, clock

VERSION = 1
"""Of the JSON: a later version of this module reads every earlier one."""

_COMMANDS: dict[str, type[c.Command]] = {
    kind.__name__: kind
    for kind in (
        c.Submit,
        c.SettleDependency,
        c.Claim,
        c.Renew,
        c.StartPhase,
        c.CompletePhase,
        c.Fail,
        c.Release,
        c.ConfirmCancel,
        c.StartUndo,
        c.CompleteUndo,
        c.FailUndo,
        c.Cancel,
        c.Quarantine,
        c.Migrate,
        c.Abandon,
        c.Reconcile,
        c.Annotate,
        c.Delete,
    )
}


def _converter() -> Converter:
    converter = Converter(omit_if_default=True)
    converter.register_unstructure_hook(datetime, lambda at: at.isoformat())
    converter.register_structure_hook(datetime, lambda text, _: datetime.fromisoformat(text))
    converter.register_unstructure_hook(timedelta, lambda span: span.total_seconds())
    converter.register_structure_hook(timedelta, lambda number, _: timedelta(seconds=number))
    return converter


_CONVERTER = _converter()


def timeline(schedule: Schedule) -> str:
    """The schedule, a line a step, with only what changed below it."""
    lines = [f"{schedule.guarantee} does not hold: {schedule.message}", ""]
    for number, scene in enumerate(schedule.scenes, 1):
        told = f"  [{scene.outcome}]" if scene.outcome else ""
        lines.append(f"{number:3}. {clock(scene.at):>6}  {_does(scene)}{told}")
        lines += [f"               {change}" for change in scene.changed]
    return "\n".join(lines) + "\n"


def _does(scene: Scene) -> str:
    return scene.verb if scene.actor == "clock" else f"{scene.actor} {scene.verb}"


def mermaid(schedule: Schedule) -> str:
    """The schedule as a Mermaid sequence diagram."""
    lines = ["sequenceDiagram"]
    actors = dict.fromkeys(scene.actor for scene in schedule.scenes if scene.actor != "clock")
    lines += [f"    participant {_name(actor)} as {actor}" for actor in actors]
    lines.append("    participant kernel")
    for scene in schedule.scenes:
        if scene.actor == "clock":
            lines.append(f"    Note over kernel: {clock(scene.at)}")
        elif scene.act is None:
            lines.append(f"    Note over {_name(scene.actor)}: {scene.verb}")
        else:
            lines.append(f"    {_name(scene.actor)}->>kernel: {scene.verb}")
            lines.append(f"    kernel-->>{_name(scene.actor)}: {scene.outcome or 'done'}")
    broken = f"{schedule.guarantee}: {schedule.message}".replace(";", ",").replace("#", "")
    lines.append(f"    Note over kernel: {broken}")
    return "\n".join(lines) + "\n"


def _name(actor: str) -> str:
    return actor.replace(" ", "_")


def to_json(schedule: Schedule) -> str:
    """The schedule as JSON, to be run again by :func:`from_json`."""
    record = {
        "version": VERSION,
        "model": schedule.model,
        "guarantee": schedule.guarantee,
        "message": schedule.message,
        "jobs": [None if job is None else _CONVERTER.unstructure(job) for job in schedule.jobs],
        "acts": [_plain_act(act) for act in schedule.acts],
    }
    return json.dumps(record, indent=1, ensure_ascii=False) + "\n"


def _plain_act(act: Act) -> dict[str, Any]:
    record: dict[str, Any] = {"at": act.at, "slot": act.slot}
    if act.command is not None:
        fields = _CONVERTER.unstructure(act.command)
        record["command"] = {"type": type(act.command).__name__, **fields}
    if act.retry is not None:
        record["retry"] = [str(act.retry[0]), act.retry[1]]
    return record


def from_json(text: str) -> Schedule:
    """The schedule that :func:`to_json` wrote, without its words.

    Raises:
        ValueError: a later version wrote it.
    """
    record = json.loads(text)
    if record["version"] > VERSION:
        raise ValueError(f"expected version {VERSION} at most, got {record['version']}")
    jobs = tuple(
        None if job is None else _CONVERTER.structure(job, c.Submit) for job in record["jobs"]
    )
    scenes = tuple(Scene(at=one["at"], actor="", verb="", act=_act(one)) for one in record["acts"])
    return Schedule(
        model=record["model"],
        jobs=jobs,
        guarantee=record["guarantee"],
        message=record["message"],
        scenes=scenes,
    )


def _act(record: dict[str, Any]) -> Act:
    command: c.Command | None = None
    if "command" in record:
        fields = dict(record["command"])
        command = _CONVERTER.structure(fields, _COMMANDS[fields.pop("type")])
    retry = record.get("retry")
    return Act(
        at=record["at"],
        slot=record["slot"],
        command=command,
        retry=None if retry is None else (RetryMode(retry[0]), retry[1]),
    )


def pytest_file(schedule: Schedule) -> str:
    """A test that does the schedule and requires the guarantee: it fails until that is mended."""
    name = re.sub(r"\W+", "_", schedule.guarantee.lower())
    lines = [
        f'"""Written by the explorer: {schedule.guarantee} did not hold in {schedule.model}."""',
        "",
        *_IMPORTS,
        "",
        "",
        f"def test_{name}_holds_in_this_schedule() -> None:",
        f'    """{schedule.guarantee}: {schedule.message}."""',
        f"    run = Run({_source(schedule.jobs)})",
    ]
    lines += [
        f"    {_call(scene.act)}  # {scene.actor} {scene.verb}"
        for scene in schedule.scenes
        if scene.act is not None
    ]
    lines += _verdict(schedule.guarantee)
    return "\n".join(lines) + "\n"


def _verdict(guarantee: str) -> list[str]:
    """The assertion: on a guarantee, or on a property that a module of the user's has."""
    module, _, function = guarantee.partition(":")
    if not function:
        return [f"    assert run.found({guarantee!r}) == ''"]
    return [
        f"    from {module} import {function} as holds",
        "",
        "    assert all(holds(job) for job in run.seen)",
    ]


_IMPORTS = (
    "from parcae.commands import *",
    "from parcae.spec import *",
    "from parcae.values import *",
    "from parcae_specs.explorer.run import Run, at",
)


def _call(act: Act) -> str:
    if act.retry is not None:
        mode, fresh = act.retry
        return f"run.retry({act.at!r}, {act.slot}, RetryMode.{mode.name}, {fresh})"
    slot = f", slot={act.slot}" if act.slot > 0 else ""
    return f"run.put({act.at!r}, {_source(act.command)}{slot})"


def _source(value: object) -> str:
    """An expression that makes the value: what differs from the defaults is enough."""
    if isinstance(value, tuple):
        return f"({', '.join(map(_source, value))}{',' * (len(value) == 1)})"
    if isinstance(value, timedelta):
        return f"seconds({value.total_seconds():g})"
    if isinstance(value, datetime):
        return f"at({(value - at(0)).total_seconds():g})"
    if hasattr(value, "__attrs_attrs__"):
        return f"{type(value).__name__}({', '.join(_arguments(value))})"
    if hasattr(value, "name") and hasattr(value, "value"):
        return f"{type(value).__name__}.{value.name}"
    return repr(value)


def _arguments(value: Any) -> Iterator[str]:
    for attribute in value.__attrs_attrs__:
        given = getattr(value, attribute.name)
        default = attribute.default
        made = getattr(default, "factory", None)
        if given == (made() if made is not None else default):
            continue
        yield f"{attribute.name}={_source(given)}"
