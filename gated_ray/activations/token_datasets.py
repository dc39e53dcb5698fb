"""Token datasets made where they are missing: texts, or ids from elsewhere, to shards in the store."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gated_ray.activations.drafts import Draft, drafts
from gated_ray.activations.given_ids import read_ids
from gated_ray.activations.telling import Told, Untold
from gated_ray.activations.text_files import TextFiles, open_texts
from gated_ray.activations.token_rows import RowSource, TextRows
from gated_ray.activations.tokenizers import Tokenizer
from gated_ray.errors import InputError, StoreError
from gated_ray.settings import TOKENS_VERSION, DataSettings, StoreSettings
from gated_ray.sources.trees import Tree, open_tree
from gated_ray.store.objects import Objects, open_objects
from gated_ray.store.token_commit import (
    commit_dataset,
    commit_shard,
    committed_shards,
    identity_digest,
    whole_token_dataset,
)
from gated_ray.store.token_identity import FILES, claim_token_dataset
from gated_ray.store.token_keys import GIVEN, TokenPartition
from gated_ray.store.tokens import TokenDataset, TokenShard, open_token_dataset, token_partitions

_DATASET = re.compile(r"(?P<store>.+)/tokens/(?P<path>dataset=[^/]+/tokenizer=[^/]+)/?")
_UNTOLD = Untold()


@dataclass(frozen=True)
class StoredTokens:
    """A token dataset and the store that it lies in, which is another than the results' where ``data.tokens`` names one."""

    store: StoreSettings
    dataset: TokenDataset


def token_dataset(
    objects: Objects, data: DataSettings, tokenizer: Tokenizer | None, told: Told = _UNTOLD
) -> TokenDataset:
    """The token dataset of ``data.text`` or ``data.token_ids`` in the store, made there as far as it is missing.

    Args:
        objects: the store.
        data: with one of these two.
        tokenizer: of the model; None does for ids.
        told: how far it is.

    Raises:
        InputError: the texts or ids cannot be had or used; the message names the file.
        StoreError: the store cannot be used, or holds something else under this name.
        TransientError: the network gave up.
    """
    if data.token_ids is not None:
        return given_tokens(objects, data, told)
    if data.text is None or tokenizer is None:
        raise InputError("no texts: set data.text=PATH, or data.token_ids=FILE for ids that are ready")
    return text_tokens(objects, data, open_texts(data.text, data.endpoint_url), tokenizer, told)


def text_tokens(
    objects: Objects, data: DataSettings, texts: TextFiles, tokenizer: Tokenizer, told: Told = _UNTOLD
) -> TokenDataset:
    """The token dataset of texts that are opened already; see `token_dataset`."""
    partition = TokenPartition(data.name or texts.name, tokenizer.digest)
    identity = {FILES: texts.identity, "tokenizer": tokenizer.digest, **data.identity()}
    source = TextRows(texts, data, tokenizer, told)
    return _made(objects, partition, identity, source, texts.tree, data.shard_tokens, data.max_tokens, told)


def given_tokens(objects: Objects, data: DataSettings, told: Told = _UNTOLD) -> TokenDataset:
    """The token dataset of ``data.token_ids``: all of them, in the order of the file; see `token_dataset`."""
    tree = open_tree(data.token_ids or "", data.endpoint_url)
    source = read_ids(tree)
    (path,) = tree.files
    files = {path: {"size": tree.files[path].size, "content": tree.contents([path])[path]}}
    identity = {FILES: files, "tokenizer": GIVEN, "shard_tokens": data.shard_tokens, "tokens_version": TOKENS_VERSION}
    partition = TokenPartition(data.name or tree.name.removesuffix(".json"), GIVEN)
    return _made(objects, partition, identity, source, tree, data.shard_tokens, None, told)


def _made(
    objects: Objects,
    partition: TokenPartition,
    identity: Mapping[str, Any],
    source: RowSource,
    tree: Tree,
    shard_tokens: int,
    max_tokens: int | None,
    told: Told,
) -> TokenDataset:
    if whole := whole_token_dataset(objects, partition, identity):
        return whole
    claim_token_dataset(objects, partition, identity)
    digest = identity_digest(identity)
    committed = committed_shards(objects, partition, digest)
    shards: list[TokenShard] = []
    following = None
    while not shards or not shards[-1].is_last:
        documents = sum(shard.documents for shard in shards)
        shard = committed.get(len(shards))
        if shard is not None and shard.first == documents:
            following = None
        else:
            if following is None:
                behind = shards[-1].until if shards else None
                tokens = sum(shard.tokens for shard in shards)
                following = drafts(
                    source, behind, documents, tokens, shard_tokens=shard_tokens, max_tokens=max_tokens, told=told
                )
            draft = next(following, None)
            if draft is None:
                raise InputError(
                    f"token dataset {partition.dataset!r}: none of {source.found:,} documents has any text"
                )
            shard = _commit(objects, partition, len(shards), draft, source.found, digest)
        shards.append(shard)
        told.made(shard.first + shard.documents, sum(shard.tokens for shard in shards))
    return commit_dataset(objects, partition, shards, identity, {"place": tree.place, "revision": tree.revision})


def _commit(
    objects: Objects, partition: TokenPartition, index: int, draft: Draft, found: int, identity: str
) -> TokenShard:
    return commit_shard(
        objects,
        partition,
        index,
        draft.table(),
        empty=draft.empty,
        until=draft.until,
        found=found,
        is_last=draft.is_last,
        identity=identity,
    )


def find_tokens(data: DataSettings, digest: str) -> StoredTokens:
    """The dataset that ``data.tokens`` names, for a tokenizer, or of given ids where it holds none for that.

    Args:
        data: with `tokens`; `name` may be left out where there is but one.
        digest: the tokenizer's.

    Raises:
        InputError: there is none, or there are several.
        StoreError, TransientError: it cannot be read.
    """
    url = data.tokens or ""
    match = _DATASET.fullmatch(url)
    try:
        objects = open_objects(StoreSettings(match["store"] if match else url, data.endpoint_url))
    except StoreError as error:
        raise InputError(str(error).replace("store.", "data.").replace("data.url", "data.tokens")) from error
    store = StoreSettings(objects.url, data.endpoint_url)  # which means the same in every working directory
    if match:
        try:
            partition = TokenPartition.parse(match["path"])
        except ValueError as error:
            raise InputError(f"data.tokens={url}: {error}") from error
        if partition.tokenizer not in (digest, GIVEN):
            raise InputError(
                f"data.tokens={url}: made by the tokenizer {partition.tokenizer}, not by the model's {digest}"
            )
        return StoredTokens(store, open_token_dataset(objects, partition.dataset, partition.tokenizer))
    fitting = [each for each in token_partitions(objects) if each.tokenizer in (digest, GIVEN)]
    names = sorted({each.dataset for each in fitting if data.name in (None, each.dataset)})
    if len(names) != 1:
        there = ", ".join(sorted({each.dataset for each in fitting})) or "none"
        which = "no such dataset" if data.name else "not one dataset"
        raise InputError(
            f"data.tokens={url}: holds {which} for the tokenizer {digest}; set data.name to one that it has: {there}"
        )
    best = min((each for each in fitting if each.dataset == names[0]), key=lambda each: each.tokenizer == GIVEN)
    return StoredTokens(store, open_token_dataset(objects, best.dataset, best.tokenizer))
