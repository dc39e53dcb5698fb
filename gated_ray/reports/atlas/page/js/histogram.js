"use strict";

/** A plain block has cos(w_in, w_out) alone: how many neurons have it in each of 40 bins, with the band of the mismatched ones. */
{
  const BINS = 40;
  const WIDTH = 2 / BINS;
  const [LEFT, RIGHT, TOP, BOTTOM] = [56, 10, 10, 44];
  const middle = (bin) => -1 + (bin + 0.5) * WIDTH;

  function counts(block, hidden) {
    const bins = new Array(BINS).fill(0);
    block.cosines.in_out.forEach((steps, neuron) => {
      if (!atlas.hasCosine(steps) || hidden.has(block.classes[neuron])) return;
      bins[Math.min(BINS - 1, Math.floor((steps / 1e4 + 1) / WIDTH))] += 1;
    });
    return bins;
  }

  function colour(bin) {
    const name = middle(bin) > 0.5 ? "enrichment" : middle(bin) < -0.5 ? "depletion" : "orthogonal_output";
    return name === "orthogonal_output" ? "#9a9a9a" : atlas.classes.colour(atlas.classes.indexOf(name));
  }

  function option({ block, range, bands }, bins, width) {
    const band = bands.mismatched ? block.mismatched.in_out : null;
    const theory = bands.theory && block.theory[0] !== null ? block.theory : [];
    const line = (xAxis, type) => ({ xAxis, lineStyle: { color: atlas.ink().muted, type, width: 1, opacity: 0.8 } });
    return {
      grid: atlas.grid(LEFT, RIGHT, TOP, BOTTOM),
      xAxis: atlas.cosineAxis("cos(w_in, w_out)", range, { nameGap: 26 }),
      yAxis: atlas.axis("neurons", { type: "value", nameGap: 42 }),
      series: [
        {
          type: "bar",
          barWidth: (0.94 * (width - LEFT - RIGHT) * WIDTH) / (2 * range),
          silent: true,
          data: bins.map((count, bin) => ({ value: [middle(bin), count], itemStyle: { color: colour(bin) } })),
          markArea: {
            silent: true,
            itemStyle: { color: atlas.ink().band },
            data: band ? [[{ xAxis: band[0] }, { xAxis: band[1] }]] : [],
          },
          markLine: {
            silent: true,
            symbol: "none",
            label: { show: false },
            data: [...[-0.5, 0.5].map((value) => line(value, [5, 4])), ...theory.map((value) => line(value, [1, 3]))],
          },
        },
      ],
    };
  }

  /**
   * @param {HTMLElement} host
   * @param {object} view what to show: {block, hidden, range, bands, selected}.
   */
  atlas.histogram = (host, view) => {
    const mark = atlas.mark(host, "stroke");
    let bins = counts(view.block, view.hidden);
    let drawn = null;

    function place() {
      const steps = drawn && view.selected !== null ? view.block.cosines.in_out[view.selected] : null;
      if (steps === null || !atlas.hasCosine(steps) || Math.abs(steps / 1e4) > view.range) return mark.put(null);
      const x = drawn.chart.convertToPixel({ xAxisIndex: 0 }, steps / 1e4);
      return mark.put({ left: x - 1, top: TOP, width: 2, height: host.clientHeight - TOP - BOTTOM });
    }

    drawn = atlas.chart(
      host,
      () => {
        bins = counts(view.block, view.hidden);
        return option(view, bins, host.clientWidth);
      },
      place,
    );
    place();
    atlas.follow(drawn.chart, (pixel) => {
      if (!drawn.chart.containPixel({ gridIndex: 0 }, pixel)) return null;
      const bin = Math.floor((drawn.chart.convertFromPixel({ xAxisIndex: 0 }, pixel[0]) + 1) / WIDTH);
      const ends = [bin, bin + 1].map((each) => (-1 + each * WIDTH).toFixed(2).replace("-", "−"));
      return {
        lines: [`cos(w_in, w_out) from ${ends[0]} to ${ends[1]}`, atlas.counted(bins[bin], "neuron")],
        open: null,
      };
    });
    return {
      ...drawn,
      /** Show something else. */
      show(changes) {
        Object.assign(view, changes);
        drawn.draw();
      },
    };
  };
}
