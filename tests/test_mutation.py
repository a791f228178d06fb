"""The tool that mutates the kernel: what it lays out, and how it tells what it found."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from parcae_specs.mutation.explained import reason
from parcae_specs.mutation.lay import CONFIGURATION, Missing, lay
from parcae_specs.mutation.page import page
from parcae_specs.mutation.results import Mutant, mutants

ROOT = Path(__file__).parents[1]
ZIP = "for one, other in zip(ours, theirs, strict=True):"
EXPLAINED = Mutant(
    "parcae.decide.fence.x__taken__mutmut_9", "survived", ZIP, ZIP.replace("True", "False")
)
METHOD = Mutant("parcae.decide.draft.xǁDraftǁlease_of__mutmut_3", "survived", "a", "b")
KILLED = Mutant("parcae.decide.x_decide__mutmut_1", "killed")


def test_the_copy_has_the_kernel_as_mutmut_wants_it_and_tests_that_exist(tmp_path: Path) -> None:
    lay(tmp_path, ROOT)
    assert (tmp_path / "src" / "parcae" / "decide" / "fence.py").is_file()
    assert len(list((tmp_path / "tests").glob("test_*.py"))) > 20
    configured = tomllib.loads(CONFIGURATION)["tool"]["mutmut"]
    assert "src/parcae/evolve.py" in configured["only_mutate"]


def test_without_the_tests_it_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="top of the sources"):
        lay(tmp_path / "copy", tmp_path)


def test_what_mutmut_left_behind_is_read(tmp_path: Path) -> None:
    place = tmp_path / "mutants" / "src" / "parcae"
    place.mkdir(parents=True)
    codes = {"parcae.retry.x_delay__mutmut_1": 1, "parcae.retry.x_delay__mutmut_2": 0}
    more = {"parcae.retry.x_delay__mutmut_3": 36, "parcae.retry.x_delay__mutmut_4": None}
    left = {"exit_code_by_key": {**codes, **more, "parcae.retry.x_delay__mutmut_5": 33}}
    (place / "retry.py.meta").write_text(json.dumps(left))
    statuses = ["killed", "survived", "too slow", "not tried", "no test"]
    assert [one.status for one in mutants(tmp_path)] == statuses


def test_a_mutant_is_named_by_its_place() -> None:
    places = [one.place for one in (EXPLAINED, METHOD, KILLED)]
    assert places == ["decide.fence._taken", "decide.draft.Draft.lease_of", "decide.decide"]


def test_the_page_counts_what_was_killed_and_explains_what_was_not() -> None:
    assert reason(EXPLAINED) is not None
    assert reason(METHOD) is None
    told = page([EXPLAINED, METHOD, KILLED], [EXPLAINED, METHOD])
    assert "1 killed (33.3%)" in told
    assert "of which 1 change nothing" in told.replace("\n", " ")
    assert "| decide.fence | 1 | 0 | 1 | 1 |" in told
    assert "Not explained" in told
    assert "- decide.draft.Draft.lease_of: `a → b`" in told
