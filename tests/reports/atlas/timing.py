"""How long the page takes, by the browser's own clock."""

from tests.reports.atlas.opening import Browsing, Opened

_LOAD_LAYERS = """async (layers) => {
  const model = await atlas.model(atlas.parseRoute(location.hash).path);
  for (const layer of layers) await model.block(layer, 'mlp', null);
}"""

_LAYER_CHANGE = """async (layers) => {
  const range = document.querySelector('input.layer');
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const times = [];
  for (const layer of layers) {
    const begun = performance.now();
    range.value = String(layer);
    range.dispatchEvent(new Event('input', { bubbles: true }));
    while (!document.querySelector('.page').dataset.shown.startsWith(`${layer} `)) await frame();
    await frame();
    times.push(performance.now() - begun);
  }
  return times.sort((one, other) => one - other)[Math.floor(times.length / 2)];
}"""

_NOTE_FIRST_VIEW = """new MutationObserver((_, observer) => {
  if (!document.querySelector('.models tbody td')) return;
  observer.disconnect();
  requestAnimationFrame(() => requestAnimationFrame(() => { window.shownAt = performance.now(); }));
}).observe(document, { childList: true, subtree: true });"""


def layer_change(opened: Opened, layers: list[int]) -> float:
    """The median milliseconds from a move of the slider to the frame after the layer is drawn, its data having been loaded."""
    opened.page.evaluate(_LOAD_LAYERS, layers)
    return float(opened.page.evaluate(_LAYER_CHANGE, layers))


def first_view(browsing: Browsing, url: str) -> float:
    """Milliseconds from when the browser turns to an atlas to the frame after the table of models and the chart are drawn."""
    page = browsing.open("about:blank", settled=False).page
    page.add_init_script(_NOTE_FIRST_VIEW)
    page.goto(url)
    page.wait_for_function("window.shownAt !== undefined")
    shown = float(page.evaluate("window.shownAt"))
    page.close()
    return shown
