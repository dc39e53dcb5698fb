"use strict";

/** The map of experts with the choice of the class whose share it shows, and in words where its cursor is. */
{
  /** The class that most neurons have, but the orthogonal one. */
  function commonest(classes, rows) {
    const total = (index) => rows.reduce((sum, row) => sum + row.counts[index], 0);
    const orthogonal = atlas.classes.indexOf("orthogonal_output");
    return classes
      .filter((index) => index !== orthogonal)
      .reduce((best, index) => (total(index) > total(best) ? index : best));
  }

  function scaleOf(most) {
    const gradient = `linear-gradient(to right, ${atlas.scale().join(", ")})`;
    const colours = atlas.element("span", { class: "colours", style: { background: gradient }, "aria-hidden": "true" });
    const texts = ["share of the expert's neurons", "0 %", `${atlas.percent(most, 1)} %`].map((text) =>
      atlas.element("span", {}, text),
    );
    return atlas.element("div", { class: "scale" }, texts[0], texts[1], colours, texts[2]);
  }

  /**
   * @param {HTMLElement} host in the page.
   * @param {object} data of `model.experts`.
   * @param {Array} rows of the component.
   * @param {function(number, number): void} open a layer's expert.
   */
  atlas.expertPanel = (host, data, rows, open) => {
    const classes = atlas.classes.of(rows.some((row) => row.gated));
    const mapHost = atlas.element("div", {
      class: "chart map",
      role: "application",
      tabindex: "0",
      "aria-label": "Map of experts by layer. Arrow keys move from expert to expert, Enter shows one.",
      style: { height: `${Math.min(520, Math.max(200, 60 + 5 * data.experts.length))}px` },
    });
    const controls = atlas.element("div", { class: "controls" });
    const words = atlas.element("p", { class: "told", role: "status" });
    const scale = atlas.element("div", {});
    let chosen = commonest(classes, rows);

    function showChoice() {
      const options = classes.map((index) => [String(index), atlas.classes.words(index)]);
      const changed = (index) => {
        chosen = Number(index);
        map.draw();
      };
      controls.replaceChildren(atlas.select("Share of the class", options, String(chosen), changed));
    }

    function tell(lines, most) {
      words.textContent = lines.join(": ");
      scale.replaceChildren(scaleOf(most));
    }

    host.replaceChildren(
      atlas.element("h2", {}, "Experts by layer", atlas.explain("place", "experts")),
      controls,
      mapHost,
      words,
      scale,
    );
    const map = atlas.expertMap(mapHost, data, () => chosen, open, tell);
    showChoice();
    return { show: map.show, redraw: showChoice };
  };
}
