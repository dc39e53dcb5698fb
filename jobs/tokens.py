"""python -m jobs.tokens 'models.refs=[REF,...]' data.text=PATH store.url=URL [data.name=NAME] [data.max_tokens=N]"""

from contextlib import nullcontext

from gated_ray.activations.tokenizing import run_tokens
from gated_ray.cluster.events import emit, events_alone_on_stdout
from gated_ray.settings import TokensSettings
from jobs.command import run_command


def tokens(settings: TokensSettings) -> bool:
    """Make the tokens; with ``log=json`` nothing but events reaches stdout."""
    with events_alone_on_stdout() if settings.log == "json" else nullcontext():
        return run_tokens(settings, emit)


if __name__ == "__main__":
    run_command("tokens", TokensSettings, tokens)
