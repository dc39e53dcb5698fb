"""Every gated model type of the census: what gated-ray reads from the files is what the live model computes."""

from pathlib import Path
from unittest import mock

import pyarrow.compute as pc
import pytest
import torch
from transformers import PreTrainedModel

import gated_ray
from gated_ray.activations.checking import formulas_of
from gated_ray.activations.formulas import Formula
from gated_ray.activations.loading import load_model
from gated_ray.activations.running import whole_model
from gated_ray.architectures.blocks import BlockPlace
from gated_ray.architectures.finding import Architecture, find_architecture
from gated_ray.errors import CheckpointError, UnsupportedError
from gated_ray.sources.checkpoint import Checkpoint, open_checkpoint
from tests.conformance.compare import check_block, check_cosines, match_blocks, unchecked
from tests.conformance.found_blocks import FoundBlock, found_blocks
from tests.conformance.left_out import LEFT_OUT, REFUSED, UNCHECKED
from tests.conformance.live_blocks import LiveBlock, live_blocks
from tests.conformance.not_run import NOT_RUN
from tests.conformance.supported import further_refusals, others, refusal_of, rows_of
from tests.conformance.tiny_inputs import as_picture, tiny_inputs
from tests.conformance.tiny_models import CASES, UNBUILDABLE, census, save_tiny

DOC = set((Path(__file__).parents[2] / "docs" / "supported.md").read_text(encoding="utf-8").splitlines())


def test_enough_of_the_census_is_read() -> None:
    types = {CASES[case][0] for case in CASES}
    refused = {CASES[case][0] for case in REFUSED if case == CASES[case][0]}
    assert set(census()) == types | set(UNBUILDABLE)
    assert len(types) == 225
    assert len(types - refused) >= 215


@pytest.mark.parametrize("case", sorted(set(CASES) - set(REFUSED)))
def test_vectors_from_the_files_are_those_of_the_live_model(case: str, tmp_path: Path) -> None:
    model = save_tiny(case, tmp_path)
    architecture, found = found_blocks(tmp_path)
    live = _live(case, model)
    _share_with_nobody(live, found)
    for index, other in match_blocks(live, found).items():
        check_block(live[index], found[other])
    assert {note for block in live for note in unchecked(block)} == UNCHECKED.get(case, set())
    assert architecture.caveat or case not in UNCHECKED
    _check_measured(tmp_path, found)
    if case == CASES[case][0]:
        assert set(rows_of(case, architecture)) <= DOC, "python -m tests.conformance.supported > docs/supported.md"
    _check_run(case, tmp_path, architecture)


@pytest.mark.parametrize("case", sorted(REFUSED))
def test_others_are_refused_by_name(case: str, tmp_path: Path) -> None:
    save_tiny(case, tmp_path)
    with pytest.raises(UnsupportedError, match=REFUSED[case]) as refused:
        find_architecture(open_checkpoint(str(tmp_path)))
    assert "model_type" in str(refused.value)
    if case == CASES[case][0]:
        assert refusal_of(case, str(refused.value)) in DOC


def test_the_document_lists_every_other_type_with_rules() -> None:
    assert {*others(), *further_refusals()} <= DOC


def _live(case: str, model: PreTrainedModel) -> list[LiveBlock]:
    """The blocks of the text backbone, without those that are left out on purpose."""
    text_model = getattr(model, "thinker", model)  # of the omni models, which have no forward as a whole
    inputs = tiny_inputs(case, model)
    live = live_blocks(text_model, inputs)
    if picture := as_picture(case, inputs):
        seen = {block.path for block in live}
        live += [block for block in live_blocks(text_model, picture) if block.path not in seen]
    left_out = LEFT_OUT.get(case, ("nothing", ""))[0]
    return [block for block in live if not block.path.startswith(left_out)]


def _share_with_nobody(live: list[LiveBlock], found: list[FoundBlock]) -> None:
    """A shared expert in a model without experts is the layer's MLP."""
    if not any(block.kind == "expert" for block in found):
        for block in live:
            block.kind = "dense"


def _check_run(case: str, folder: Path, architecture: Architecture) -> None:
    """The model class of transformers runs it, every block is found in it by its weights and computes what its rule says.

    Or it is refused by name.
    """
    checkpoint = open_checkpoint(str(folder))
    if case in NOT_RUN:
        with pytest.raises((UnsupportedError, CheckpointError), match=NOT_RUN[case]):
            _run(checkpoint, architecture)
    else:
        formulas = _run(checkpoint, architecture)
        assert formulas.keys() == {block.place for block in architecture.blocks}


def _run(checkpoint: Checkpoint, architecture: Architecture) -> dict[BlockPlace, Formula]:
    device, ref = torch.device("cpu"), checkpoint.reference.text
    with mock.patch("transformers.utils.hub.hf_hub_download", side_effect=AssertionError("asked the Hub for a file")):
        live = load_model(checkpoint, architecture, torch.float32, device)
    return formulas_of(whole_model(live, device, ref), ref)


def _check_measured(folder: Path, found: list[FoundBlock]) -> None:
    """The cosines of `analyze` are those of the float64 vectors."""
    neurons = gated_ray.analyze(str(folder), "residual", regions="none").neurons
    for each in found:
        block = each.block
        expert = pc.is_null(pc.field("expert")) if block.expert is None else pc.field("expert") == block.expert
        mine = neurons.filter((pc.field("layer") == block.layer) & (pc.field("component") == block.component) & expert)
        assert mine["neuron"].to_pylist() == list(range(block.neurons))
        check_cosines(each, mine.to_pydict())
    assert neurons.num_rows == sum(each.block.neurons for each in found)
