"use strict";

/** The median of cos(w_in, w_out) against relative depth, one line a model. */
{
  const NEAR = 14;
  const [LEFT, RIGHT, TOP, BOTTOM] = [66, 14, 10, 44];

  function option(curves) {
    return {
      grid: atlas.grid(LEFT, RIGHT, TOP, BOTTOM),
      xAxis: atlas.axis("relative depth (layer / last layer)", { type: "value", min: 0, max: 1, nameGap: 26 }),
      yAxis: atlas.axis("median cos(w_in, w_out)", {
        type: "value",
        nameGap: 46,
        scale: true,
        axisLabel: { color: atlas.ink().muted, fontSize: 11, formatter: (value) => atlas.decimals(value, 2) },
      }),
      series: curves.map((curve, index) => ({
        type: "line",
        data: curve.depths.map((depth, layer) => [depth, curve.medians[layer]]),
        showSymbol: curve.depths.length <= 12,
        symbolSize: 5,
        itemStyle: { color: atlas.lineColour(index) },
        lineStyle: { color: atlas.lineColour(index), width: 1.5, type: atlas.lineDash(index) },
        emphasis: { focus: "series", lineStyle: { width: 3 } },
        silent: true,
        ...(index ? {} : { markLine: zero() }),
      })),
    };
  }

  function zero() {
    const lineStyle = { color: atlas.ink().muted, width: 1, type: "solid", opacity: 0.5 };
    return { silent: true, symbol: "none", label: { show: false }, data: [{ yAxis: 0 }], lineStyle };
  }

  function nearest(chart, curves, [x, y]) {
    let [best, distance] = [null, NEAR];
    curves.forEach((curve, index) =>
      curve.depths.forEach((depth, layer) => {
        if (curve.medians[layer] === null) return;
        const [left, top] = chart.convertToPixel({ xAxisIndex: 0, yAxisIndex: 0 }, [depth, curve.medians[layer]]);
        const here = Math.hypot(left - x, top - y);
        if (here < distance) [best, distance] = [{ curve, index, layer }, here];
      }),
    );
    return best;
  }

  /**
   * @param {HTMLElement} host
   * @param {function(): Array} given the curves: {label, depths, medians, layers, link}.
   */
  atlas.medianChart = (host, given) => {
    let curves = given();
    const drawn = atlas.chart(host, () => option((curves = given())));
    atlas.follow(drawn.chart, (pixel) => {
      const found = nearest(drawn.chart, curves, pixel);
      if (!found) return null;
      const { curve, layer } = found;
      const depth = `layer ${curve.layers[layer]}, relative depth ${curve.depths[layer].toFixed(2)}`;
      return {
        lines: [curve.label, depth, `median cos(w_in, w_out) ${atlas.decimals(curve.medians[layer], 4)}`],
        open: () => (location.hash = curve.link),
      };
    });
    return {
      ...drawn,
      /** Bring a line out among the others; null brings all back. */
      bringOut(index) {
        drawn.chart.dispatchAction({ type: "downplay" });
        if (index !== null) drawn.chart.dispatchAction({ type: "highlight", seriesIndex: index });
      },
    };
  };

  function sample(index) {
    const dash = atlas.lineDash(index);
    const line = { x1: 0, y1: 5, x2: 26, y2: 5, stroke: atlas.lineColour(index), "stroke-width": 2 };
    return atlas.drawing({ width: 26, height: 10 }, "line", {
      ...line,
      "stroke-dasharray": dash === "solid" ? "none" : dash.join(" "),
    });
  }

  /** The names of the curves, from the highest end down as the lines stand, each a link to its model. */
  atlas.medianLegend = (curves, bringOut) => {
    const end = (curve) => curve.medians.findLast((median) => median !== null) ?? -Infinity;
    const order = curves
      .map((curve, index) => ({ curve, index }))
      .sort((one, other) => end(other.curve) - end(one.curve));
    const item = ({ curve, index }) =>
      atlas.element(
        "li",
        {
          onmouseenter: () => bringOut(index),
          onmouseleave: () => bringOut(null),
          onfocusin: () => bringOut(index),
          onfocusout: () => bringOut(null),
        },
        sample(index),
        atlas.element("a", { href: curve.link }, atlas.foreign(curve.label)),
      );
    return atlas.element("ul", { class: "lines" }, order.map(item));
  };
}
