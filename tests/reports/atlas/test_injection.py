"""Names, tokens and documents that are written to break out are shown as the texts they are."""

import re
from collections.abc import Callable
from pathlib import Path

import pyarrow.compute as pc
import pytest

from gated_ray.reports.atlas.encoding import data_script
from gated_ray.reports.atlas.pieces import LETTERS
from tests.reports.atlas.opening import Opened
from tests.reports.atlas.sites import HOSTILE, HOSTILE_TEXT, TEXTS, Site, address

Visit = Callable[..., Opened]

SHOWN = '<img src=x onerror="boom()">⟨U+202E⟩\'&</script>⟨U+2028⟩'
"""The hostile name with its unseen characters written out."""

UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@pytest.fixture
def hostile_document(visit: Visit, site: Site) -> Opened:
    """The page of a neuron that shows the hostile document."""
    document = TEXTS.index(HOSTILE_TEXT)
    examples = site.tables["examples"]
    shown = (pc.field("model_name") == HOSTILE) & (pc.field("document") == document) & (pc.field("rank") < 3)
    neuron = examples.filter(shown & (pc.field("quantity") == "post"))["neuron"][0]
    opened = visit(address(HOSTILE, 0, "mlp", "-", neuron))
    opened.page.wait_for_selector(".quadrants")
    return opened


def test_a_hostile_name_is_text_wherever_it_stands(visit: Visit) -> None:
    for place, where in (
        ("", ".models tbody a"),
        (address(HOSTILE), "h1"),
        (address(HOSTILE, 0, "mlp", "-", 3), ".trail a"),
    ):
        opened = visit(place)
        page = opened.page
        assert any(text.startswith(SHOWN) for text in opened.texts(where))
        assert page.evaluate("document.querySelectorAll('main img, main script, body script').length") == 0
        isolated = page.locator(f"{where} bdi").all_inner_texts()
        assert SHOWN in isolated
        assert "boom" not in page.evaluate("Object.keys(window).join()")
    assert SHOWN in visit(address(HOSTILE)).page.title()


def test_a_hostile_document_is_text(hostile_document: Opened) -> None:
    page = hostile_document.page
    assert page.evaluate("document.querySelectorAll('main img, main script').length") == 0
    texts = page.locator(".token").all_text_contents()
    assert [text for text in texts if UNSEEN.search(text)] == []
    assert max(map(len, texts)) <= LETTERS
    assert page.evaluate(
        "[...document.querySelectorAll('.excerpt')].every((each) => getComputedStyle(each).unicodeBidi === 'isolate')"
    )
    # Inside an isolated element, whose direction its own text decides.
    assert page.evaluate(
        "[...document.querySelectorAll('.token:not(.number)')].every((each) => each.localName === 'bdi')"
    )


def test_a_token_of_ten_thousand_letters_is_cut(site: Site) -> None:
    files = list((site.page.parent / "atlas" / "data").rglob("activity/**/*.js"))
    texts = [path.read_text() for path in files]
    assert any("x" * (LETTERS - 2) + "\\u2026" in text for text in texts)
    assert not any("x" * LETTERS in text for text in texts)


def test_data_files_hold_nothing_that_could_end_a_script_or_a_line(site: Site) -> None:
    files: list[Path] = list((site.page.parent / "atlas" / "data").rglob("*.js"))
    assert len(files) > 50
    for path in files:
        content = path.read_bytes()
        assert content.isascii()
        assert b"<" not in content
        assert content.count(b"\n") == 1


def test_a_data_script_is_one_harmless_line_that_says_the_same() -> None:
    document = {"text": HOSTILE_TEXT, "lone": "\ud800", "name": HOSTILE, "number": 1.5, "none": None}
    script = data_script("a/b", document)
    assert script.isascii()
    assert script.endswith(");\n")
    assert not set("<\r\u2028") & set(script)
    assert script.count("\n") == 1


def test_no_text_can_become_markup_or_the_address_of_another_script(visit: Visit) -> None:
    opened = visit()
    page = opened.page
    refused = "(() => { try { %s; return 'done' } catch (error) { return error.name } })()"
    for attempt in (
        "document.body.innerHTML = '<b>bold</b>'",
        "document.body.insertAdjacentHTML('beforeend', '<b>bold</b>')",
        "document.createElement('script').src = 'atlas/data/overview.js'",
        "atlas.scriptAddress('https://example.org/x.js')",
        "atlas.scriptAddress('atlas/data/../js/main.js')",
        "atlas.scriptAddress('//example.org/atlas/data/x.js')",
    ):
        assert page.evaluate(refused % attempt) == "TypeError"
    assert (
        page.evaluate(refused % "atlas.scriptAddress('atlas/data/model=a..2e--b/revision=c/profile=d/model.js')")
        == "done"
    )
    assert all("TrustedScriptURL" in opened.errors.pop() for _ in list(opened.errors))


def test_colours_and_widths_come_from_no_text(visit: Visit) -> None:
    """No style attribute is ever parsed: the policy forbids them, and a violation would be an error on the console."""
    for place in ("", address(HOSTILE), address(HOSTILE, 0, "mlp", "-", 3)):
        assert visit(place).errors == []
