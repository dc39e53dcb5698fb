"""What does not fit: batches beyond memory, ids beyond the embedding, weights that are not numbers; and that memory is bounded."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate.hooks import AlignDevicesHook, add_hook_to_module

from gated_ray.activations.batches import batches
from gated_ray.activations.capture import Sink
from gated_ray.activations.checking import formulas_of
from gated_ray.activations.running import choose_padding
from gated_ray.errors import CheckpointError, InputError, UnsupportedError
from gated_ray.vocabulary import QUADRANTS
from tests.activations.taking import Taker
from tests.checkpoints.tiny import tiny_checkpoint
from tests.conformance.tiny_models import save_tiny

DOCUMENTS = [[3, 1, 4, 1, 5], [9, 2, 6], [5], [3, 5, 8, 9, 7, 9, 3], [2, 3, 8, 4]]


@pytest.fixture(scope="module")
def taker(tmp_path_factory: pytest.TempPathFactory) -> Taker:
    folder = tmp_path_factory.mktemp("llama")
    tiny_checkpoint(folder, "llama")
    return Taker(folder, top=3)


def test_batches_hold_documents_of_like_length() -> None:
    lengths = [3, 9, 0, 9, 1, 4, 2]
    assert list(batches(lengths, 12, pads=True)) == [[1], [3], [5, 0, 6], [4]]
    assert list(batches([2, 3, 3, 2], 100, pads=False)) == [[1, 2], [0, 3]]
    assert list(batches([50, 1], 10, pads=True)) == [[0], [1]]
    assert list(batches([5, 4, 3, 2], 100, pads=True, turns=[2, 4])) == [[0], [1, 2], [3]]


def test_batches_of_short_documents_are_not_without_end() -> None:
    """What is worked out for each of 4,096 documents of one token would take 600 bytes a neuron."""
    assert max(map(len, batches([1] * 5000, 4096, pads=True))) == 128
    assert max(map(len, batches([1] * 5000, 16, pads=True))) == 8


def limited(run: Callable[..., None], most: int, sizes: list[int], error: Exception) -> Callable[..., None]:
    """Runs out of memory, after the first block, with more padded tokens than `most`."""

    def run_limited(documents: Sequence[Sequence[int]], sink: Sink, *, with_post: bool = False) -> None:
        size = len(documents) * max(map(len, documents))
        sizes.append(size)
        taken: list[int] = []

        def take(captured: Any) -> None:
            if size > most and taken:
                raise error
            taken.append(1)
            sink(captured)

        run(documents, take, with_post=with_post)

    return run_limited


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), MemoryError(), RuntimeError("[enforce fail] can't allocate memory")],
)
def test_batches_are_halved_where_memory_does_not_suffice(
    taker: Taker, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    whole = taker.tables(DOCUMENTS)
    sizes: list[int] = []
    monkeypatch.setattr(taker.runner, "run", limited(taker.runner.run, 10, sizes, error))
    taker.said.clear()
    measurer = taker.measurer(40)
    told: list[int] = []
    found = measurer.measure(DOCUMENTS, 0, told.append)
    assert measurer.most_tokens == 10
    assert max(told) == told[-1] == 20  # what was thrown away is not counted twice
    assert [line.partition(": out of memory; ")[2] for line in taker.said] == [
        "going on with batches of 20 tokens",
        "going on with batches of 10 tokens",
    ]
    assert max(sizes[-len(list(batches([len(d) for d in DOCUMENTS], 10, pads=True))) :]) <= 10
    for place, statistics in found.items():
        rows = whole[0].to_pandas().query(f"layer == {place[0]}")
        assert statistics.tokens.tolist() == rows["tokens"].tolist()  # nothing of the failed batches is counted
        opened = statistics.counts[4].numpy() / statistics.tokens.numpy()
        np.testing.assert_array_equal(opened, rows["gate_positive_freq"])
    sizes.clear()
    measurer.measure(DOCUMENTS, 0)  # the next shard begins with what is known
    assert max(sizes) <= 10


def test_one_document_that_does_not_fit_is_named(taker: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taker.runner, "run", limited(taker.runner.run, 6, [], torch.OutOfMemoryError("full")))
    with pytest.raises(
        CheckpointError, match=r"out of memory with one document of 7 tokens; use a device with more memory"
    ):
        taker.measurer().measure(DOCUMENTS, 0)


def test_other_errors_are_not_taken_for_memory(taker: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taker.runner, "run", limited(taker.runner.run, 0, [], RuntimeError("some bug")))
    with pytest.raises(RuntimeError, match="some bug"):
        taker.measurer().measure(DOCUMENTS, 0)


@pytest.mark.parametrize("wrong", [40, -1])
def test_ids_beyond_the_embedding_are_named(taker: Taker, wrong: int) -> None:
    documents = [[1, 2], [], [3, wrong, 4]]
    with pytest.raises(
        InputError, match=rf"token id {wrong} \(document 12, position 1\) is not in its embedding of 40 tokens"
    ):
        taker.measurer().measure(documents, 10)


def test_a_neuron_that_is_not_a_number_is_counted(tmp_path: Path) -> None:
    """And is in no mean, nor spoils that of its neighbours in the same layer."""
    from safetensors.torch import load_file, save_file

    tiny_checkpoint(tmp_path, "llama")
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    name = "model.layers.1.mlp.gate_proj.weight"
    sound = Taker(tmp_path).tables(DOCUMENTS)[0].to_pandas()
    tensors[name][5] = torch.nan
    save_file(tensors, path, {"format": "pt"})
    taker = Taker(tmp_path)
    assert taker.runner.pads
    rows = taker.tables(DOCUMENTS)[0].to_pandas()
    odd = rows.query("layer == 1 and neuron == 5").iloc[0]
    assert (odd["tokens"], odd["nan_tokens"], odd["gate_positive_freq"]) == (20, 20, 0)
    assert np.isnan(odd["gate+_in+_mean_post"])
    others = rows["neuron"] != 5
    assert rows.loc[others, "nan_tokens"].sum() == 0
    np.testing.assert_array_equal(rows[others]["gate+_in+_freq"], sound[others]["gate+_in+_freq"])


def test_padding_changes_nothing(taker: Taker) -> None:
    """One by one, and all in one batch."""
    alone, together = taker.tables(DOCUMENTS, most_tokens=1), taker.tables(DOCUMENTS, most_tokens=1000)
    assert alone[1].drop(["value"]).equals(together[1].drop(["value"]))
    np.testing.assert_allclose(alone[1]["value"], together[1]["value"], rtol=1e-5, atol=2e-6)
    for name in alone[0].column_names:
        if "_mean_" in name:
            np.testing.assert_allclose(alone[0][name], together[0][name], rtol=1e-4, atol=1e-6, equal_nan=True)
        else:
            assert alone[0][name].equals(together[0][name])


def test_how_models_are_padded_is_found_by_trying(tmp_path: Path) -> None:
    causal = Taker("tests/data/tiny-docs-llama@main").runner
    assert (causal.pads, causal.masks) == (True, False)
    save_tiny("modernbert", tmp_path / "bert")
    assert (lambda runner: (runner.pads, runner.masks))(Taker(tmp_path / "bert").runner) == (True, True)
    save_tiny("paligemma", tmp_path / "prefix")  # tokens of a prefix see those that follow, padding too
    assert not Taker(tmp_path / "prefix").runner.pads


def test_a_model_whose_documents_depend_on_each_other_is_refused(tmp_path: Path) -> None:
    """Not even documents of one length may share a batch: as where experts choose tokens, or the first of a batch count."""
    tiny_checkpoint(tmp_path, "llama")
    runner = Taker(tmp_path).runner
    mixed = runner.live.model.get_input_embeddings()
    mixed.register_forward_hook(lambda _module, _args, output: output + output.roll(1, 0))
    with pytest.raises(UnsupportedError, match="LlamaModel computes for a document depends on the others of its batch"):
        choose_padding(runner)


def test_hooks_of_others_stay(tmp_path: Path) -> None:
    """accelerate puts a forward of its own on every module of a model that it spreads."""
    save_tiny("mixtral", tmp_path)
    taker = Taker(tmp_path)
    (module, *_) = (each for each in taker.runner.live.model.modules() if hasattr(each, "gate_up_proj"))
    add_hook_to_module(module, AlignDevicesHook(execution_device="cpu"))
    theirs = vars(module)["forward"]
    taker.shard([[1, 2, 3]])
    assert vars(module)["forward"] is theirs


def test_tensors_that_the_class_leaves_out_are_named(tmp_path: Path) -> None:
    """Biases in a model that calls itself a Llama, say: without them it computes something else, and nothing fails."""
    from safetensors.torch import load_file, save_file

    tiny_checkpoint(tmp_path, "llama")
    assert Taker(tmp_path).runner.live.unused == ()  # its head is left out on purpose
    path = tmp_path / "model.safetensors"
    more = {f"model.layers.1.self_attn.{name}": torch.ones(8) for name in ("q_proj.bias", "rotary_emb.inv_freq")} | {
        "mtp.layers.0.norm.weight": torch.ones(8)
    }
    save_file(load_file(path) | more, path, {"format": "pt"})
    (unused,) = Taker(tmp_path).runner.live.unused
    assert unused.endswith("layers.1.self_attn.q_proj.bias")


def test_long_documents_with_longrope_change_no_others(tmp_path: Path) -> None:
    """One document beyond the original context turns the whole batch to other frequencies."""
    rope = {
        "rope_type": "longrope",
        "rope_theta": 10_000.0,
        "factor": 4.0,
        "short_factor": [1.0] * 4,
        "long_factor": [8.0] * 4,
        "original_max_position_embeddings": 16,
    }
    tiny_checkpoint(tmp_path, "llama", rope_parameters=rope)
    taker = Taker(tmp_path, top=3)
    assert (taker.runner.pads, taker.runner.turns) == (True, [16])
    documents = [[(7 * row + 3 * at) % 40 for at in range(length)] for row, length in enumerate((20, 12, 10, 17, 16))]
    alone, together = taker.tables(documents, most_tokens=1)[0], taker.tables(documents, most_tokens=1000)[0]
    for name in QUADRANTS:
        assert alone[f"{name}_freq"].equals(together[f"{name}_freq"])
        means = (table[f"{name}_mean_post"] for table in (alone, together))
        np.testing.assert_allclose(*means, rtol=1e-4, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize("model_type", ["llama", "mixtral"])
def test_a_block_that_runs_twice_a_token_is_refused(model_type: str, tmp_path: Path) -> None:
    save_tiny(model_type, tmp_path)
    taker = Taker(tmp_path)
    block = taker.runner.live.model.layers[1].mlp
    once = block.forward
    block.forward = lambda hidden: once(once(hidden))
    with pytest.raises(UnsupportedError, match=r"layer 1 \(\w+\) runs several times a token"):
        taker.shard([[1, 2, 3]])


def test_experts_that_are_run_in_another_way_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What their module looks like says how to run each; what it gives must say the same."""
    save_tiny("mixtral", tmp_path)
    runner = Taker(tmp_path).runner
    module = next(each for each in runner.live.model.modules() if hasattr(each, "gate_up_proj"))
    theirs = type(module).forward
    monkeypatch.setattr(type(module), "forward", lambda *given: 1.01 * theirs(*given))
    with pytest.raises(UnsupportedError, match="is not run as MixtralExperts looks to run its experts"):
        formulas_of(runner, "M")


