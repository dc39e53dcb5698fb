"use strict";

/**
 * The neurons of a block: cos(w_gate, w_out) across, cos(w_in, w_out) up, cos(w_gate, w_in) as colour. Grey bands are where
 * cosines of different neurons fall, dotted lines where those of random vectors do, dashed ones the class threshold.
 */
{
  const REACH = 14; // pixels
  const THRESHOLD = 0.5;
  const [LEFT, BOTTOM, EDGE] = [56, 44, 10];

  function size(points) {
    return points > 5000 ? 2.5 : points > 1000 ? 3.5 : 5;
  }

  function line(axis, value, type) {
    return { [axis]: value, lineStyle: { color: atlas.ink().muted, type, width: 1, opacity: 0.8 } };
  }

  function lines(block, bands) {
    const theory = bands.theory && block.theory[0] !== null ? block.theory : [];
    return ["xAxis", "yAxis"].flatMap((axis) => [
      ...[-THRESHOLD, THRESHOLD].map((value) => line(axis, value, [5, 4])),
      ...theory.map((value) => line(axis, value, [1, 3])),
    ]);
  }

  function areas(block, bands) {
    const { gate_out: across, in_out: up } = block.mismatched;
    if (!bands.mismatched) return [];
    return [
      ...(across ? [[{ xAxis: across[0] }, { xAxis: across[1] }]] : []),
      ...(up ? [[{ yAxis: up[0] }, { yAxis: up[1] }]] : []),
    ];
  }

  /** Points of one colour, drawn as one path. */
  function cloud(data, color, symbolSize) {
    const many = { large: true, largeThreshold: 0, progressive: 0, silent: true };
    return { type: "scatter", dimensions: ["x", "y"], data, symbolSize, ...many, itemStyle: { color, opacity: 0.85 } };
  }

  function option({ block, shown, range, bands }) {
    const colours = atlas.scale();
    return {
      grid: atlas.grid(LEFT, EDGE, EDGE, BOTTOM),
      xAxis: atlas.cosineAxis("cos(w_gate, w_out)", range, { nameGap: 26 }),
      yAxis: atlas.cosineAxis("cos(w_in, w_out)", range, { nameGap: 38 }),
      series: [
        {
          type: "scatter",
          data: [],
          silent: true,
          markArea: { silent: true, itemStyle: { color: atlas.ink().band }, data: areas(block, bands) },
          markLine: { silent: true, symbol: "none", label: { show: false }, data: lines(block, bands) },
          z: 1,
        },
        ...atlas
          .colouredPoints(block, shown, colours.length)
          .map((data, index) => cloud(data, colours[index], size(shown.length)))
          .filter((series) => series.data.length),
      ],
    };
  }

  /**
   * @param {HTMLElement} host takes the focus: arrow keys step from neuron to neuron, Enter opens one.
   * @param {object} view what to show: {block, shown, range, bands, selected}.
   * @param {function(number): void} open a neuron.
   * @param {function(string): void} tell what the keys are at.
   */
  atlas.scatter = (host, view, open, tell) => {
    const ring = atlas.mark(host, "ring");
    const empty = host.appendChild(atlas.element("p", { class: "empty" }, "No neuron to show."));
    let cursor = view.selected;
    let drawn = null;

    function place() {
      if (!drawn) return;
      empty.hidden = view.shown.length > 0;
      if (cursor === null || !view.shown.includes(cursor)) {
        ring.put(null);
        return;
      }
      const { gate_out, in_out } = view.block.cosines;
      const at = [gate_out[cursor] / 1e4, in_out[cursor] / 1e4];
      const [x, y] = drawn.chart.convertToPixel({ xAxisIndex: 0, yAxisIndex: 0 }, at);
      const isInside = Math.abs(at[0]) <= view.range && Math.abs(at[1]) <= view.range;
      ring.put(isInside ? { left: x - 7, top: y - 7, width: 14, height: 14 } : null);
    }

    function find(pixel) {
      const { chart } = drawn;
      if (!chart.containPixel({ gridIndex: 0 }, pixel)) return null;
      const [at, beside] = [pixel, [pixel[0] + REACH, pixel[1] - REACH]].map((each) =>
        chart.convertFromPixel({ xAxisIndex: 0, yAxisIndex: 0 }, each),
      );
      const neuron = atlas.nearestNeuron(view.block, view.shown, at, [beside[0] - at[0], beside[1] - at[1]]);
      return neuron === null ? null : { lines: atlas.neuronWords(view.block, neuron), open: () => open(neuron) };
    }

    /** Where a key leads in the list of shown neurons. */
    function next(key) {
      const { shown } = view;
      const place = shown.indexOf(cursor);
      const after = shown.findIndex((neuron) => neuron > (cursor ?? -1));
      const last = shown.length - 1;
      const steps = {
        ArrowRight: after < 0 ? last : after,
        ArrowLeft: place < 0 ? 0 : Math.max(0, place - 1),
        Home: 0,
        End: last,
      };
      return steps[key];
    }

    host.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || !view.shown.length) return;
      const step = next(event.key);
      if (step !== undefined) {
        cursor = view.shown[step];
        place();
        tell(atlas.neuronWords(view.block, cursor).join(", "));
      } else if (event.key === "Enter" && cursor !== null) open(cursor);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });

    drawn = atlas.chart(host, () => option(view), place);
    place();
    atlas.follow(drawn.chart, find);
    return {
      ...drawn,
      /** Show something else. */
      show(changes) {
        const isDrawn = Object.keys(changes).some((key) => key !== "selected" && changes[key] !== view[key]);
        Object.assign(view, changes);
        if ("selected" in changes || "block" in changes) cursor = changes.selected ?? null;
        if (isDrawn) drawn.draw();
        else place();
      },
    };
  };

  /** What the colours mean, with the ends of the bands of cos(w_gate, w_in). */
  atlas.scatterScale = (block, bands) => {
    const colours = atlas.scale();
    const gradient = `linear-gradient(to right, ${colours.join(", ")})`;
    const marks = [];
    if (bands.theory && block.theory[1] !== null) marks.push(["dotted", block.theory[1]]);
    if (bands.mismatched && block.mismatched.gate_in) marks.push(["solid", block.mismatched.gate_in[1]]);
    return atlas.element(
      "div",
      { class: "scale" },
      atlas.element("span", {}, "cos(w_gate, w_in)"),
      atlas.element("span", {}, "0"),
      atlas.element(
        "span",
        { class: "colours", style: { background: gradient }, "aria-hidden": "true" },
        marks.map(([kind, value]) =>
          atlas.element("span", { class: `tick ${kind}`, style: { left: `${100 * value}%` } }),
        ),
      ),
      atlas.element("span", {}, "1"),
    );
  };
}
