"""Token datasets made where they are missing: texts, or ids from elsewhere, to shards in the store."""

from collections.abc import Callable
from dataclasses import dataclass

from gated_ray.activations.tokenizers import Tokenizer
from gated_ray.settings import DataSettings, StoreSettings
from gated_ray.store.objects import Objects
from gated_ray.store.tokens import TokenDataset, TokenShard


@dataclass(frozen=True)
class StoredTokens:
    """A token dataset and the store that it lies in, which is another than the results' where ``data.tokens`` names one."""

    store: StoreSettings
    dataset: TokenDataset


def token_dataset(
    objects: Objects,
    data: DataSettings,
    tokenizer: Tokenizer | None,
    told: Callable[[TokenShard], None] = lambda _: None,
) -> TokenDataset:
    """The token dataset of ``data.text`` or ``data.token_ids`` in the store, made there as far as it is missing.

    Args:
        objects: the store.
        data: with one of these two.
        tokenizer: of the model; None does for ids.
        told: is told of every shard, those that were there already included.

    Raises:
        InputError: the texts or ids cannot be had or used; the message names the file.
        StoreError: the store cannot be used, or holds something else under this name.
        TransientError: the network gave up.
    """
    raise NotImplementedError


def find_tokens(data: DataSettings, digest: str) -> StoredTokens:
    """The dataset that ``data.tokens`` names, for a tokenizer, or of given ids where it holds none for that.

    Args:
        data: with `tokens`; `name` may be left out where there is but one.
        digest: the tokenizer's.

    Raises:
        InputError: there is none, or there are several.
        StoreError, TransientError: it cannot be read.
    """
    raise NotImplementedError
