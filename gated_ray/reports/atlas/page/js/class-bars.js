"use strict";

/** The share of every class in every layer, as stacked bars; a click opens the layer. */
{
  const FAINT = 0.15;
  const LEFT = 52;

  function hatch() {
    return {
      symbol: "rect",
      symbolSize: 1,
      dashArrayX: [1, 0],
      dashArrayY: [1.5, 3.5],
      rotation: Math.PI / 4,
      color: "#ffffff",
    };
  }

  function option(rows, classes, hidden) {
    const shares = (index) =>
      rows.map((row) => {
        const classed = row.neurons - row.without;
        return classed ? row.counts[index] / classed : null;
      });
    return {
      aria: { enabled: true, label: { enabled: false }, decal: { show: true } },
      grid: atlas.grid(LEFT, 8, 10, 40),
      xAxis: atlas.axis("layer", { type: "category", data: rows.map((row) => row.layer), nameGap: 24 }),
      yAxis: atlas.axis("share of neurons", {
        type: "value",
        min: 0,
        max: 1,
        nameGap: 38,
        axisLabel: { color: atlas.ink().muted, fontSize: 11, formatter: (value) => `${Math.round(100 * value)} %` },
      }),
      series: classes.map((index) => ({
        type: "bar",
        stack: "all",
        barWidth: "86%",
        silent: true,
        data: shares(index),
        itemStyle: {
          color: atlas.classes.colour(index),
          opacity: hidden.has(index) ? FAINT : 1,
          decal: atlas.classes.isAtypical(index) ? hatch() : { symbol: "none" },
        },
      })),
    };
  }

  function words(row, classes) {
    const classed = row.neurons - row.without;
    const lines = classes
      .filter((index) => row.counts[index])
      .map((index) => [
        atlas.swatch(index),
        ` ${atlas.classes.words(index)} ${atlas.percent(row.counts[index], classed)} %`,
      ]);
    const none = row.without ? [`no class: ${atlas.count(row.without)}`] : [];
    return [`layer ${row.layer}: ${atlas.counted(row.neurons, "neuron")}`, ...lines.reverse(), ...none];
  }

  /**
   * @param {HTMLElement} host
   * @param {Array} rows of one component.
   * @param {Set} hidden classes that are drawn faintly.
   * @param {function(number): void} open a layer.
   */
  atlas.classBars = (host, rows, hidden, open) => {
    const classes = atlas.classes.of(rows.some((row) => row.gated));
    const frame = atlas.mark(host, "frame");
    let current = rows[0].layer;
    let drawn = null;

    function place() {
      if (!drawn) return;
      const place = rows.findIndex((row) => row.layer === current);
      const [x, top] = drawn.chart.convertToPixel({ xAxisIndex: 0, yAxisIndex: 0 }, [place, 1]);
      const bottom = drawn.chart.convertToPixel({ yAxisIndex: 0 }, 0);
      const step = atlas.bandOf(drawn.chart, "xAxisIndex", rows.length, LEFT);
      frame.put({ left: x - step / 2, top: top - 3, width: step, height: bottom - top + 6 });
    }

    drawn = atlas.chart(host, () => option(rows, classes, hidden), place);
    place();
    atlas.follow(drawn.chart, (pixel) => {
      if (!drawn.chart.containPixel({ gridIndex: 0 }, pixel)) return null;
      const row = rows[Math.round(drawn.chart.convertFromPixel({ xAxisIndex: 0 }, pixel[0]))];
      return row ? { lines: words(row, classes), open: () => open(row.layer) } : null;
    });
    return {
      ...drawn,
      /** Frame a layer. */
      show(layer) {
        current = layer;
        place();
      },
    };
  };
}
