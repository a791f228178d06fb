"""Every guarantee has a proof that names it, and the table of them is not stale."""

from __future__ import annotations

from pathlib import Path

import pytest

from parcae_specs.proofs import GUARANTEES, PAGE, claims, named, page, unproven

ROOT = Path(__file__).parents[1]


def test_given_the_guarantees_of_today_then_each_has_a_test_that_names_it() -> None:
    assert unproven(ROOT) == []


def test_given_the_page_then_it_says_what_the_tests_say() -> None:
    assert (ROOT / PAGE).read_text(encoding="utf-8") == page(ROOT), (
        "stale: run python -m parcae_specs.proofs"
    )


def test_given_the_list_then_no_guarantee_is_left_out() -> None:
    numbers = {letter: range(1, last + 1) for letter, last in (("S", 30), ("L", 8))}
    assert set(GUARANTEES) == {f"{one}{number}" for one in numbers for number in numbers[one]}


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("S3 and L6.", {"S3", "L6"}),
        ("keeps S1–S3, S9", {"S1", "S2", "S3", "S9"}),
        ("S1-S2", {"S1", "S2"}),
        ("SHA1 and XS3 are none", set()),
    ],
)
def test_given_a_docstring_then_the_ids_in_it_are_found(text: str, ids: set[str]) -> None:
    assert named(text) == ids


def test_given_a_test_named_after_guarantees_then_they_are_found(tmp_path: Path) -> None:
    module = tmp_path / "test_x.py"
    module.write_text('def test_s9_l6_given_x() -> None:\n    """S12."""\ndef test_y(): ...\n')
    assert set(claims(module)) == {(one, "test_s9_l6_given_x") for one in ("S9", "L6", "S12")}
