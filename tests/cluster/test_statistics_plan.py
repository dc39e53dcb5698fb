"""What is declared of a worker's memory, and which licence a model is said to have."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gated_ray.activations.licences import license_of
from gated_ray.activations.partial import parts_of
from gated_ray.activations.statistics import NeuronStatistics
from gated_ray.architectures.finding import find_architecture
from gated_ray.cluster.statistics_plan import plan_statistics
from gated_ray.settings import ActivationsSettings, DataSettings, StatisticsSettings, StoreSettings
from gated_ray.sources.checkpoint import open_checkpoint
from gated_ray.store.objects import open_objects
from tests.checkpoints.tiny import tiny_checkpoint
from tests.conformance.tiny_models import save_tiny


def resident(tmp_path: Path, documents: list[list[int]], top: int) -> int:
    name = f"{len(documents)}-{top}"
    (tmp_path / f"{name}.json").write_text(json.dumps(documents))
    settings = ActivationsSettings(
        data=DataSettings(token_ids=str(tmp_path / f"{name}.json")),
        store=StoreSettings(url=str(tmp_path / "store")),
        statistics=StatisticsSettings(top=top),
    )
    plan = plan_statistics(str(tmp_path / "model"), settings, open_objects(settings.store))
    return max(work.need.resident for work in plan.remaining)


def test_two_shards_at_a_time_need_memory(tmp_path: Path) -> None:
    """One is committed while the next is measured."""
    tiny_checkpoint(tmp_path / "model", "llama")
    neurons = sum(block.neurons for block in find_architecture(open_checkpoint(str(tmp_path / "model"))).blocks)
    least = resident(tmp_path, [[1]], 16)
    more = NeuronStatistics.bytes_a_neuron(64) - NeuronStatistics.bytes_a_neuron(16)
    assert resident(tmp_path, [[1]], 64) - least >= 2 * neurons * more
    numbers_and_places = 28 + 8
    assert resident(tmp_path, [[1]] * 1000, 16) - least >= 2 * 999 * numbers_and_places


def test_parts_are_small_enough_to_be_published(tmp_path: Path) -> None:
    save_tiny("mixtral", tmp_path)
    blocks = [
        replace(block, expert=expert)
        for block in find_architecture(open_checkpoint(str(tmp_path))).blocks
        if block.layer == 0 and block.expert == 0
        for expert in range(1000)
    ]
    parts = parts_of(blocks, 16)
    assert [place for part in parts.values() for place in part] == [block.place for block in blocks]
    most = max(map(len, parts.values())) * blocks[0].neurons * NeuronStatistics.bytes_a_neuron(16)
    assert 32 << 20 < most <= 64 << 20


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("---\nlicense: mit\n---\n# Model\n", "mit"),
        ("---\nlicense: other\nlicense_name: mine\n---\n", "mine"),
        ("---\nlicense: [mit]\n---\n", None),
        ("---\nlicense: mit\n", None),
        ("---\n{\n---\n", None),
        ("# Model\n", None),
        (None, None),
    ],
)
def test_licence(card: str | None, expected: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A card without a head is nothing that the user should read about."""
    tiny_checkpoint(tmp_path, "llama")
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    assert license_of(open_checkpoint(str(tmp_path))) == expected
    assert caplog.text == ""
