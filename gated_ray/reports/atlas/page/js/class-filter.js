"use strict";

/**
 * A button for each class, which hides or shows its neurons, with how many of a block it has.
 * @param {Array<number>} classes
 * @param {Set} hidden is changed.
 * @param {function(): void} changed
 */
atlas.classFilter = (classes, hidden, changed) => {
  const list = atlas.element("div", { class: "filter", role: "group", "aria-label": "Classes shown" });
  let counted = null;

  function toggle(index) {
    if (!hidden.delete(index)) hidden.add(index);
    show();
    changed();
  }

  function all(isHidden) {
    hidden.clear();
    if (isHidden) for (const index of classes) hidden.add(index);
    show();
    changed();
  }

  const buttons = classes.map((index) => atlas.button("", () => toggle(index)));
  const every = atlas.button("all", () => all(false), { class: "quiet" });
  const none = atlas.button("none", () => all(true), { class: "quiet" });
  list.append(...buttons, every, none);

  function show() {
    const total = counted?.reduce((sum, count) => sum + count, 0);
    classes.forEach((index, place) => {
      const share =
        counted && total ? `${atlas.count(counted[index])} · ${atlas.percent(counted[index], total)} %` : "";
      buttons[place].replaceChildren(
        atlas.swatch(index),
        atlas.element("span", {}, atlas.classes.words(index)),
        atlas.element("span", { class: "share" }, share),
      );
      buttons[place].setAttribute("aria-pressed", String(!hidden.has(index)));
    });
  }

  show();
  return {
    element: list,
    show,
    /** The neurons of each class of a block. */
    count(block) {
      counted = new Array(16).fill(0);
      for (const ioClass of block.classes) counted[ioClass] += 1;
      counted = counted.slice(0, 15);
      show();
    },
  };
};
