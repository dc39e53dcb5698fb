"""jobs.verify on a store that a sweep left: sound, damaged, and mended as it says."""

from pathlib import Path

import pytest

from tests.checkpoints.sound import sound_checkpoint
from tests.jobs.running import call_job


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
