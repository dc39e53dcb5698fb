"""What a token job says at its end: which token datasets there are, and what is in them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich import box
from rich.console import Console
from rich.table import Table

from gated_ray.store.token_keys import shard_folder
from gated_ray.store.tokens import TokenDataset

_UNSEEN = 140
"""Columns where nobody looks at a window, as in a log."""


@dataclass(frozen=True)
class Made:
    """A token dataset, and the models asked for that its tokenizer is of."""

    dataset: TokenDataset
    models: tuple[str, ...]

    def also_of(self, model: str) -> "Made":
        """With one more model."""
        return replace(self, models=(*self.models, model))

    def facts(self) -> dict[str, str | int]:
        """Where it is and what is in it."""
        dataset = self.dataset
        return {
            "dataset": dataset.name,
            "tokenizer": dataset.tokenizer_digest,
            "documents": dataset.documents,
            "tokens": dataset.tokens,
            "truncated": dataset.truncated,
            "empty": dataset.empty,
            "found": dataset.found,
            "shards": len(dataset.shards),
            "folder": shard_folder(dataset.partition),
        }


def print_made(made: Sequence[Made], url: str) -> None:
    """A row a dataset, and where it lies."""
    console = Console(highlight=False, markup=False, emoji=False)  # names may hold [brackets] and :colons:
    if not console.is_terminal:
        console.width = max(console.width, _UNSEEN)
    heads = ("documents", "of", "tokens", "truncated", "empty", "shards")
    table = Table(title="Token datasets", title_justify="left", box=box.SIMPLE_HEAD, padding=0)
    table.add_column("tokenizer", no_wrap=True)
    table.add_column("models", overflow="fold", min_width=12)
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for each in made:
        facts = each.facts() | {"of": each.dataset.found}
        table.add_row(
            each.dataset.tokenizer_digest, ", ".join(each.models) or "-", *(f"{facts[head]:,}" for head in heads)
        )
    console.print(table)
    for each in made:
        console.print(f"{url}/{shard_folder(each.dataset.partition)}", soft_wrap=True)
