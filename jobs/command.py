"""What every command shares: Hydra composes the config, the settings validate it, errors become one line."""

import os
import re
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

import hydra
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gated_ray.errors import GatedRayError, InputError, StoppedError

_CONF = Path(__file__).parent.parent / "conf"
_BY_SIGNAL = 128
"""Exit codes of shells for what a signal ended: this plus its number."""
_NO_LIST = re.compile(r"Error merging override \+*(?P<key>[\w.]+)=(?P<value>.*)\n+.*is not a ListConfig")

Settings = TypeVar("Settings")


def run_command(config_name: str, schema: type[Settings], call: Callable[[Settings], bool]) -> None:
    """Run one command and exit.

    Args:
        config_name: primary config in ``conf/``.
        schema: the settings dataclass that it must fit.
        call: does the work; whether everything asked for was done.

    Exits 0 if it was, 1 if it was not or an error is reported, 130 after Ctrl-C (SIGINT), 143 after SIGTERM.
    """
    signal.signal(signal.SIGTERM, _terminated)
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra then raises, instead of printing an error of many lines
    ConfigStore.instance().store("schema", _writable(schema))
    debug = any(argument.replace(" ", "").lower() == "debug=true" for argument in sys.argv)
    configs: list[DictConfig] = []
    try:
        if {"-m", "--multirun"} & set(sys.argv):
            raise InputError(
                "--multirun is not supported: give one sweep all its models, so that the largest units go first"
            )
        hydra.main(version_base="1.3", config_path=str(_CONF), config_name=config_name)(configs.append)()
        done = [call(_settings(config, schema)) for config in configs]  # none with --help or --cfg
    except StoppedError as error:
        _stop(error)
    except (GatedRayError, HydraException, OmegaConfBaseException) as error:
        if debug:
            traceback.print_exc()
        print(f"error: {_one_line(error)}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        _stop(StoppedError(signal.SIGINT, "stopped by SIGINT; run the same command again"))
    sys.exit(0 if all(done) else 1)


def _terminated(number: int, _: object) -> NoReturn:
    raise StoppedError(number, "stopped by SIGTERM; run the same command again")


def _stop(error: StoppedError) -> NoReturn:
    """Exit at once: threads that still wait for a server must not hold up a job that was asked to stop."""
    print(error, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(_BY_SIGNAL + error.signal_number)


def _writable(schema: type[object]) -> DictConfig:
    """The schema as a config: OmegaConf makes frozen dataclasses read-only, which would keep ``conf/`` from being merged in."""
    config: DictConfig = OmegaConf.structured(schema)
    OmegaConf.set_readonly(config, None)
    for key in config:
        if isinstance(config._get_node(key), DictConfig):
            OmegaConf.set_readonly(config[key], None)
    return config


def _settings(config: DictConfig, schema: type[Settings]) -> Settings:
    """The settings that a composed config holds; keys that ``+key=value`` added are refused here."""
    settings: Settings = OmegaConf.to_object(OmegaConf.merge(_writable(schema), OmegaConf.to_container(config)))  # type: ignore[assignment]
    return settings


def _one_line(error: BaseException) -> str:
    """The message that matters: our own where one of ours is the cause, else the first line with Hydra's hint on the key."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, InputError):
            return str(cause)
        cause = cause.__cause__
    if isinstance(error, GatedRayError):
        return str(error)
    lines = [line.strip().rstrip(".") for line in str(error).splitlines() if line.strip()]
    if isinstance(error, OverrideParseException):
        return (
            f"cannot parse {error.override!r}: {next(line for line in lines if not line.startswith('Error parsing'))}"
        )
    if isinstance(error, MissingConfigException) and error.options:
        group, _, name = (error.missing_cfg_file or "").rpartition("/")
        named = f", or profile.name={name} for a profile of your own" if group == "profile" else ""
        return f"{lines[0]}; choose one of {', '.join(error.options)}{named}"
    if found := _NO_LIST.search(f"{error}\n{error.__cause__}"):
        return f"{found['key']} is a list: write '{found['key']}=[{found['value']}]'"
    if isinstance(error, OmegaConfBaseException) and error.full_key:
        return f"{error.full_key}: {lines[0]}"
    detail = [str(error.__cause__).splitlines()[0]] if error.__cause__ is not None and str(error.__cause__) else []
    return "; ".join(dict.fromkeys(lines[:1] + detail))
