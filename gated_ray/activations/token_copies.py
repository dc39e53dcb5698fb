"""Tokens from elsewhere, copied into the store of the results, so that an example can be shown from that store alone."""

from gated_ray.activations.token_datasets import find_tokens
from gated_ray.settings import DataSettings
from gated_ray.store.objects import Objects, open_objects
from gated_ray.store.token_commit import (
    commit_dataset,
    commit_shard,
    committed_shards,
    identity_digest,
    whole_token_dataset,
)
from gated_ray.store.token_identity import claim_token_dataset
from gated_ray.store.tokens import TokenDataset, read_shard


def copied_tokens(objects: Objects, data: DataSettings, digest: str) -> TokenDataset:
    """The dataset that ``data.tokens`` names, in the store: copied as far as it is missing there, with its rows as they are.

    Args:
        objects: the store.
        data: with `tokens`.
        digest: of the model's tokenizer.

    Raises:
        InputError: there is no such dataset.
        StoreError: the store cannot be used, or holds something else under this name.
        CorruptionError: a shard is damaged where it comes from.
        TransientError: the network gave up.
    """
    found = find_tokens(data, digest)
    source, dataset = open_objects(found.store), found.dataset
    partition, identity = dataset.partition, dataset.identity
    if source.url == objects.url:
        return dataset
    if whole := whole_token_dataset(objects, partition, identity):
        return whole
    claim_token_dataset(objects, partition, identity)
    made_from = identity_digest(identity)
    committed = committed_shards(objects, partition, made_from)
    shards = [
        committed.get(index)
        or commit_shard(
            objects,
            partition,
            index,
            read_shard(source, shard),
            empty=shard.empty,
            until=shard.until,
            found=shard.found,
            is_last=shard.is_last,
            identity=made_from,
        )
        for index, shard in enumerate(dataset.shards)
    ]
    return commit_dataset(objects, partition, shards, identity, dataset.source)
