"""What the benchmarks count as used: of the work and not of the imports, of a job's own processes and of no others."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.benchmarks.processes import MARK, Watch, new_mark
from tests.benchmarks.usage import Prepared, own_environment, usage_of

BUSY = "while time.process_time() < before + 0.3: pass"
HOLDER = "import sys; held = bytes([1]) * 200_000_000; print('held', flush=True); sys.stdin.read()"


def test_the_work_counts_and_the_imports_do_not(tmp_path: Path) -> None:
    imports = (
        "import time\nwhile time.process_time() < 1: pass\ndef work():\n    before = time.process_time()\n    " + BUSY
    )
    with Prepared(imports, "work()", [], own_environment(tmp_path)) as process:
        first, second = process.run(), process.run()
    for usage in (first, second):
        assert 0.25 < usage.cpu < 0.9
        assert usage.seconds > 0.25


def test_failed_work_is_an_error(tmp_path: Path) -> None:
    with (
        Prepared("", "raise SystemExit(3)", [], own_environment(tmp_path)) as process,
        pytest.raises(RuntimeError, match="failed"),
    ):
        process.run()


def test_usage_of_a_command() -> None:
    used = usage_of([sys.executable, "-c", f"import time\nbefore = 0\n{BUSY}"])
    assert 0.25 < used.cpu < 2
    with pytest.raises(subprocess.CalledProcessError):
        usage_of([sys.executable, "-c", "raise SystemExit(3)"])


def test_accounts_and_proxies_of_the_user_are_left_behind(tmp_path: Path) -> None:
    os.environ |= {"HF_TOKEN": "hf_secret", "https_proxy": "http://proxy", "AWS_PROFILE": "work"}
    environment = own_environment(tmp_path, HF_ENDPOINT="http://here")
    assert not {"HF_TOKEN", "https_proxy", "AWS_PROFILE"} & environment.keys()
    assert environment["HF_ENDPOINT"] == "http://here"
    assert environment["HF_HOME"].startswith(str(tmp_path))


def test_marked_processes_are_watched_and_others_are_not() -> None:
    mark = new_mark()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with (
        subprocess.Popen([sys.executable, "-c", HOLDER], env={**os.environ, MARK: new_mark()}, **pipes) as stranger,
        subprocess.Popen([sys.executable, "-c", HOLDER], env={**os.environ, MARK: mark}, **pipes) as driver,
    ):
        for process in (stranger, driver):
            assert process.stdout is not None
            assert process.stdout.readline() == b"held\n"
        with Watch(driver.pid, mark) as watch:
            deadline = time.monotonic() + 30
            while not watch.moments and time.monotonic() < deadline:
                time.sleep(0.05)
        for process in (stranger, driver):
            process.communicate()
    (used,) = watch.used.values()
    assert used.kind == "driver"
    assert 200e6 < used.peak < 300e6
    assert watch.moments[0].driver > 200e6
