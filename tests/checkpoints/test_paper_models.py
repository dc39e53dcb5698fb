"""The shapes of the paper's models: the parameters that the Hub counts in them, and the paper's layers and neurons."""

import pytest

from tests.checkpoints.paper_models import PAPER_MODELS
from tests.checkpoints.planted import published_table

_PARAMETERS = {
    "01-ai/Yi-6B": 6_061_035_520,
    "allenai/OLMo-1B-hf": 1_176_764_416,
    "allenai/OLMo-7B-0424-hf": 6_888_095_744,
    "google/gemma-2-2b": 2_614_341_888,
    "google/gemma-2-9b": 9_241_705_984,
    "meta-llama/Llama-2-7b-hf": 6_738_415_616,
    "meta-llama/Llama-3.1-8B": 8_030_261_248,
    "meta-llama/Llama-3.2-1B": 1_235_814_400,
    "meta-llama/Llama-3.2-3B": 3_212_749_824,
    "mistralai/Mistral-7B-v0.1": 7_241_732_096,
    "Qwen/Qwen2.5-0.5B": 494_032_768,
    "Qwen/Qwen2.5-7B": 7_615_616_512,
}


@pytest.mark.parametrize("name", _PARAMETERS)
def test_shapes_are_the_published_ones(name: str) -> None:
    model = PAPER_MODELS[name]
    assert model.parameters == _PARAMETERS[name]
    table = published_table(name)
    assert model.layers == len(table)
    assert {sum(counts.values()) for counts in table.values()} == {model.d_mlp}


def test_all_of_them() -> None:
    assert PAPER_MODELS.keys() == _PARAMETERS.keys()
    assert sum(model.mlp_weights for model in PAPER_MODELS.values()) == 42_131_521_536
