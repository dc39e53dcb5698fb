"use strict";

// Keys for the whole page. Where a control has the focus, its own keys come first.
{
  const steps = { ArrowLeft: -1, ArrowRight: 1 };

  const isControl = (element) =>
    element.closest("input, select, textarea, [role=application], .scroller, .body") !== null;

  /** @param {function(): object} current the page that is shown. */
  atlas.listenToKeys = (current) => {
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || atlas.isHelpOpen()) return;
      if (event.target.closest?.("input:not([type=range], [type=checkbox]), textarea")) return;
      const page = current();
      if (event.key in steps && !isControl(event.target)) {
        const step = event.shiftKey ? page.stepFar : page.step;
        if (!step) return;
        step(steps[event.key]);
      } else if (event.key === "?") atlas.openHelp();
      else if (event.key === "/" && page.find) page.find();
      else if (event.key === "u" && page.up) atlas.go(page.up);
      else return;
      event.preventDefault();
    });
  };
}
