"""A model's tokenizer: its files wherever they lie, loaded by transformers, and texts as it encodes them."""

import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from huggingface_hub import constants

from gated_ray.activations.encoding import CHARACTERS_PER_TOKEN, Encoded, encode
from gated_ray.errors import CheckpointError, InputError, UnsupportedError
from gated_ray.sources.checkpoint import Placed, open_origin
from gated_ray.vocabulary import counted

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_CONFIG = "config.json"
_FILES = frozenset(
    (
        *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "tekken.json"),
        *(
            "tokenizer.model",
            "spiece.model",
            "sentencepiece.model",
            "sentencepiece.bpe.model",
            "spm.model",
            "spm_char.model",
        ),
        *(
            "vocab.json",
            "merges.txt",
            "vocab.txt",
            "dict.txt",
            "bpe.codes",
            "source.spm",
            "target.spm",
            "target_vocab.json",
        ),
        *("byte_maps.json", "emoji.json", "normalizer.json", "prophetnet.tokenizer"),
        *("word_pronunciation.json", "word_shape.json"),
    )
)
"""What the tokenizers of transformers are made from; chat templates make no difference to plain text."""
_NOT_VOCABULARY = frozenset({"added_tokens.json", "special_tokens_map.json", "tokenizer_config.json"})
_MOST_BYTES = 256_000_000
"""Of one file; the largest vocabularies have a tenth."""


@dataclass(frozen=True)
class Tokenizer:
    """A loaded tokenizer.

    Attributes:
        digest: first 12 hex digits of SHA-256 over its class, and the names and contents of its files: equal ones make equal
            tokens.
        size: number of ids, which is one more than the largest.
        plain_size: the same without tokens that were added to the vocabulary, which some models have no embedding for (Gemma-3
            1B for the place of a picture).
        added: special tokens that it adds to every document.
    """

    digest: str
    size: int
    plain_size: int
    added: int
    _loaded: "PreTrainedTokenizerBase" = field(repr=False)

    def encode_batch(self, texts: Sequence[str], max_length: int) -> list[Encoded]:
        """The documents as the tokenizer encodes them by default, with the special tokens that it adds, cut at the right.

        What lies beyond `CHARACTERS_PER_TOKEN` characters a token is not looked at.

        Raises:
            InputError: with the special tokens, no text fits into so many.
        """
        if max_length <= self.added:
            raise InputError(
                f"data.max_length={max_length}: no text fits in, as the tokenizer adds {counted(self.added, 'special token')}"
            )
        if not texts:
            return []
        most = CHARACTERS_PER_TOKEN * max_length
        heads = [text[:most] for text in texts]
        encoded = encode(self._loaded, heads, max_length)
        return [
            replace(each, truncated=each.truncated or len(text) > most)
            for each, text in zip(encoded, texts, strict=True)
        ]


def load_tokenizer(checkpoint: Placed) -> Tokenizer:
    """The tokenizer of a model; its weights are not read. Code from the model's repository is never run.

    Raises:
        CheckpointError: there is none, or it cannot be read.
        UnsupportedError: it needs such code, or a package that is not installed.
        GatedRayError: its files cannot be had.
    """
    ref = checkpoint.reference.text
    contents = _read_files(checkpoint)
    digested = {name: content for name, content in contents.items() if name != _CONFIG}
    if not digested:
        raise CheckpointError(f"{ref}: holds no tokenizer (no tokenizer.json, tokenizer.model or vocab.json)")
    with tempfile.TemporaryDirectory(prefix="gated-ray-tokenizer-") as folder:
        for name, content in contents.items():
            (Path(folder) / name).write_bytes(content)
        loaded = _load(folder, digested, ref)
    loaded.truncation_side = "right"
    ids = loaded.get_vocab()
    size = 1 + max(ids.values(), default=-1)
    plain_size = 1 + max((ids[token] for token in ids.keys() - loaded.get_added_vocab().keys()), default=-1)
    digest = _digest(type(loaded).__name__, digested)
    return Tokenizer(digest, size, plain_size, loaded.num_special_tokens_to_add(), loaded)


def _read_files(checkpoint: Placed) -> dict[str, bytes]:
    # The local cache may hold some of a repository's files only, and the digest must not depend on which.
    origin = open_origin(checkpoint.location, cached=constants.HF_HUB_OFFLINE)
    files = {name: file for name, file in origin.files().items() if name in _FILES or name == _CONFIG}
    for name, file in files.items():
        if file.size > _MOST_BYTES:
            raise CheckpointError(
                f"{checkpoint.reference.text}: {name} has {file.size:,} bytes; not a tokenizer's file"
            )
    return {name: origin.read_file(file) for name, file in sorted(files.items())}


def _digest(kind: str, contents: Mapping[str, bytes]) -> str:
    whole = hashlib.sha256(f"{kind}\n".encode())
    for name, content in sorted(contents.items()):
        whole.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return whole.hexdigest()[:12]


def _load(folder: str, contents: Mapping[str, bytes], ref: str) -> "PreTrainedTokenizerBase":
    from transformers import AutoTokenizer  # takes seconds to import, which other commands need not pay

    try:
        # False, and not unset: then transformers would ask on the terminal.
        loaded = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # whatever a broken file makes the libraries raise
        raise _explained(error, contents, ref, folder) from error
    needed = sorted(set(getattr(loaded, "vocab_files_names", {}).values()))
    if needed and not contents.keys() - _NOT_VOCABULARY:
        raise CheckpointError(f"{ref}: holds no vocabulary of its tokenizer ({' or '.join(needed)})")
    return loaded


def _explained(error: Exception, contents: Mapping[str, bytes], ref: str, folder: str) -> InputError:
    said = " ".join(str(error).replace(folder, "the model").split()) or type(error).__name__
    first = said.partition(". ")[0].rstrip(".:")
    if _has_own_code(contents):
        return UnsupportedError(
            f"{ref}: its tokenizer needs code from its repository, which is never run; "
            "tokenize with it elsewhere and give the ids: data.token_ids=FILE"
        )
    if not contents.keys() - _NOT_VOCABULARY:
        return CheckpointError(f"{ref}: holds no vocabulary of its tokenizer ({first})")
    if isinstance(error, ImportError) or "sentencepiece" in said:
        why = first if isinstance(error, ImportError) else "sentencepiece"
        return UnsupportedError(
            f"{ref}: its tokenizer needs a package that is not installed ({why}); install it with pip"
        )
    return CheckpointError(f"{ref}: its tokenizer cannot be loaded ({first})")


def _has_own_code(contents: Mapping[str, bytes]) -> bool:
    with suppress(ValueError, AttributeError):
        return "AutoTokenizer" in (json.loads(contents.get("tokenizer_config.json", b"{}")).get("auto_map") or {})
    return False
