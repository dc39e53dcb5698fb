"""A model's blocks fall into units that are small enough, and none is lost or doubled."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated_ray.architectures.blocks import Block, Factor, Matrix
from gated_ray.architectures.stored import StoredTensor
from gated_ray.cluster.units import split_into_units
from gated_ray.sources.headers import TensorRecord
from gated_ray.sources.origin import FileVersion, Location
from gated_ray.store.keys import Partition, UnitKey

PARTITION = Partition("org/model", "0" * 40, "paper")
LOCATION = Location("folder", "/nowhere")
FILE = FileVersion("model.safetensors", 1 << 40, "1")


def made_up_block(layer: int, component: str, expert: int | None, size: int, pre_norm: Factor | None = None) -> Block:
    """A plain block of `size` bytes, its norm apart; its tensors are nowhere."""

    def matrix(name: str, begin: int, end: int) -> Matrix:
        record = TensorRecord(name, "U8", (end - begin, 1), FILE, begin, end)
        return Matrix(StoredTensor(name, record.shape, {"weight": record}), neurons_are_rows=True, neurons=end - begin)

    half = size // 2
    return Block(
        layer=layer,
        component=component,
        expert=expert,
        gate=None,
        w_in=matrix(f"{layer}.{component}.{expert}.in", 0, half),
        w_out=matrix(f"{layer}.{component}.{expert}.out", half, size),
        norm="rms",
        pre_norm=pre_norm,
        write=(),
        inner_norm=None,
        multiplier=1.0,
        gate_multiplier=1.0,
        activation="silu",
        product="act(gate) * in",
        biases=(),
    )


def fused_expert(expert: int) -> Block:
    """One of 8 experts of 10 bytes each in a tensor of three dimensions, 6 of them of w_in."""

    def matrix(name: str, begin: int, rows: int) -> Matrix:
        record = TensorRecord(name, "U8", (8, rows, 1), FILE, begin, begin + 8 * rows)
        return Matrix(StoredTensor(name, record.shape, {"weight": record}), True, rows, (expert, 1))

    made = made_up_block(0, "expert", expert, 10)
    return replace(made, w_in=matrix("fused_in", 0, 6), w_out=matrix("fused_out", 100, 4))


@st.composite
def models(draw: st.DrawFn) -> list[Block]:
    """Blocks of a few layers, dense, with experts, or with a shared expert beside them, in any order."""
    sizes = st.integers(1, 100)
    blocks = []
    for layer in range(draw(st.integers(1, 4))):
        if draw(st.booleans()):
            blocks.append(made_up_block(layer, "mlp", None, draw(sizes)))
            continue
        experts = draw(st.integers(1, 12))
        blocks += [made_up_block(layer, "expert", expert, draw(sizes)) for expert in range(experts)]
        if draw(st.booleans()):
            blocks.append(made_up_block(layer, "shared_expert", None, draw(sizes)))
    return list(draw(st.permutations(blocks)))


@given(blocks=models(), limit=st.integers(1, 400))
def test_every_block_is_in_one_unit_of_one_layer(blocks: list[Block], limit: int) -> None:
    units = split_into_units(PARTITION, LOCATION, blocks, limit)
    inside = [block for unit in units for block in unit.blocks]
    assert sorted(map(id, inside)) == sorted(map(id, blocks))
    assert len({unit.key for unit in units}) == len(units)
    for unit in units:
        assert {(block.layer, block.component) for block in unit.blocks} == {(unit.key.layer, unit.key.component)}
        assert (unit.partition, unit.location) == (PARTITION, LOCATION)


@given(blocks=models(), limit=st.integers(1, 400))
def test_no_unit_is_too_large_or_needlessly_small(blocks: list[Block], limit: int) -> None:
    units = split_into_units(PARTITION, LOCATION, blocks, limit)
    for unit in units:
        assert unit.bytes <= limit or len(unit.blocks) == 1
    for unit, following in itertools.pairwise(units):
        if (unit.key.layer, unit.key.component) == (following.key.layer, following.key.component):
            assert unit.bytes + following.blocks[0].bytes > limit


@given(blocks=models(), limit=st.integers(1, 400))
def test_keys_name_the_experts_inside(blocks: list[Block], limit: int) -> None:
    for unit in split_into_units(PARTITION, LOCATION, blocks, limit):
        experts = [block.expert or 0 for block in unit.blocks]
        assert experts == list(range(unit.key.first, unit.key.last + 1))


@pytest.mark.parametrize("order", [1, -1])
def test_units_do_not_depend_on_the_order_of_the_blocks(order: int) -> None:
    blocks = [made_up_block(layer, "expert", expert, 10) for layer in range(2) for expert in range(5)]
    units = split_into_units(PARTITION, LOCATION, blocks[::order], 25)
    assert [unit.key.id for unit in units] == [
        f"{layer:05d}-expert-{first:05d}-{last:05d}" for layer in range(2) for first, last in ((0, 1), (2, 3), (4, 4))
    ]


def test_what_experts_share_counts_once_in_a_unit() -> None:
    """It is read once."""
    norm = Factor(TensorRecord("norm", "F32", (5,), FILE, 1000, 1020))
    blocks = [made_up_block(0, "expert", expert, 30, norm) for expert in range(4)]
    units = split_into_units(PARTITION, LOCATION, blocks, 80)
    assert [unit.bytes for unit in units] == [2 * 30 + 20] * 2


def test_experts_of_a_fused_tensor_count_their_slices() -> None:
    units = split_into_units(PARTITION, LOCATION, [fused_expert(expert) for expert in range(8)], 35)
    assert [(unit.key.first, unit.key.last, unit.bytes) for unit in units] == [(0, 2, 30), (3, 5, 30), (6, 7, 20)]


def test_an_expert_that_is_too_large_is_a_unit_of_its_own() -> None:
    units = split_into_units(PARTITION, LOCATION, [fused_expert(expert) for expert in range(8)], 9)
    assert [(unit.key.first, unit.key.last, unit.bytes) for unit in units] == [(e, e, 10) for e in range(8)]


def test_several_mlps_a_layer_and_several_stacks_keep_apart() -> None:
    components = ("mlp_0", "mlp_1", "encoder_mlp", "decoder_expert")
    units = split_into_units(PARTITION, LOCATION, [made_up_block(3, name, None, 10) for name in components], 1000)
    assert sorted(unit.key.component for unit in units) == sorted(components)
    assert all(UnitKey.parse(unit.key.id) == unit.key for unit in units)