def test_a_model_that_computes_something_else_is_refused(tmp_path: Path) -> None:
    """The class of the live model and the recorded formula must agree."""
    tiny_checkpoint(tmp_path, "llama")
    taker = Taker(tmp_path)
    taker.runner.live.model.layers[1].mlp.act_fn = torch.nn.GELU()
    with pytest.raises(
        UnsupportedError, match=r"layer 1 \(mlp\): the model does not compute act\(gate\) \* in \(act: silu\)"
    ):
        formulas_of(taker.runner, "M")


_PEAKS = """
import sys
from tests.activations.taking import Taker

def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

taker = Taker("tests/data/tiny-docs-llama@main")
for documents in (8, 64):
    taker.measurer(512).measure([list(range(2, 130))] * documents, 0)
    print(peak())
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_tokens() -> None:
    """Of 1,000 and of 8,000, which hold 75 MB of g and u in float32 a layer alone."""
    run = subprocess.run(
        [sys.executable, "-c", _PEAKS],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        # What is freed goes back at once: otherwise glibc keeps what may come to 30 MB, by how the threads happen to run.
        env=os.environ | {"MALLOC_MMAP_THRESHOLD_": str(128 << 10)},
    )
    few, many = map(int, run.stdout.split())
    assert (many - few) / 1024 < 25  # MB
