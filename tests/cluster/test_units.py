"""A model's blocks fall into units that are small enough, and none is lost or doubled."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated_ray.architectures.blocks import Block, Matrix
from gated_ray.cluster.units import split_into_units
from gated_ray.sources.headers import TensorRecord
from gated_ray.sources.origin import FileVersion, Location
from gated_ray.store.keys import Partition

PARTITION = Partition("org/model", "0" * 40, "paper")
LOCATION = Location("folder", "/nowhere")
FILE = FileVersion("model.safetensors", 1 << 40, "1")


def made_up_block(layer: int, component: str, expert: int | None, size: int) -> Block:
    """A plain block of `size` bytes; its tensors are nowhere."""

    def matrix(name: str, begin: int, end: int) -> Matrix:
        return Matrix(TensorRecord(name, "U8", (end - begin, 1), FILE, begin, end), neurons_are_rows=True)

    half = size // 2
    return Block(
        layer=layer,
        component=component,
        expert=expert,
        gate=None,
        w_in=matrix(f"{layer}.{component}.{expert}.in", 0, half),
        w_out=matrix(f"{layer}.{component}.{expert}.out", half, size),
        norm="rms",
        gain="w",
        pre_norm=None,
        post_norm=None,
        activation="silu",
    )


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
