"use strict";

// Charts are drawn by Apache ECharts on canvases. What is over a chart (marks, words) is the page's own, as text.
{
  const live = new Set();

  /** The page's colours, for canvases. */
  atlas.ink = () => {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    return {
      text: colour("text"),
      muted: colour("muted"),
      line: colour("line"),
      paper: colour("paper"),
      band: colour("band"),
    };
  };

  /** What all axes have in common. */
  atlas.axis = (name, extra = {}) => {
    const ink = atlas.ink();
    return {
      name,
      nameLocation: "middle",
      nameTextStyle: { color: ink.muted, fontSize: 12 },
      axisLabel: { color: ink.muted, fontSize: 11 },
      axisLine: { show: true, lineStyle: { color: ink.line } },
      axisTick: { lineStyle: { color: ink.line } },
      splitLine: { show: false },
      ...extra,
    };
  };

  /** Where the axes stand: pixels from the edges of the host, whatever the labels. */
  atlas.grid = (left, right, top, bottom) => ({ left, right, top, bottom, outerBoundsMode: "none" });

  /** An axis of cosines from -range to range. */
  atlas.cosineAxis = (name, range, extra = {}) =>
    atlas.axis(name, {
      type: "value",
      min: -range,
      max: range,
      interval: range / 2,
      axisLine: { show: true, onZero: false, lineStyle: { color: atlas.ink().line } },
      axisLabel: { color: atlas.ink().muted, fontSize: 11, formatter: (value) => String(value).replace("-", "−") },
      ...extra,
    });

  /**
   * A chart in an element that is in the page.
   * @param {HTMLElement} host with a height.
   * @param {function(): object} build what to draw, in the colours and words of the moment.
   * @param {function(): void} settled is called when it was drawn.
   */
  atlas.chart = (host, build, settled = () => {}) => {
    const canvas = host.appendChild(atlas.element("div", { class: "canvas", "aria-hidden": "true" }));
    const chart = echarts.init(canvas, null, { renderer: "canvas" });
    const draw = () => {
      chart.setOption(
        { animation: false, textStyle: { fontFamily: getComputedStyle(document.body).fontFamily }, ...build() },
        { notMerge: true },
      );
      settled();
    };
    let size = "";
    const observer = new ResizeObserver(() => {
      const now = `${host.clientWidth} ${host.clientHeight}`;
      if (now === size) return;
      size = now;
      chart.resize();
      draw();
    });
    const mine = {
      chart,
      draw,
      dispose: () => {
        observer.disconnect();
        chart.dispose();
        live.delete(mine);
      },
    };
    size = `${host.clientWidth} ${host.clientHeight}`;
    draw();
    observer.observe(host);
    live.add(mine);
    return mine;
  };

  /** Take all charts away, before another page is shown. */
  atlas.disposeCharts = () => {
    for (const each of [...live]) each.dispose();
  };

  /** Draw all charts again, in other colours or words. */
  atlas.redrawCharts = () => {
    for (const each of live) each.draw();
  };

  /** Pixels from one category of an axis ("xAxisIndex" or "yAxisIndex") to the next; `edge` is where the grid begins. */
  atlas.bandOf = (chart, axis, categories, edge) => {
    const at = (index) => chart.convertToPixel({ [axis]: 0 }, index);
    return categories > 1 ? Math.abs(at(1) - at(0)) : 2 * Math.abs(at(0) - edge);
  };

  /** A mark over a chart: a frame or ring that moves without the chart being drawn again. */
  atlas.mark = (host, kind) => {
    const mark = host.appendChild(atlas.element("div", { class: `mark ${kind}`, "aria-hidden": "true", hidden: true }));
    return {
      /** In pixels of the chart; nothing hides it. */
      put(box) {
        mark.hidden = !box;
        if (!box) return;
        const { left, top, width, height } = box;
        Object.assign(mark.style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
      },
    };
  };
}
