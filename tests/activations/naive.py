"""The oracle of token datasets: everything in memory, one document at a time, by the tokenizer itself."""

from collections.abc import Mapping, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from gated_ray.settings import DataSettings

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def _mix(value: int) -> int:
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def naive_key(seed: int, file: int, row: int) -> int:
    """SplitMix64, as published, in Python's whole numbers."""
    stream = _mix((_mix((seed + _GOLDEN) & _MASK) + (file + 1) * _GOLDEN) & _MASK)
    return _mix((stream + (row + 1) * _GOLDEN) & _MASK)


def naive_shards(
    texts: Mapping[str, Sequence[str | None]], data: DataSettings, tokenizer: PreTrainedTokenizerBase
) -> list[list[dict[str, Any]]]:
    """The rows of every shard, without the partition's columns.

    Args:
        texts: of each file, by its path.
        data: the settings.
        tokenizer: as transformers loads it.
    """
    order = sorted(
        (naive_key(data.seed, file, row), file, row)
        for file, path in enumerate(sorted(texts))
        for row in range(len(texts[path]))
    )
    shards: list[list[dict[str, Any]]] = [[]]
    documents = tokens = 0
    for _, file, row in order:
        path = sorted(texts)[file]
        made = _row(texts[path][row] or "", data.max_length, tokenizer)
        if made is None:
            continue
        if sum(len(each["ids"]) for each in shards[-1]) >= data.shard_tokens:
            shards.append([])
        shards[-1].append({"document": documents, "source": path, "source_row": row, **made})
        documents += 1
        tokens += len(made["ids"])
        if data.max_tokens is not None and tokens >= data.max_tokens:
            break
    return shards


def _row(text: str, max_length: int, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any] | None:
    head = text[: 64 * max_length]
    whole = tokenizer(head, return_offsets_mapping=True, return_special_tokens_mask=True)
    if all(whole["special_tokens_mask"]):
        return None
    cut = tokenizer(
        head, truncation=True, max_length=max_length, return_offsets_mapping=True, return_special_tokens_mask=True
    )
    end = 0
    for (_, stop), special in zip(cut["offset_mapping"], cut["special_tokens_mask"], strict=True):
        end = max(end, 0 if special else stop)
    starts: list[int] = []
    following = end
    for (start, _), special in reversed(list(zip(cut["offset_mapping"], cut["special_tokens_mask"], strict=True))):
        following = following if special else start
        starts.insert(0, following)
    return {
        "ids": cut["input_ids"],
        "text": text[:end],
        "starts": starts,
        "truncated": len(whole["input_ids"]) > max_length or len(text) > len(head),
    }
