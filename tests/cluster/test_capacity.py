"""How many workers there are, how large, and what is said where they do not fit."""

import pytest
import ray

from gated_ray.architectures.blocks import Block
from gated_ray.cluster.capacity import worker_count, worker_size
from gated_ray.cluster.units import PackedUnit, split_into_units
from gated_ray.cluster.work import Need
from gated_ray.errors import InputError
from gated_ray.settings import ClusterSettings
from tests.cluster.fixtures import CPUS
from tests.cluster.test_units import LOCATION, PARTITION, made_up_block

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_session")]


def count(**cluster: float | str | None) -> int:
    settings = ClusterSettings(**{"gpus_per_worker": 0.0, **cluster})  # type: ignore[arg-type]
    return worker_count(settings, worker_size(settings, Need().memory))


def test_as_many_as_the_cpus_allow() -> None:
    assert count() == CPUS
    assert count(cpus_per_worker=2) == CPUS // 2
    assert count(workers=1) == 1


def test_more_than_there_is_room_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert count(workers=50) == CPUS
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"cluster.workers=50: there is room for {CPUS} here")


def test_a_cluster_may_grow(capsys: pytest.CaptureFixture[str]) -> None:
    assert count(workers=50, address="head:6379") == 50
    assert count(cpus_per_worker=1000, address="head:6379") == 1
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("cluster", [{"cpus_per_worker": 1000}, {"gpus_per_worker": 1000.0}])
def test_not_even_one_fits(cluster: dict[str, float]) -> None:
    with pytest.raises(InputError, match=r"a worker needs 1.*000.* but this machine has 2 CPUs") as caught:
        count(**cluster)
    assert "cluster.cpus_per_worker" in str(caught.value)


def test_memory_grows_with_the_largest_unit_but_never_beyond_a_node() -> None:
    settings = ClusterSettings(gpus_per_worker=0.0)
    needs = [Need().memory, Need().with_work([unit_of(made_up_block(0, "mlp", None, 10 << 20))]).memory, 1 << 50]
    memory = [worker_size(settings, need).memory for need in needs]
    assert memory[:2] == needs[:2]
    assert memory[0] >= 512 << 20
    assert memory[2] < ray.nodes()[0]["Resources"]["memory"]
    assert worker_count(settings, worker_size(settings, 1 << 50)) == 1


def unit_of(*blocks: Block) -> PackedUnit:
    (unit,) = split_into_units(PARTITION, LOCATION, blocks, 1 << 50)
    return PackedUnit.pack(unit)


def test_of_a_unit_of_many_experts_only_one_is_decoded_at_a_time() -> None:
    """Made-up blocks have a byte a weight, as 8-bit ones: a worker holds two units so, and one block in float32."""
    size = 10 << 20
    dense = Need().with_work([unit_of(made_up_block(0, "mlp", None, 16 * size))]).memory - Need().memory
    experts = (
        Need().with_work([unit_of(*(made_up_block(0, "expert", n, size) for n in range(16)))]).memory - Need().memory
    )
    assert dense >= 2 * 16 * size + 2 * 4 * 16 * size
    assert 2 * 16 * size + 2 * 4 * size <= experts < dense / 4
