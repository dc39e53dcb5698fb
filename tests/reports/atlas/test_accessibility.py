"""The page by keyboard, for people who hear it, in light and dark, and on a phone."""

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.reports.atlas.opening import Opened
from tests.reports.atlas.sites import DENSE, MOE, NULL, PLAIN, address

Visit = Callable[..., Opened]

PAGES = {
    "overview": "",
    "dense": address(DENSE, 1, "mlp"),
    "experts": address(MOE, 1, "expert", 2),
    "plain": address(PLAIN, 1, "mlp"),
    "null": address(NULL, 1, "mlp"),
    "neuron": address(DENSE, 1, "mlp", "-", 3),
}

_FOCUSABLE = "a[href], button:not([disabled]), input, select, summary, [tabindex='0']"
_VISIBLE = f"""[...document.querySelectorAll("{_FOCUSABLE}")].filter((each) => each.checkVisibility())"""


def violations(opened: Opened) -> list[str]:
    """What axe-core finds, by rule and element. It may not load the style sheet again: the page's policy forbids that."""
    found = Axe().run(opened.page, options={"resultTypes": ["violations"], "preload": False}).response["violations"]
    return [f"{rule['id']}: {node['html'][:160]} {node['failureSummary']}" for rule in found for node in rule["nodes"]]


@pytest.mark.parametrize("kind", PAGES)
def test_axe_finds_nothing_in_light_or_dark(kind: str, visit: Visit) -> None:
    opened = visit(PAGES[kind])
    if kind == "neuron":
        opened.page.wait_for_selector(".quadrants")
    for summary in opened.page.locator("summary").all():
        summary.click()
    for scheme in ("light", "dark"):
        opened.page.emulate_media(color_scheme=scheme)
        assert violations(opened) == []
    if kind == "dense":
        opened.page.locator(".filter button").first.click()
        opened.page.keyboard.press("?")
        for scheme in ("dark", "light"):
            opened.page.emulate_media(color_scheme=scheme)
            assert violations(opened) == []


@pytest.mark.parametrize("kind", PAGES)
def test_a_phone_shows_all_without_scrolling_sideways(kind: str, visit: Visit) -> None:
    opened = visit(PAGES[kind], width=390)
    if kind == "neuron":
        opened.page.wait_for_selector(".quadrants")
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390
    if kind in ("overview", "experts"):
        assert violations(opened) == []


@pytest.mark.parametrize("kind", ["overview", "experts", "neuron"])
def test_every_control_is_reached_by_tab_and_shows_that_it_has_the_focus(kind: str, visit: Visit) -> None:
    opened = visit(PAGES[kind])
    page = opened.page
    if kind == "neuron":
        page.wait_for_selector(".quadrants")
    if kind == "experts":
        page.wait_for_selector(".map canvas")
    wanted = page.evaluate(f"{_VISIBLE}.map((each, place) => (each.dataset.place = String(place))).length")
    reached = {}
    for _ in range(wanted + 20):
        page.keyboard.press("Tab")
        place, style = page.evaluate(
            "[document.activeElement.dataset.place, getComputedStyle(document.activeElement).outlineStyle]"
        )
        if place in reached:
            break
        if place is not None:
            reached[place] = style
    assert sorted(reached, key=int) == [str(place) for place in range(wanted)]
    assert set(reached.values()) == {"solid"}


def test_explanations_open_where_they_were_asked_for_and_close_with_escape(visit: Visit) -> None:
    opened = visit(PAGES["dense"])
    page = opened.page
    page.get_by_label("Explain: randomness bands").press("Enter")
    assert page.evaluate("document.activeElement.textContent") == "Randomness bands"
    assert page.locator("#explain-bands").is_visible()
    page.keyboard.press("ArrowRight")  # belongs to the dialog
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Explain: randomness bands"
    assert page.locator(".page").get_attribute("data-shown") == "1 mlp -"
    page.keyboard.press("?")
    text = page.inner_text("dialog")
    for word in ("conditional enrichment", "atypical", "mismatched", "#/MODEL/REVISION/PROFILE/LAYER"):
        assert word.lower() in text.lower()
    page.keyboard.press("Escape")
    page.get_by_label("Class names").select_option("rw")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Explain", exact=True).click()
    assert "conditional strengthening" in page.inner_text("dialog")
    page.keyboard.press("Escape")
    page.get_by_label("Class names").select_option("io")


def test_the_chosen_colours_outlast_the_systems(visit: Visit) -> None:
    page = visit(PAGES["dense"]).page
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.get_by_label("Colours").select_option("dark")
    dark = page.evaluate(paper)
    assert dark != light
    page.reload()
    page.wait_for_selector(".page[data-shown]")
    assert page.evaluate(paper) == dark
    page.get_by_label("Colours").select_option("auto")
    assert page.evaluate(paper) == light
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(paper) == dark


def test_a_change_of_page_takes_the_focus_to_its_heading(visit: Visit) -> None:
    opened = visit(PAGES["overview"])
    page = opened.page
    page.locator(".models a", has_text=DENSE).first.press("Enter")
    opened.wait_for("0 mlp -")
    page.wait_for_function("document.activeElement.localName === 'h1'")
    assert page.evaluate("document.activeElement.textContent") == DENSE
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
