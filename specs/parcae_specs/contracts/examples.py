"""The contract's examples without pytest: what came of each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from parcae_specs.contracts.kit import Kit
from parcae_specs.subject import Subject


def outcomes(
    contract: type, subject: Subject, folder: Path, patience: float, prefix: str = "test_"
) -> Mapping[str, BaseException | None]:
    """Run all tests of a contract that need nothing but a kit; what was skipped is left out.

    Args:
        contract: a class of tests.
        subject: the store.
        folder: an empty one.
        patience: seconds for each test.
        prefix: of the names of the tests to run.
    """
    found: dict[str, BaseException | None] = {}
    for number, name in enumerate(sorted(dir(contract))):
        if not name.startswith(prefix):
            continue
        place = folder / str(number)
        place.mkdir()
        try:
            getattr(contract(), name)(Kit(subject, place, patience))
        except pytest.skip.Exception:
            continue
        except Exception as error:  # noqa: BLE001 - whatever it raises is its outcome
            found[name] = error
        else:
            found[name] = None
    return found
