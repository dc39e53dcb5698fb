"""jobs.verify on a store that a sweep left: sound, damaged, and mended as it says; and against the sources."""

import shutil
from pathlib import Path

import pytest

import gated_ray
from tests.checkpoints.planted_experts import expert_tables, plant_experts
from tests.checkpoints.raw_safetensors import StoredTensor
from tests.checkpoints.sound import OUT, edit_tensor, sound_checkpoint
from tests.jobs.running import call_job
from tests.verification.sweeping_alone import sweep_alone


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
def test_damage_is_found_and_mended_as_verify_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "store"
    sweep = ["sweep", f"models.refs=[{sound_checkpoint(tmp_path / 'model')}]", f"store.url={store}"]
    verify = ["verify", f"store.url={store}"]
    assert call_job(*sweep) == 0
    capsys.readouterr()
    assert call_job(*verify) == 0
    assert "1 published model, 2 units, 7 objects" in capsys.readouterr().out

    (raw,) = (store / "raw" / "neurons").rglob("00001-*.parquet")
    good = raw.read_bytes()
    raw.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    assert call_job(*verify) == 1
    problem, advice, total = capsys.readouterr().out.splitlines()
    assert total.endswith(": 1 problem")
    assert problem.startswith("PROBLEM ")
    assert raw.relative_to(store).as_posix() in problem
    assert "published.json" in advice

    raw.unlink()
    (record,) = (store / "_units").rglob("published.json")
    record.unlink()
    assert call_job(*sweep) == 0
    assert "units 1/1, published 1" in capsys.readouterr().err
    assert call_job(*verify) == 0
    assert raw.read_bytes() == good


def flip_last(tensor: StoredTensor) -> StoredTensor:
    return StoredTensor(tensor.dtype, tensor.shape, tensor.data[:-1] + bytes([tensor.data[-1] ^ 1]))


def test_a_changed_source_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = sound_checkpoint(tmp_path / "model")
    sweep_alone(tmp_path / "store", model)
    verify = ["verify", f"store.url={tmp_path / 'store'}", "source=true"]
    assert call_job(*verify) == 0
    store, sources = capsys.readouterr().out.splitlines()
    assert store.startswith("1 published model, 2 units, 7 objects")
    assert sources == "sources of 1 of 1 published model, 8 tensor ranges, 0.000 GB read again: no problems"

    edit_tensor(model, OUT, flip_last)
    assert call_job(verify[0], verify[1]) == 0
    capsys.readouterr()
    assert call_job(*verify, "sample=null") == 1
    printed = capsys.readouterr()
    store, problem, sources = printed.out.splitlines()
    assert store.endswith(": no problems")
    assert problem.startswith("PROBLEM model=model/revision=local-")
    assert f"layer 0 mlp: {OUT}: recorded digest " in problem
    assert sources.endswith(": 1 problem")
    assert printed.err == ""

    shutil.rmtree(model)
    assert call_job(*verify) == 1
    assert "its source cannot be read: " in capsys.readouterr().out


def test_a_damaged_store_does_not_hide_a_changed_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = sound_checkpoint(tmp_path / "model")
    sweep_alone(tmp_path / "store", model)
    (neurons,) = (tmp_path / "store" / "neurons").rglob("*.parquet")
    neurons.unlink()
    verify = ["verify", f"store.url={tmp_path / 'store'}", "source=true", "sample=8"]
    assert call_job(*verify) == 1
    damage, _, store, sources = capsys.readouterr().out.splitlines()
    assert damage.endswith(": missing")
    assert store.endswith(": 1 problem")
    assert sources.endswith(": no problems")
    edit_tensor(model, OUT, flip_last)
    assert call_job(*verify) == 1
    *_, difference, sources = capsys.readouterr().out.splitlines()
    assert OUT in difference
    assert sources.endswith(": 1 problem")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("sample=0", "sample=0: must be at least 1, or null for every tensor range"),
        ("sample=all", "sample=all; Value 'all' of type 'str' could not be converted to Integer"),
        ("models.refs=[org/name]", "refs"),
    ],
)
def test_settings_that_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], override: str, said: str
) -> None:
    assert call_job("verify", f"store.url={tmp_path}", "source=true", override) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert said in line


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
def test_digests_do_not_depend_on_workers(tmp_path: Path) -> None:
    models = [
        sound_checkpoint(tmp_path / "dense"),
        plant_experts(tmp_path / "experts", "qwen3_5_moe_text", expert_tables(2, 5, 66, shared=True), d_model=32),
    ]
    refs = f"models.refs=[{','.join(map(str, models))}]"
    found = []
    for workers, size in ((1, 1 << 30), (2, 20_000)):
        store = tmp_path / f"{workers}"
        sizes = [f"cluster.workers={workers}", f"cluster.max_unit_bytes={size}", "profile.regions=none"]
        assert call_job("sweep", refs, f"store.url={store}", *sizes) == 0
        columns = ["model_name", "layer", "component", "expert", "digest", "digests"]
        found.append(gated_ray.open_store(str(store)).layers().select(columns).to_pylist())
    assert found[0] == found[1]
    assert len(found[0]) == 2 + 2 * 6
