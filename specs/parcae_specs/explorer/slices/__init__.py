"""The feature slices: each a small file, explored for itself and not as one great product."""

from collections.abc import Mapping

from parcae_specs.explorer.model import Model
from parcae_specs.explorer.slices.clocks import CLOCKS
from parcae_specs.explorer.slices.dependency import DEPENDENCY
from parcae_specs.explorer.slices.lane import LANE
from parcae_specs.explorer.slices.lifecycle import LIFECYCLE
from parcae_specs.explorer.slices.quick import QUICK, QUIET
from parcae_specs.explorer.slices.retry import RETRY
from parcae_specs.explorer.slices.saga import SAGA

DEEP: Mapping[str, Model] = {
    model.name: model for model in (LIFECYCLE, SAGA, RETRY, CLOCKS, DEPENDENCY, LANE)
}
"""What ``make explore`` walks: as far as an hour goes."""

SLICES: Mapping[str, Model] = {model.name: model for model in QUICK}
"""What ``make check`` walks: the same jobs with fewer faults, to the end."""

LIVELY: Mapping[str, Model] = {model.name: model for model in QUIET}
"""In which every job has to end: without symmetry, small enough to keep every step."""
