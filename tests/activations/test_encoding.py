"""Tokens lead back to the text that they came from."""

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gated_ray.activations import encoding
from gated_ray.activations.tokenizers import Tokenizer
from gated_ray.errors import InputError
from tests.activations.small_tokenizers import NAMES

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=80) | st.text(
    "ab \n\té🙂日<|endoftext|>", max_size=80
)


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(TEXT, max_size=4), room=st.integers(1, 40))
def test_starts_cut_the_text_into_its_tokens(
    name: str, texts: list[str], room: int, tokenizers: dict[str, Tokenizer]
) -> None:
    tokenizer = tokenizers[name]
    max_length = tokenizer.added + room
    for text, encoded in zip(texts, tokenizer.encode_batch(texts, max_length), strict=True):
        assert encoded.starts is not None
        assert encoded.text is not None
        assert len(encoded.ids) == len(encoded.starts) <= max_length
        assert text.startswith(encoded.text)
        bounds = [*encoded.starts.tolist(), len(encoded.text)]
        assert bounds == sorted(bounds)
        pieces = [encoded.text[start:stop] for start, stop in pairwise(bounds)]
        assert "".join(pieces) == encoded.text[bounds[0] :]
        assert encoded.text[: bounds[0]].strip() == "" or name != "llama"


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(TEXT, max_size=5))
def test_documents_are_encoded_each_by_itself(name: str, texts: list[str], tokenizers: dict[str, Tokenizer]) -> None:
    together = tokenizers[name].encode_batch(texts, 9)
    for text, encoded in zip(texts, together, strict=True):
        (alone,) = tokenizers[name].encode_batch([text], 9)
        assert alone.ids.tolist() == encoded.ids.tolist()
        assert (alone.text, alone.truncated, alone.is_empty) == (encoded.text, encoded.truncated, encoded.is_empty)


def test_very_long_documents_are_looked_at_no_further_than_needed(tokenizers: dict[str, Tokenizer]) -> None:
    """What is behind 64 characters for every token is left out, however few tokens come before it."""
    texts = ["a" + " " * 638 + "b", "a" + " " * 639 + "b", "a b " * 1000]
    fits, cut, full = tokenizers["word_piece"].encode_batch(texts, 10)
    assert (fits.truncated, len(fits.ids), fits.text) == (False, 2, texts[0])
    assert (cut.truncated, len(cut.ids), cut.text) == (True, 1, "a")
    assert (full.truncated, len(full.ids)) == (True, 10)


@pytest.mark.parametrize("name", ["llama", "enclosed"])
def test_no_room_for_text(name: str, tokenizers: dict[str, Tokenizer]) -> None:
    added = {"llama": "1 special token", "enclosed": "2 special tokens"}[name]
    with pytest.raises(InputError, match=rf"data\.max_length=1: no text fits in, as the tokenizer adds {added}"):
        tokenizers[name].encode_batch(["text"], 1)


RUNS = st.lists(
    st.tuples(
        st.sampled_from(["a", "ab ", " ", "1", "日", "🙂", "e\u0301", ".", "\n", "the model ", "<|endoftext|>"]),
        st.integers(1, 150),
    ),
    min_size=1,
    max_size=12,
)


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs=RUNS, room=st.integers(1, 30))
def test_what_is_looked_at_first_changes_no_token(
    name: str, runs: list[tuple[str, int]], room: int, tokenizers: dict[str, Tokenizer]
) -> None:
    text = "".join(piece * count for piece, count in runs)
    tokenizer, max_length = tokenizers[name], tokenizers[name].added + room
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoding, "_ENOUGH_PER_TOKEN", 10**9)
        (expected,) = tokenizer.encode_batch([text], max_length)
    for patched in ({}, {"_WORDS_APART": 16, "_CHARACTERS_APART": 32, "_ENOUGH_PER_TOKEN": 4}):
        with pytest.MonkeyPatch.context() as patch:
            for constant, value in patched.items():
                patch.setattr(encoding, constant, value)
            (found,) = tokenizer.encode_batch([text], max_length)
        assert found.ids.tolist() == expected.ids.tolist()
        assert (found.text, found.truncated, found.is_empty) == (expected.text, expected.truncated, expected.is_empty)


def test_long_documents_cost_no_more_than_short_ones(llama: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[int] = []
    encodings = encoding._encodings
    monkeypatch.setattr(
        encoding,
        "_encodings",
        lambda tokenizer, texts, most: (looked_at.extend(map(len, texts)), encodings(tokenizer, texts, most))[1],
    )
    (settled,) = llama.encode_batch(["the model reads " * 10_000], 1024)
    assert looked_at == [8 * 1024]
    (unsure,) = llama.encode_batch(["a" * 20_000], 1024)
    assert looked_at[1:] == [8 * 1024, 20_000]
    assert settled.truncated
    assert unsure.truncated
