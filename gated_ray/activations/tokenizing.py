"""``jobs.tokens``: token datasets of some texts for the tokenizers of some models, one a tokenizer."""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gated_ray.activations.made_table import Made, print_made
from gated_ray.activations.telling import Bar, Emit, Events, Told
from gated_ray.activations.text_files import open_texts
from gated_ray.activations.token_datasets import given_tokens, text_tokens
from gated_ray.activations.tokenizers import Tokenizer, load_tokenizer
from gated_ray.errors import GatedRayError, InputError, StoreError
from gated_ray.settings import TokensSettings
from gated_ray.sources.checkpoint import locate
from gated_ray.store.objects import Objects, open_objects
from gated_ray.store.token_keys import GIVEN


def run_tokens(settings: TokensSettings, emit: Emit) -> bool:
    """Make what is missing and say what there is; whether every model asked for has its tokens.

    Args:
        settings: of the job.
        emit: writes an event; called with ``log=json`` only.

    Raises:
        InputError: the texts or ids cannot be used, or nothing was asked for.
        StoreError: the store cannot be used, or holds something else under this name.
        TransientError: the network gave up.
    """
    data = settings.data
    if data.tokens is not None:
        raise InputError(
            "data.tokens names tokens that are ready; to make some, give data.text=PATH or data.token_ids=FILE"
        )
    if data.text is None and data.token_ids is None:
        raise InputError("no texts: set data.text=PATH, or data.token_ids=FILE for ids that are ready")
    if data.text is not None and not settings.models.refs:
        raise InputError("no models asked for, whose tokenizers to use: set 'models.refs=[org/name]'")
    objects = open_objects(settings.store)
    objects.check_writable()
    speaker = _Speaker(settings, emit)
    if data.text is None:
        with speaker.progress("token ids", GIVEN, None) as told:
            speaker.made([Made(given_tokens(objects, data, told), ())], objects.url)
        return True
    return _run_texts(settings, objects, speaker)


def _run_texts(settings: TokensSettings, objects: Objects, speaker: "_Speaker") -> bool:
    data = settings.data
    refs = list(dict.fromkeys(settings.models.refs))
    texts = open_texts(data.text or "", data.endpoint_url)
    made: dict[str, Made] = {}
    for ref in refs:
        tokenizer = speaker.attempt(ref)
        if tokenizer is None:
            continue
        if tokenizer.digest in made:
            made[tokenizer.digest] = made[tokenizer.digest].also_of(ref)
            continue
        with speaker.progress(data.name or texts.name, tokenizer.digest, data.max_tokens) as told:
            made[tokenizer.digest] = Made(text_tokens(objects, data, texts, tokenizer, told), (ref,))
    speaker.made(list(made.values()), objects.url)
    return sum(len(each.models) for each in made.values()) == len(refs)


@dataclass(frozen=True)
class _Speaker:
    """Says things as the settings want them."""

    settings: TokensSettings
    emit: Emit

    @property
    def _json(self) -> bool:
        return self.settings.log == "json"

    @contextmanager
    def progress(self, name: str, tokenizer: str, max_tokens: int | None) -> Iterator[Told]:
        view = Events(self.emit, name, tokenizer) if self._json else Bar(name, max_tokens)
        try:
            yield view
        finally:
            view.close()

    def attempt(self, ref: str) -> Tokenizer | None:
        """A model's tokenizer; None, and why, where it cannot be had."""
        try:
            return load_tokenizer(locate(ref, self.settings.models.endpoint_url))
        except StoreError:
            raise
        except GatedRayError as error:
            message = str(error) if ref in str(error) else f"{ref}: {error}"
            if self._json:
                self.emit("failed", message=message, model=ref, units=0, bytes=0)
            else:
                print(f"FAILED {message}", file=sys.stderr)
            if self.settings.debug:
                traceback.print_exc()
            return None

    def made(self, made: list[Made], url: str) -> None:
        if not self._json:
            print_made(made, url)
            return
        for each in made:
            self.emit("tokenized", models=each.models, store=url, **each.facts())
