"""The Hub of made-up weights: the same bytes every time, finite numbers, and what is measured of them is what they say."""

import json
import os
from collections.abc import Iterator
from itertools import combinations, pairwise
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from gated_ray.analysis import analyze
from gated_ray.vocabulary import COSINES
from tests.checkpoints.paper_models import PaperModel
from tests.checkpoints.reference import reference_geometry
from tests.servers import made_up_bodies
from tests.servers.apart import hub_apart
from tests.servers.made_up_bodies import MadeUpFile
from tests.servers.made_up_hub import MadeUpHub, paper_hub

NAME = "made-up/small"
MODEL = PaperModel(NAME, "llama", 2, 64, 160, 4, 2, 16, 96, tied=False)
FILES = ("config.json", "model.safetensors.index.json", *(f"model-{n:05d}-of-00003.safetensors" for n in (1, 2, 3)))


@pytest.fixture
def endpoint() -> Iterator[str]:
    with MadeUpHub() as hub:
        hub.add_made_up(NAME, MODEL.config, MODEL.tensors(), shard_bytes=MODEL.parameters)
        os.environ["HF_ENDPOINT"] = hub.endpoint
        yield hub.endpoint


def _read(endpoint: str, file: str, span: tuple[int, int] | None = None) -> bytes:
    headers = {} if span is None else {"Range": f"bytes={span[0]}-{span[1] - 1}"}
    with urlopen(Request(f"{endpoint}/{NAME}/resolve/main/{file}", headers=headers)) as response:
        return bytes(response.read())


def test_any_range_is_that_part_of_the_file(endpoint: str) -> None:
    for file in FILES[2:]:
        whole = _read(endpoint, file)
        cuts = [0, 5, 8, 700, len(whole) // 2 + 1, len(whole)]
        assert b"".join(_read(endpoint, file, span) for span in pairwise(cuts)) == whole


def test_a_range_across_the_ends_of_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(made_up_bodies, "BLOCK_BYTES", 26)
    file = MadeUpFile(b"head", body_bytes=70, start=10)
    block = bytes(range(26))
    whole = b"head" + (block * 4)[10:80]
    for begin, end in combinations(range(file.size + 1), 2):
        found = b"".join(block[offset : offset + length] for offset, length in file.pieces(begin, end))
        assert file.head[begin:end] + found == whole[begin:end]


def test_what_is_measured_is_what_its_bytes_say(endpoint: str, tmp_path: Path) -> None:
    for file in FILES:
        (tmp_path / file).write_bytes(_read(endpoint, file))
    for path in tmp_path.glob("*.safetensors"):
        assert all(tensor.isfinite().all() for tensor in load_file(path).values())
    found = analyze(NAME, regions="none").neurons
    expected = reference_geometry(tmp_path, "paper")
    assert len(found) == MODEL.neurons == sum(len(numbers["sign"]) for numbers in expected.values())
    for name in COSINES:
        exact = np.concatenate([numbers[name] for numbers in expected.values()])
        np.testing.assert_allclose(found[name].to_numpy(), exact, rtol=0, atol=3e-6)


def test_vectors_of_a_neuron_have_nothing_in_common(endpoint: str) -> None:
    neurons = analyze(NAME, regions="none").neurons
    for name in COSINES:
        assert np.abs(neurons[name].to_numpy()).max() < 0.7  # five standard deviations of chance are 0.63


def test_a_model_of_the_paper_from_a_process_of_its_own() -> None:
    with hub_apart(paper_hub, ["Qwen/Qwen2.5-7B"]) as server:
        url = f"{server.endpoint}/Qwen/Qwen2.5-7B/resolve/main"
        with urlopen(f"{url}/model.safetensors.index.json") as response:
            shards = sorted(set(json.load(response)["weight_map"].values()))
        assert [int(shard[6:11]) for shard in shards] == [1, 2, 3, 4]
        with urlopen(Request(f"{url}/{shards[1]}", headers={"Range": "bytes=4000000000-4000000999"})) as response:
            values = torch.frombuffer(bytearray(response.read()), dtype=torch.bfloat16)
        assert values.isfinite().all()
        assert 0.01 < float(values.float().std()) < 0.03
