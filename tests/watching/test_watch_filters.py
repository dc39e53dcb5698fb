"""What the Hub is asked for, and what of its answer is looked at."""

import pytest

from gated_ray.errors import InputError
from gated_ray.settings import WatchListSettings
from gated_ray.sources.hub_listing import ListedModel
from gated_ray.watching.filters import hub_filters, select


def listed(name: str, *, size: int | None = 100, gated: bool = False) -> ListedModel:
    return ListedModel(name, "c" * 40, size, 0, gated, "2025-01-01T00:00:00.000Z")


def test_allowed_organisations_narrow_the_listing() -> None:
    watch = WatchListSettings(allow=["google/gemma-*", "Qwen/*", "google/t5*"])
    assert hub_filters(watch).authors == ("Qwen", "google")


@pytest.mark.parametrize(
    "allow", [[], ["*/gemma-*"], ["google/*", "*llama*"], ["google/*", "meta*/*"], ["[gG]oogle/*"]]
)
def test_a_listing_of_the_whole_hub_is_refused(allow: list[str]) -> None:
    with pytest.raises(InputError, match="the whole Hub"):
        hub_filters(WatchListSettings(allow=allow, deny=["a/*"], max_bytes=10, gated=False))


@pytest.mark.parametrize(
    "narrowed",
    [{"task": "fill-mask"}, {"library": "transformers"}, {"tags": ["x"]}, {"min_downloads": 1}, {"newest": 5}],
)
def test_any_filter_of_the_hub_will_do(narrowed: dict[str, object]) -> None:
    filters = hub_filters(WatchListSettings(**narrowed))  # type: ignore[arg-type]
    ((key, value),) = narrowed.items()
    assert getattr(filters, key) == (tuple(value) if isinstance(value, list) else value)
    assert filters.authors == ()


def test_what_is_left_out_and_by_what() -> None:
    models = [
        listed("org/fits"),
        listed("org/fits"),
        listed("org/denied"),
        listed("other/model"),
        listed("org/gated", gated=True),
        listed("org/large", size=101),
        listed("org/unknown", size=None),
        listed("ORG/fits"),
    ]
    selection = select(
        models, WatchListSettings(allow=["org/*"], deny=["*/denied"], gated=False, max_bytes=100, authors=["org"])
    )
    assert [model.name for model in selection.kept] == ["org/fits", "org/unknown"]
    assert selection.left_out == {
        "deny": ("org/denied",),
        "allow": ("other/model", "ORG/fits"),
        "gated": ("org/gated",),
        "max_bytes": ("org/large",),
    }


def test_the_newest_are_counted_after_what_is_left_out() -> None:
    """And no more is taken of the listing, whose pages are asked for as they are needed."""
    models = iter([listed("org/a"), listed("org/b", gated=True), listed("org/c"), listed("org/d")])
    selection = select(models, WatchListSettings(newest=2, gated=False))
    assert [model.name for model in selection.kept] == ["org/a", "org/c"]
    assert [model.name for model in models] == ["org/d"]
