"""Merged ranges cover what is needed, waste little and bridge no large gap."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from gated_ray.sources.origin import Span
from gated_ray.sources.ranges import merge_spans

MIB = 1 << 20


@st.composite
def spans(draw: st.DrawFn) -> list[Span]:
    """Tensors of one shard, in any order: mostly side by side, with gaps of all sizes, some of them empty."""
    sizes = st.integers(0, 64) | st.integers(0, 8 * MIB)
    gaps = st.just(0) | st.integers(0, 64) | st.integers(0, 2 * MIB)
    made, at = [], draw(st.integers(0, 100))
    for gap, size in draw(st.lists(st.tuples(gaps, sizes), max_size=30)):
        made.append((at + gap, at + gap + size))
        at += gap + size
    return draw(st.permutations(made))


@given(spans())
def test_every_needed_byte_is_covered_by_one_span(needed: list[Span]) -> None:
    merged = merge_spans(needed)
    for begin, end in needed:
        assert begin == end or sum(low <= begin and end <= high for low, high in merged) == 1


@given(spans())
def test_spans_come_in_order_and_apart(needed: list[Span]) -> None:
    merged = merge_spans(needed)
    assert all(begin < end for begin, end in merged)
    assert all(before[1] < after[0] for before, after in itertools.pairwise(merged))


@given(spans())
def test_waste_is_bounded(needed: list[Span]) -> None:
    asked = sum(end - begin for begin, end in merge_spans(needed))
    bytes_needed = sum(end - begin for begin, end in needed)
    assert bytes_needed <= asked <= 1.03 * bytes_needed


def test_no_large_gap_is_bridged() -> None:
    """However little it would waste."""
    size = 1 << 40
    assert merge_spans([(0, size), (size + MIB, 2 * size)]) == [(0, 2 * size)]
    apart = [(0, size), (size + MIB + 1, 2 * size)]
    assert merge_spans(apart) == apart


@given(spans())
def test_the_same_span_twice_is_as_good_as_once(needed: list[Span]) -> None:
    assert merge_spans(needed + needed[::2]) == merge_spans(needed)


def test_small_gaps_are_bridged() -> None:
    assert merge_spans([(0, 100_000), (100_500, 200_000), (200_000, 300_000)]) == [(0, 300_000)]


def test_the_smallest_gaps_go_first() -> None:
    """3 % of what is needed allows for one of them."""
    size = 1000
    assert merge_spans([(0, size), (size + 70, 2 * size + 70), (2 * size + 100, 3 * size + 100)]) == [
        (0, size),
        (size + 70, 3 * size + 100),
    ]
