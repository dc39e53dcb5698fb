"""A sweep of every supported family leaves what `analyze` says of each, in a store that is sound."""

from pathlib import Path

import pytest

import gated_ray
from gated_ray.cluster import driving
from gated_ray.cluster.sweep import run_sweep
from gated_ray.settings import ProfileSettings, StoreSettings, VerifySettings
from jobs.verify import verify
from tests.cluster.sweeping import PARTITION, sweep_settings
from tests.jobs.running import call_job

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["paper", "residual"])
def profile(request: pytest.FixtureRequest) -> ProfileSettings:
    return ProfileSettings(name=request.param, weights=request.param)


@pytest.fixture(scope="module")
def store(
    ray_session: None, every_family: dict[str, Path], profile: ProfileSettings, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A store with every family."""
    folder = tmp_path_factory.mktemp("every-family")
    result = run_sweep(sweep_settings(folder, list(every_family.values()), profile))
    assert result.failures == ()
    assert result.units_done == sum(model.units for model in result.models)
    return folder


def test_the_store_is_sound(store: Path, every_family: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(VerifySettings(StoreSettings(url=str(store))))
    assert f"{len(every_family)} published models" in capsys.readouterr().out


def test_every_row_is_what_analyze_says(store: Path, every_family: dict[str, Path], profile: ProfileSettings) -> None:
    catalogue = gated_ray.open_store(str(store))
    gated = set()
    for case, folder in every_family.items():
        alone = gated_ray.analyze(str(folder), profile=profile.weights)
        for table, expected in (("neurons", alone.neurons), ("layers", alone.layers)):
            read = getattr(catalogue, table)(case)
            rows = read.to_table() if table == "neurons" else read
            order = [(name, "ascending") for name in ("layer", "component", "neuron") if name in rows.column_names]
            assert rows.drop(PARTITION).sort_by(order).equals(expected.drop(PARTITION).sort_by(order)), (case, table)
        gated |= set(alone.layers["gated"].to_pylist())
    assert gated == {True, False}


def test_a_second_sweep_does_nothing(
    store: Path, every_family: dict[str, Path], profile: ProfileSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("Ray was asked for")

    monkeypatch.setattr(driving, "connect", refuse)
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*.*") if path.is_file()}
    result = run_sweep(sweep_settings(store, list(every_family.values()), profile))
    assert (result.units_done, result.failures) == (0, ())
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*.*") if path.is_file()} == before


def test_the_final_table(
    store: Path, every_family: dict[str, Path], profile: ProfileSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row a model, read from the store: neurons, share of each class, seconds and GB."""
    overrides = [f"models.refs=[{','.join(map(str, every_family.values()))}]", f"store.url={store}"]
    assert call_job("sweep", *overrides, f"profile={profile.name}") == 0
    printed = capsys.readouterr().out
    catalogue = gated_ray.open_store(str(store))
    for case in every_family:
        (row,) = (line.split() for line in printed.splitlines() if line.split()[:2] == [case, "@"])
        revision, neurons, *shares, without_cosine, seconds, gigabytes = row[2:]
        layers = catalogue.layers(case)
        assert layers["model_revision"][0].as_py().startswith(revision)
        assert int(neurons) == sum(layers["neurons"].to_pylist())
        assert len(shares) == (11 if layers["gated"][0].as_py() else 3)
        assert sum(map(float, shares)) == pytest.approx(100, abs=0.6)
        assert float(shares[0]) == pytest.approx(100 * sum(layers["enrichment"].to_pylist()) / int(neurons), abs=0.06)
        assert int(without_cosine) == 0
        assert float(seconds) >= 0
        assert gigabytes == f"{sum(layers['bytes_read'].to_pylist()) / 1e9:.3f}"
    total = sum(catalogue.models()["neurons"].to_pylist())
    assert f"{len(every_family)} models, {total:,} neurons, 0 failures" in printed
