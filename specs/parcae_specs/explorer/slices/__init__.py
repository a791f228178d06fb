"""The feature slices: each a small file, explored for itself and not as one great product."""

from collections.abc import Mapping

from parcae_specs.explorer.model import Model
from parcae_specs.explorer.slices.clocks import CLOCKS
from parcae_specs.explorer.slices.dependency import DEPENDENCY
from parcae_specs.explorer.slices.lane import LANE
from parcae_specs.explorer.slices.lifecycle import LIFECYCLE
from parcae_specs.explorer.slices.retry import RETRY
from parcae_specs.explorer.slices.saga import SAGA

SLICES: Mapping[str, Model] = {
    model.name: model for model in (LIFECYCLE, SAGA, RETRY, CLOCKS, DEPENDENCY, LANE)
}
"""What ``make check`` explores."""
