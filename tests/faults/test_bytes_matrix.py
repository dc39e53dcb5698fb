"""The fault matrix in one process: every tensor of a checkpoint on the Hub, in hundreds of requests a fault."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gated_ray.errors import GatedRayError, InputError
from gated_ray.sources.checkpoint import open_checkpoint, open_origin
from gated_ray.sources.slices import TensorSlice
from tests.checkpoints.cosine_cells import CELLS
from tests.checkpoints.planted import plant_checkpoint
from tests.checkpoints.raw_safetensors import unpack
from tests.faults.conftest import Clock
from tests.faults.hurry import hurry
from tests.faults.kinds import ANSWERS, elsewhere, one_or_another
from tests.servers.hub import HubServer
from tests.servers.hub_faults import sometimes
from tests.servers.hub_tls import untrusted_host
from tests.sources.reading import read_bytes

REPO = "org/planted"
LAYERS = 8
MOST_SECONDS = 60
"""For one reading: about ten times what it takes."""


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of about 0.7 MB in four shards."""
    folder = tmp_path_factory.mktemp("matrix") / "planted"
    table = {layer: dict.fromkeys(CELLS, 8) for layer in range(LAYERS)}
    plant_checkpoint(folder, table, d_model=64, model_type="llama", shards=4)
    return folder


@pytest.fixture(scope="module")
def stored(planted: Path) -> dict[str, bytes]:
    return {name: tensor.data for path in planted.glob("*.safetensors") for name, tensor in unpack(path).items()}


@pytest.fixture(scope="module")
def untrusted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with untrusted_host(tmp_path_factory.mktemp("untrusted")) as origin:
        yield origin


@pytest.fixture
def served(hub: HubServer, planted: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> HubServer:
    """The Hub with the checkpoint; nobody waits between attempts, and parts are small."""
    hub.add_repo(REPO, planted)
    hurry(monkeypatch.setattr)
    return hub


def read_everything() -> dict[str, bytes]:
    """Every tensor, a layer at a time, from opening the checkpoint on."""
    checkpoint = open_checkpoint(REPO)
    origin = open_origin(checkpoint.location)
    layers = [f"layers.{layer}." for layer in range(LAYERS)]
    groups = [[name for name in checkpoint.tensors if layer in name] for layer in layers]
    groups.append([name for name in checkpoint.tensors if not any(layer in name for layer in layers)])
    found: dict[str, bytes] = {}
    for names in groups:
        found |= read_bytes(checkpoint, [TensorSlice(checkpoint.tensors[name]) for name in names], origin)
    return found


def test_without_faults(served: HubServer, stored: dict[str, bytes]) -> None:
    assert read_everything() == stored
    assert len(served.cdn_requests()) > 300


@pytest.mark.parametrize("name", ANSWERS)
def test_a_tenth_of_the_requests(
    served: HubServer, stored: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    kind = ANSWERS[name]
    if name.startswith("slow"):  # each of these costs a second
        hurry(monkeypatch.setattr, part=32 << 10)
    hook = sometimes(0.1, kind.fault, kind.where, seed=4)
    served.faults.append(hook)
    if _gets_through(stored):
        assert hook.committed > (1 if name.startswith("slow") else 20)
    else:
        assert kind.may_cost
        assert hook.committed


@pytest.mark.parametrize("name", ["dns", "no_tls"])
def test_some_redirects_lead_nowhere(served: HubServer, stored: dict[str, bytes], untrusted: str, name: str) -> None:
    """There is about one redirect a shard, so half of them do."""
    kind = elsewhere(served, untrusted)[name]
    hook = sometimes(0.5, kind.fault, kind.where, seed=1)
    served.faults.append(hook)
    assert _gets_through(stored)
    assert hook.committed > 3


def test_some_redirects_lead_to_a_host_that_cannot_be_trusted(
    served: HubServer, stored: dict[str, bytes], untrusted: str
) -> None:
    kind = elsewhere(served, untrusted)["untrusted"]
    served.faults.append(sometimes(0.5, kind.fault, kind.where, seed=1))
    with pytest.raises(InputError, match=f"^{REPO}: model-0000.* is not trusted"):
        read_everything()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_every_fault_at_a_tenth_at_once(served: HubServer, stored: dict[str, bytes], untrusted: str, seed: int) -> None:
    """Nine requests in ten fail: it may not get through, but it says so, and soon."""
    hooks = [
        sometimes(0.1, kind.fault, kind.where, seed=100 * seed + number)
        for number, kind in enumerate((ANSWERS | elsewhere(served, untrusted)).values())
    ]
    served.faults += hooks
    _gets_through(stored)
    assert sum(hook.committed for hook in hooks) > 3


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "least"), [(0.1, 3), (0.3, 1)])
def test_one_fault_or_another(
    served: HubServer, stored: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, rate: float, least: int
) -> None:
    """Of four readings most get through, some even where every third request goes wrong; none brings a wrong byte."""
    hurry(monkeypatch.setattr, part=8 << 10)
    kinds = list(ANSWERS.values())
    right = 0
    for seed in range(4):
        hook = one_or_another(rate, kinds, seed)
        served.faults[:] = [hook]
        right += _gets_through(stored)
        assert hook.committed > 3
    assert right >= least


def _gets_through(stored: dict[str, bytes]) -> bool:
    """Whether everything could be read, and then it is right; else the error names the checkpoint. Neither takes for ever."""
    started = time.monotonic()
    try:
        found = read_everything()
    except GatedRayError as error:
        found = {}
        message = str(error)
    assert time.monotonic() - started < MOST_SECONDS
    if not found:
        assert message.startswith(f"{REPO}: ")
        assert "\n" not in message
        return False
    assert found == stored
    return True
