"use strict";

/** A class's share in every expert of every layer; arrow keys move over it, Enter or a click opens an expert. */
{
  const COLOURS = 9;
  const LABELS = 16;
  const [LEFT, TOP] = [52, 10];

  function shareOf(data, ioClass) {
    const classes = data.counts.length / (data.layers.length * data.experts.length);
    return (layer, expert) => {
      const start = (layer * data.experts.length + expert) * classes;
      const counts = data.counts.subarray(start, start + classes);
      const all = counts.reduce((sum, count) => sum + count, 0);
      return all ? { share: counts[ioClass] / all, count: counts[ioClass], all } : null;
    };
  }

  function cells(data, of) {
    const all = [];
    data.layers.forEach((_, layer) =>
      data.experts.forEach((_, expert) => {
        const found = of(layer, expert);
        if (found) all.push([layer, expert, found.share]);
      }),
    );
    return all;
  }

  function colours() {
    const scale = atlas.scale();
    return Array.from({ length: COLOURS }, (_, step) => scale[Math.round((step * (scale.length - 1)) / (COLOURS - 1))]);
  }

  function option(data, drawnCells, most) {
    return {
      grid: atlas.grid(LEFT, 8, TOP, 40),
      xAxis: atlas.axis("layer", { type: "category", data: data.layers, nameGap: 24 }),
      yAxis: atlas.axis("expert", {
        type: "category",
        data: data.experts,
        nameGap: 38,
        axisLabel: { color: atlas.ink().muted, fontSize: 11, interval: Math.ceil(data.experts.length / LABELS) - 1 },
      }),
      visualMap: { show: false, min: 0, max: most, inRange: { color: colours() } },
      series: [{ type: "heatmap", data: drawnCells, silent: true, progressive: 0, animation: false }],
    };
  }

  /**
   * @param {HTMLElement} host takes the focus.
   * @param {object} data of `model.experts`.
   * @param {function(): number} chosen the class.
   * @param {function(number, number): void} open a layer's expert.
   * @param {function(Array<string>, number): void} tell the words of the cell the keys are at, and the largest share of all.
   */
  atlas.expertMap = (host, data, chosen, open, tell) => {
    const frame = atlas.mark(host, "frame");
    let cursor = [0, 0];
    let of = shareOf(data, chosen());
    let most = 0;
    let drawn = null;

    function build() {
      of = shareOf(data, chosen());
      const drawnCells = cells(data, of);
      most = drawnCells.reduce((largest, cell) => Math.max(largest, cell[2]), 1e-9);
      return option(data, drawnCells, most);
    }

    function words([layer, expert]) {
      const found = of(layer, expert);
      const place = `layer ${data.layers[layer]}, expert ${data.experts[expert]}`;
      if (!found) return [place, "no neuron with a class"];
      const share = `${atlas.percent(found.count, found.all)} % (${atlas.count(found.count)} of ${atlas.count(found.all)})`;
      return [place, `${atlas.classes.words(chosen())}: ${share}`];
    }

    function place() {
      if (!drawn) return;
      const pixel = ([layer, expert]) => drawn.chart.convertToPixel({ xAxisIndex: 0, yAxisIndex: 0 }, [layer, expert]);
      const [x, y] = pixel(cursor);
      const width = atlas.bandOf(drawn.chart, "xAxisIndex", data.layers.length, LEFT);
      const height = atlas.bandOf(drawn.chart, "yAxisIndex", data.experts.length, TOP);
      frame.put({ left: x - width / 2 - 2, top: y - height / 2 - 2, width: width + 4, height: height + 4 });
      tell(words(cursor), most);
    }

    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    host.addEventListener("keydown", (event) => {
      const move = event.ctrlKey || event.metaKey || event.altKey || event.shiftKey ? null : moves[event.key];
      if (move) {
        const within = (value, list) => Math.min(list.length - 1, Math.max(0, value));
        cursor = [within(cursor[0] + move[0], data.layers), within(cursor[1] + move[1], data.experts)];
        place();
      } else if (event.key === "Enter") open(data.layers[cursor[0]], data.experts[cursor[1]]);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });

    drawn = atlas.chart(host, build, place);
    place();
    atlas.follow(drawn.chart, (pixel) => {
      if (!drawn.chart.containPixel({ gridIndex: 0 }, pixel)) return null;
      const cell = drawn.chart.convertFromPixel({ xAxisIndex: 0, yAxisIndex: 0 }, pixel).map(Math.round);
      return { lines: words(cell), open: () => open(data.layers[cell[0]], data.experts[cell[1]]) };
    });
    return {
      ...drawn,
      /** Frame an expert of a layer. */
      show(layer, expert) {
        cursor = [Math.max(0, data.layers.indexOf(layer)), Math.max(0, data.experts.indexOf(expert))];
        place();
      },
    };
  };
}
