"use strict";

// What is under the pointer, in words beside it. People without a pointer find the same in the tables and lists.
{
  const DISTANCE = 14;
  const tip = atlas.element("div", { class: "tip", "aria-hidden": "true", hidden: true });
  document.body.append(tip);

  function put(event) {
    const { clientX: x, clientY: y } = event;
    const left = x + DISTANCE + tip.offsetWidth > innerWidth ? x - DISTANCE - tip.offsetWidth : x + DISTANCE;
    const top = Math.min(y + DISTANCE, innerHeight - tip.offsetHeight - 4);
    Object.assign(tip.style, { left: `${Math.max(4, left)}px`, top: `${Math.max(4, top)}px` });
  }

  atlas.hideTip = () => {
    tip.hidden = true;
  };

  /**
   * Follow the pointer over a chart.
   * @param {object} chart of ECharts.
   * @param {function([number, number]): ({lines: Array, open: function}|null)} find what is at these pixels: its words, line by
   *   line, and what a click does, if anything.
   */
  atlas.follow = (chart, find) => {
    const zr = chart.getZr();
    zr.on("mousemove", ({ event, offsetX, offsetY }) => {
      const found = find([offsetX, offsetY]);
      zr.setCursorStyle(found?.open ? "pointer" : "default");
      tip.hidden = !found;
      if (!found) return;
      tip.replaceChildren(...found.lines.map((line) => atlas.element("div", {}, line)));
      put(event);
    });
    zr.on("globalout", atlas.hideTip);
    zr.on("click", ({ offsetX, offsetY }) => find([offsetX, offsetY])?.open?.());
  };
}
