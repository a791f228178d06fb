"""The slices of many jobs: each explored for itself, and not as one great product."""

from collections.abc import Mapping

from parcae_specs.explorer.crowds.model import Crowd
from parcae_specs.explorer.crowds.slices.graphs import GRAPHS
from parcae_specs.explorer.crowds.slices.groups import GROUPS
from parcae_specs.explorer.crowds.slices.lanes import LANES
from parcae_specs.explorer.crowds.slices.lively import QUIET
from parcae_specs.explorer.crowds.slices.more import MORE
from parcae_specs.explorer.crowds.slices.once import CONSTRAINTS

SLICES: Mapping[str, Crowd] = {
    model.name: model for model in (*LANES, *GRAPHS, *GROUPS, *CONSTRAINTS)
}
"""What ``make check`` walks, to the end."""

DEEP: Mapping[str, Crowd] = {model.name: model for model in (*SLICES.values(), *MORE)}
"""What ``make explore`` walks."""

LIVELY: Mapping[str, Crowd] = {model.name: model for model in QUIET}
"""In which everything has to end: without symmetry, small enough to keep every step."""
