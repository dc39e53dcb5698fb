"""Two real Ray nodes share a sweep: both do units, and where the network is the limit two workers are faster than one."""

from pathlib import Path
from statistics import median

import pytest

from tests.checkpoints.paper_models import PaperModel
from tests.cluster.apart import sweep_on
from tests.cluster.nodes import ray_nodes
from tests.cluster.noting import Note, notes, seconds_of
from tests.cluster.sweeping import assert_sound
from tests.servers.paced_hub import PacedHub

MODEL = PaperModel("paced/model", "llama", 32, 256, 512, 4, 2, 64, 96, tied=False)
UNIT_BYTES = 3 * 2 * MODEL.d_model * MODEL.d_mlp
"""Less than a part of the engine, so that a unit comes over one connection however many a worker may open."""
RATE = 2 * UNIT_BYTES
"""Half a second a unit."""
FASTER = 1.4
"""Of the 2 that are possible: nodes and workers start beside the first units, on two cores."""


@pytest.mark.slow
def test_two_nodes_share_a_sweep(tmp_path: Path) -> None:
    with PacedHub(RATE) as hub, ray_nodes(2) as cluster:
        hub.add_made_up(MODEL.name, MODEL.config, MODEL.tensors())

        def sweep(workers: int) -> list[Note]:
            store = tmp_path / f"by-{workers}"
            overrides = [f"models.refs=[{MODEL.name}]", f"cluster.workers={workers}", "profile.regions=none"]
            environment = {"HF_ENDPOINT": hub.endpoint}
            sweep_on(cluster, "tests.cluster.noting:NotingActor", store, *overrides, environment=environment)
            assert_sound(store, 1)
            noted = list(notes(store))
            assert len({note.unit for note in noted}) == len(noted) == MODEL.layers
            return noted

        by_one, by_two = sweep(1), sweep(2)

    assert len({note.node for note in by_one}) == 1
    assert median(note.ended - note.began for note in by_one) > 0.8 * UNIT_BYTES / RATE, "the server is not slow"
    of_node = {node: sum(note.node == node for note in by_two) for node in {note.node for note in by_two}}
    assert len(of_node) == 2, "one node did nothing"
    assert min(of_node.values()) > MODEL.layers / 4, f"shared unevenly: {of_node}"
    assert seconds_of(by_one) / seconds_of(by_two) > FASTER
