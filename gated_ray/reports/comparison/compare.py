"""What `jobs.compare` does: find both sides, compare them, say it as Markdown and write it where asked."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from gated_ray.errors import InputError
from gated_ray.reports.comparison.pages import published_page, transitions_csv, transitions_page
from gated_ray.reports.comparison.published import PublishedComparison, compare_with_published
from gated_ray.reports.comparison.sides import (
    Side,
    all_sides,
    listed,
    one_side,
    other_side,
    published_model,
    sides_named,
)
from gated_ray.reports.comparison.transitions import (
    READ_COLUMNS,
    ReadLayer,
    Transitions,
    class_transitions,
    moved,
    require_same_shape,
)
from gated_ray.reports.failures import reading, writing
from gated_ray.reports.layer_rows import LayerRow
from gated_ray.reports.published_tables import published_name
from gated_ray.settings import CompareSettings
from gated_ray.store.catalogue import Store, open_store


@dataclass(frozen=True)
class Comparison:
    """What was found."""

    page: str
    """Markdown."""
    equal: bool
    """Whether all that was compared is equal."""


def run_compare(settings: CompareSettings) -> Comparison:
    """Compare what the settings name, and write ``comparison.md`` (and ``transitions.csv``) where ``out`` is given.

    Raises:
        InputError: a side is not in the store, is several, or has another shape than the other; nothing published is there to
            compare with; ``out`` cannot be written.
        StoreError: the store cannot be read.
    """
    store = open_store(settings.store.url, settings.store.endpoint_url)
    sides = all_sides(store.models())
    published = published_model(settings.against)
    files = {}
    if published is None:
        if settings.model is None:
            raise InputError(f"against={settings.against}: give model= too, one of {listed(sides)}")
        before = one_side(sides, "model", settings.model, settings.profile.name)
        after = other_side(sides, settings.against, before)
        found = _transitions(store, before, after, settings.store.url)
        page = transitions_page(before, after, found, settings.vocabulary)
        files["transitions.csv"] = transitions_csv(found, settings.vocabulary)
        equal = moved(found.total) == 0
    else:
        compared, passed_over = _against_published(store, sides, settings, published)
        page = published_page(compared, passed_over, settings.vocabulary)
        equal = all(comparison.equal for _, comparison in compared)
    if settings.out is not None:
        with writing(settings.out):
            for name, text in {"comparison.md": page, **files}.items():
                Path(settings.out).mkdir(parents=True, exist_ok=True)
                (Path(settings.out) / name).write_text(text, encoding="utf-8", newline="\n")
    return Comparison(page, equal)


def _against_published(
    store: Store, sides: list[Side], settings: CompareSettings, published: str
) -> tuple[list[tuple[Side, PublishedComparison]], list[str]]:
    """Every side that is looked at with what was found, and the names of models of which nothing was published.

    Args:
        store: opened.
        sides: all of it.
        settings: for the side that is looked at.
        published: the published model's name; nothing for each side's own.
    """
    profile = settings.profile.name
    if settings.model is not None:
        chosen = sides_named(sides, settings.model, profile)
    elif published:
        raise InputError(f"against={settings.against}: give model= too, one of {listed(sides)}")
    else:
        chosen = [side for side in sides if side.profile == profile]
    names = {side: published or published_name(side.model) for side in chosen}
    compared = [
        (side, compare_with_published(store.layers(*side.key), published_name(name) or name))
        for side, name in names.items()
        if name is not None
    ]
    if not compared:
        raise InputError(
            f"nothing was published on {', '.join(sorted({side.model for side in chosen})) or f'profile {profile}'}; name a "
            "published model: model=MODEL against=published:NAME"
        )
    return compared, sorted({side.model for side, name in names.items() if name is None})


def _transitions(store: Store, before: Side, after: Side, url: str) -> Transitions:
    layers = store.layers(*before.key)
    require_same_shape(layers, store.layers(*after.key))
    return class_transitions(layers, _reader(store, before, url), _reader(store, after, url))


def _reader(store: Store, side: Side, url: str) -> ReadLayer:
    neurons = store.neurons(*side.key)

    def read(row: LayerRow) -> pa.Table:
        mine = (pc.field("layer") == row.layer) & (pc.field("component") == row.component)
        with reading(url, f"the neurons of {side.model}"):
            return neurons.to_table(columns=READ_COLUMNS, filter=mine)

    return read
