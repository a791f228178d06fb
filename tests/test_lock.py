"""The lock holds what pyproject.toml names, at versions it allows, and nothing else."""

import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS: dict[str, list[str]] = PYPROJECT["project"]["optional-dependencies"]
GROUPS: dict[str, list[Any]] = PYPROJECT["dependency-groups"]

PIN = re.compile(r"^[a-z0-9-]+==[0-9][0-9a-z.]*( ; .+)?$")


def lines(name: str) -> list[str]:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def pins(name: str) -> dict[NormalizedName, Requirement]:
    parsed = map(Requirement, lines(name))
    return {canonicalize_name(pin.name): pin for pin in parsed}


def version(pin: Requirement) -> str:
    (specifier,) = pin.specifier
    return specifier.version


def extra(name: str) -> Iterator[Requirement]:
    """What an extra asks for, with the extras of our own that it is composed of."""
    for requirement in map(Requirement, EXTRAS[name]):
        if requirement.name == PYPROJECT["project"]["name"]:
            for part in sorted(requirement.extras):
                yield from extra(part)
        else:
            yield requirement


def group(name: str) -> Iterator[Requirement]:
    for entry in GROUPS[name]:
        if isinstance(entry, str):
            yield Requirement(entry)
        else:
            yield from group(entry["include-group"])


def named(environment: str) -> list[Requirement]:
    base = [Requirement(text) for text in PYPROJECT["project"]["dependencies"]]
    if environment == "demo":
        return [*base, *extra("cli"), *group("build")]
    return [*base, *(r for name in EXTRAS for r in extra(name)), *group("dev")]


def reachable(roots: Iterable[Requirement]) -> set[NormalizedName]:
    """Every distribution that the roots bring with them here, as its own metadata tells."""
    seen: set[tuple[NormalizedName, frozenset[str]]] = set()
    waiting = list(roots)
    while waiting:
        wanted = waiting.pop()
        key = (canonicalize_name(wanted.name), frozenset(wanted.extras))
        if key in seen:
            continue
        seen.add(key)
        for child in map(Requirement, requires(wanted.name) or ()):
            contexts = [{"extra": name} for name in ("", *wanted.extras)]
            if child.marker is None or any(child.marker.evaluate(c) for c in contexts):
                waiting.append(child)
    return {name for name, _ in seen}


@pytest.mark.parametrize("environment", ["dev", "demo"])
def test_a_lock_is_a_list_of_exact_versions_without_indexes_or_paths(environment: str) -> None:
    assert [line for line in lines(environment) if not PIN.match(line)] == []


@pytest.mark.parametrize("environment", ["dev", "demo"])
def test_everything_named_is_locked_at_a_version_within_its_bounds(environment: str) -> None:
    locked = pins(environment)
    for requirement in named(environment):
        pin = locked[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version(pin)), (str(requirement), str(pin))


@pytest.mark.parametrize("environment", ["dev", "demo"])
def test_nothing_is_locked_that_nothing_asks_for_and_nothing_asked_for_is_missing(
    environment: str,
) -> None:
    here = {name for name, p in pins(environment).items() if not p.marker or p.marker.evaluate()}
    assert here == reachable(named(environment))


def test_the_demo_runs_on_the_versions_that_were_tested() -> None:
    tested = pins("dev")
    assert {
        n: version(p) for n, p in pins("demo").items() if version(p) != version(tested[n])
    } == {}


def test_the_extra_all_is_every_other_extra() -> None:
    others = {str(r) for name in EXTRAS if name != "all" for r in extra(name)}
    assert {str(r) for r in extra("all")} == others
