"""Settings of a watch: durations, limits, and the presets of ``conf/watch``."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from gated_ray.errors import InputError
from gated_ray.settings import WatchListSettings
from gated_ray.watching.filters import hub_filters

CONF = Path(__file__).parents[2] / "conf"
PRESETS = sorted(path.stem for path in (CONF / "watch").glob("*.yaml"))


@pytest.mark.parametrize(
    ("every", "seconds"), [("90s", 90), ("30m", 1800), ("6h", 21600), ("1.5h", 5400), ("1d", 86400), (None, 0)]
)
def test_durations(every: str | None, seconds: float) -> None:
    assert WatchListSettings(every=every).every_seconds == seconds


@pytest.mark.parametrize(
    "wrong",
    [
        *({"every": every} for every in ("", "6", "h", "6 hours", "0h", "-1h", "6H", "1h30m")),
        *({"name": name} for name in ("", "a/b", "..", "a b")),
        *({key: 0} for key in ("newest", "max_bytes", "attempts")),
        *({"max_bytes": value} for value in (float("nan"), float("inf"))),
        {"min_downloads": -1},
    ],
)
def test_what_cannot_be_is_refused_by_name(wrong: dict[str, object]) -> None:
    ((key, value),) = wrong.items()
    with pytest.raises(InputError, match=rf"watch\.{key}={value!r}"):
        WatchListSettings(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_say_every_setting_and_are_valid(preset: str) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        found = OmegaConf.to_container(compose(f"watch/{preset}"))["watch"]  # type: ignore[index, call-overload]
    assert list(found) == list(WatchListSettings.__dataclass_fields__)
    watch = WatchListSettings(**found)
    if preset == "none":
        assert watch == WatchListSettings()
    else:
        assert watch.name == preset, "so that presets on one store keep their notes apart"
        hub_filters(watch)
