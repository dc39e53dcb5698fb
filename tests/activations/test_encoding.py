"""Tokens lead back to the text that they came from."""

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
