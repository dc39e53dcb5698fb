"""The fault matrix through real sweeps: the dataset is the one without faults, or the model is named as failed."""

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gated_ray.cluster import sweep as sweep_module
from gated_ray.cluster import tasks
from gated_ray.cluster.pool import Pool
from gated_ray.cluster.result import SweepResult
from gated_ray.cluster.sweep import run_sweep
from tests.checkpoints.cosine_cells import CELLS
from tests.checkpoints.planted import plant_checkpoint
from tests.cluster.sweeping import assert_sound, sweep_settings
from tests.faults.hurried import HurriedActor
from tests.faults.hurry import hurry
from tests.faults.kinds import ANSWERS, Kind, elsewhere, one_or_another
from tests.servers.hub import HubServer
from tests.servers.hub_faults import Condition, sometimes
from tests.servers.hub_log import Request
from tests.servers.hub_tls import untrusted_host

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_session")]

CLEAN = "org/clean"
LAYERS = 4
MOST_SECONDS = 240
"""For a sweep: several times what it takes."""

Sweep = Callable[[list[str]], SweepResult]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of four units, about 70 requests of small parts."""
    folder = tmp_path_factory.mktemp("matrix") / "planted"
    table = {layer: dict.fromkeys(CELLS, 16) for layer in range(LAYERS)}
    plant_checkpoint(folder, table, d_model=32, model_type="llama", shards=2)
    return folder


@pytest.fixture
def untrusted(tmp_path: Path) -> Iterator[str]:
    with untrusted_host(tmp_path) as origin:
        yield origin


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def sweep(store: Path, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    """Sweep models of the Hub, with short waits in the driver and in the workers."""
    hurry(monkeypatch.setattr)
    monkeypatch.setattr(tasks, "_FIRST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(sweep_module, "Pool", partial(Pool, actor_class=HurriedActor))

    def run(models: list[str]) -> SweepResult:
        started = time.monotonic()
        result = run_sweep(sweep_settings(store, models))
        assert time.monotonic() - started < MOST_SECONDS
        return result

    return run


def test_each_fault_at_a_tenth_of_the_requests(
    hub: HubServer, planted: Path, store: Path, sweep: Sweep, untrusted: str
) -> None:
    """One model a fault, all in one sweep, beside one without."""
    kinds = {f"org/{name}": kind for name, kind in (ANSWERS | elsewhere(hub, untrusted)).items()}
    hooks = {
        model: sometimes(0.1, kind.fault, _at(model, kind.where), seed=_seed(kind)) for model, kind in kinds.items()
    }
    hub.faults += hooks.values()
    for model in (CLEAN, *kinds):
        hub.add_repo(model, planted)

    result = sweep([CLEAN, *kinds])

    assert [model for model, hook in hooks.items() if not hook.committed] == []
    failed = _same_or_named(result, store, list(kinds))
    assert [model for model in failed if not kinds[model].may_cost] == []
    assert "org/untrusted" in failed
    assert_sound(store, 1 + len(kinds) - len(failed), unpublished=failed)


def test_all_faults_together(hub: HubServer, planted: Path, store: Path, sweep: Sweep, untrusted: str) -> None:
    """Models that meet every fault at a tenth of their requests, so that most go wrong, and some that meet one or another."""
    kinds = ANSWERS | elsewhere(hub, untrusted)
    for model in ("org/every-a", "org/every-b"):
        hub.add_repo(model, planted)
        hub.faults += [
            sometimes(0.1, kind.fault, _at(model, kind.where), seed=number)
            for number, kind in enumerate(kinds.values(), start=len(hub.faults))
        ]
    tenth, third = ([f"org/{share}-{letter}" for letter in "abcd"] for share in ("tenth", "third"))
    for seed, model in enumerate(tenth + third):
        hub.add_repo(model, planted)
        rate = 0.1 if model in tenth else 0.3
        hub.faults.append(one_or_another(rate, list(ANSWERS.values()), seed, _at(model)))
    hub.add_repo(CLEAN, planted)

    result = sweep([CLEAN, "org/every-a", "org/every-b", *tenth, *third])

    failed = _same_or_named(result, store, ["org/every-a", "org/every-b", *tenth, *third])
    assert len(set(tenth) - set(failed)) >= 3
    assert set(third) - set(failed)
    assert_sound(store, 11 - len(failed), unpublished=failed)


def _at(model: str, where: Condition = lambda _: True) -> Condition:
    """Those requests that are for one model."""

    def at(request: Request) -> bool:
        mine = request.repo == model or request.path.startswith(f"/api/models/{model}/")
        return (mine or request.path == f"/api/models/{model}") and where(request)

    return at


def _seed(kind: Kind) -> int:
    """One that commits the fault at the second request, for those of which there are few."""
    return 6 if kind.may_cost else 4


def _same_or_named(result: SweepResult, store: Path, models: list[str]) -> Mapping[str, str]:
    """Messages by model of those that failed; every other one has the dataset of the one without faults."""
    failed = {failure.reference: failure.message for failure in result.failures}
    assert len(failed) == len(result.failures)
    assert failed.keys() <= set(models)
    assert all(message.startswith(f"{model}: ") for model, message in failed.items())
    clean = _tables(store, CLEAN)
    assert clean["neurons"].num_rows == LAYERS * 16 * len(CELLS)
    for model in models:
        if model in failed:
            assert _tables(store, model) == {}
        else:
            assert _tables(store, model) == clean, model
    return failed


def _tables(store: Path, model: str) -> dict[str, pa.Table]:
    """What is published of a model, without its name and how long it took."""
    folder = model.replace("/", "--")
    return {
        table: pq.read_table(path).drop_columns(["model_name"])
        for table in ("neurons", "layers")
        for path in (store / table).glob(f"model={folder}/**/*.parquet")
    }
