"""Names and keys: one to one, readable for Hub names, nothing that a server refuses."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gated_ray.errors import InputError
from gated_ray.store.keys import Partition, UnitKey, decode_name, encode_name, raw_key

AWKWARD = st.text(alphabet="aZ09_-./ %é..--\\\x00\ud800", max_size=12)
HUB_PART = st.from_regex(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?", fullmatch=True).filter(
    lambda part: "--" not in part and ".." not in part
)


@given(st.text() | AWKWARD)
@example("")
@example("..2d")
@example("a-/b")
@example("a.é")
def test_encoding_round_trips_within_the_character_set(name: str) -> None:
    encoded = encode_name(name)
    assert re.fullmatch(r"[A-Za-z0-9._-]*", encoded)
    assert decode_name(encoded) == name


@given(AWKWARD, AWKWARD)
@example("a-/b", "a/-b")
@example("a--b", "a/b")
@example("a/../b", "a/..2e..2e/b")
def test_different_names_are_encoded_differently(one: str, other: str) -> None:
    assert (encode_name(one) == encode_name(other)) == (one == other)


@given(HUB_PART, HUB_PART)
@example("meta-llama", "Llama-3.1-8B")
@example("a.-b", "_x-._")
def test_hub_names_stay_readable(organisation: str, name: str) -> None:
    assert encode_name(f"{organisation}/{name}") == f"{organisation}--{name}"


@given(st.text(alphabet="ab-./_2de", max_size=10))
def test_decoding_refuses_what_no_name_encodes_to(encoded: str) -> None:
    try:
        name = decode_name(encoded)
    except ValueError:
        return
    assert encode_name(name) == encoded


def test_known_encodings() -> None:
    assert encode_name("meta-llama/Llama-3.1-8B") == "meta-llama--Llama-3.1-8B"
    assert encode_name("-my model") == "..2dmy..20model"
    assert encode_name("é") == "..c3..a9"


def test_partition_paths_round_trip() -> None:
    partition = Partition("org/a b", "0" * 40, "paper")
    assert partition.path == f"model=org--a..20b/revision={'0' * 40}/profile=paper"
    assert Partition.parse(partition.path) == partition


@pytest.mark.parametrize(
    "path", ["", "model=a", "model=a/revision=b/profile=c/d", "model=a b/revision=b/profile=c", "x/y/z"]
)
def test_other_paths_are_not_partitions(path: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        Partition.parse(path)


def test_a_name_too_long_for_a_folder_is_an_input_error() -> None:
    with pytest.raises(InputError, match="must be 1 to 200 characters"):
        Partition("字" * 50, "0" * 40, "paper")


def test_unit_ids_sort_as_units_do_and_round_trip() -> None:
    units = [
        UnitKey(layer, component, first, first + 2)
        for layer in (2, 10)
        for component in ("mlp", "expert", "mlp_x", "mlp_0", "mlp_1", "encoder_mlp_10")
        for first in (0, 3, 12)
    ]
    assert [unit.id for unit in sorted(units)] == sorted(unit.id for unit in units)
    assert all(UnitKey.parse(unit.id) == unit for unit in units)
    assert UnitKey(12, "mlp").id == "00012-mlp-00000-00000"
    for other in (
        "published",
        "00002-mlp-00003-00002",
        "000002-mlp-00000-00000",
        "2-mlp-0-0",
        "00002-_-00000-00000",
        "00002-0mlp-00000-00000",
    ):
        assert UnitKey.parse(other) is None


def test_impossible_units_are_refused() -> None:
    for bad in ((-1, "mlp", 0, 0), (0, "M/LP", 0, 0), (0, "0mlp", 0, 0), (0, "mlp-0", 0, 0), (0, "mlp", 3, 2)):
        with pytest.raises(ValueError, match="not a unit"):
            UnitKey(*bad)


def test_key_layout() -> None:
    partition = Partition("org/name", "0" * 40, "paper")
    assert (
        raw_key("neurons", partition, UnitKey(1, "mlp"))
        == f"raw/neurons/{partition.path}/00001-mlp-00000-00000.parquet"
    )
