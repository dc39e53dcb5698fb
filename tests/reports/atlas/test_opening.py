"""How the page opens: from a folder and from a server, alone, within its weight."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.reports.atlas.opening import Opened
from tests.reports.atlas.sites import DENSE, HOSTILE, MOE, NULL, PLAIN, STACKS, Site, address

Visit = Callable[..., Opened]

EVERY_KIND = {
    "overview": "",
    "dense": address(DENSE),
    "experts": address(MOE, 1, "expert"),
    "plain": address(PLAIN),
    "stacks": address(STACKS, 1, "decoder_mlp"),
    "null": address(NULL, 1, "mlp"),
    "hostile": address(HOSTILE),
    "neuron": address(DENSE, 1, "mlp", "-", 3),
    "plain neuron": address(PLAIN, 1, "mlp", "-", 3),
    "null neuron": address(NULL, 1, "mlp", "-", 3),
    "expert's neuron": address(MOE, 1, "expert", 2, 5),
}


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_every_page_opens_from_a_folder_and_from_a_server_and_asks_nobody_else(
    kind: str, visit: Visit, served: str, site: Site
) -> None:
    from_folder = visit(EVERY_KIND[kind])
    from_server = visit(EVERY_KIND[kind], base=served)
    assert all(url.startswith(site.page.parent.as_uri()) for url in from_folder.requests)
    assert all(url.startswith(served) for url in from_server.requests)
    assert from_folder.page.inner_text("main") == from_server.page.inner_text("main")


def test_the_policy_of_the_page_lets_it_load_from_itself_only(visit: Visit) -> None:
    opened = visit()
    page = opened.page
    policy = page.get_attribute("meta[http-equiv='Content-Security-Policy']", "content") or ""
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "//" not in policy
    assert page.evaluate("fetch('https://example.org/').then(() => 'loaded', () => 'refused')") == "refused"
    assert opened.errors
    assert all("Content Security Policy" in opened.errors.pop() for _ in list(opened.errors))


def test_a_file_that_is_missing_or_damaged_is_named(visit: Visit, site: Site, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(site.page.parent, tmp_path / "report"))
    neurons = next((folder / "atlas" / "data").glob("model=org--dense/*/profile=paper/neurons"))
    (neurons / "1-mlp-0.js").unlink()
    (neurons / "3-mlp-0.js").write_text("atlas.receive(")
    for layer, what in ((1, "lacks"), (3, "cannot read")):
        opened = visit(address(DENSE, 5, "mlp"), base=(folder / "index.html").as_uri())
        opened.page.locator("input.layer").fill(str(layer))
        opened.page.wait_for_selector(".error")
        assert f"This atlas {what} its file" in opened.page.inner_text("main")
        assert f"neurons/{layer}-mlp-0.js. Run jobs.report again." in opened.page.inner_text("main")
        assert opened.errors
        opened.errors.clear()


def test_charts_are_drawn(visit: Visit) -> None:
    for kind in ("overview", "dense", "experts", "plain", "neuron"):
        page = visit(EVERY_KIND[kind]).page
        page.wait_for_function("document.querySelectorAll('canvas').length > 0")
        colours = page.evaluate(
            """[...document.querySelectorAll('canvas')].map((canvas) => {
              const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
              return new Set(new Uint32Array(pixels.buffer)).size;
            })"""
        )
        assert min(colours) > 10
