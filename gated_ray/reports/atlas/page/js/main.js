"use strict";

// Which page the address names, and what happens when that changes.
{
  const NAME = "gated-ray atlas";
  const nothing = { title: "Not found", up: { path: null } };
  let page = nothing;
  let turn = 0;

  function kindOf(route) {
    if (!route.path) return "overview";
    return route.neuron === null ? "model" : "neuron";
  }

  function titled() {
    const title = typeof page.title === "function" ? page.title() : page.title;
    document.title = `${atlas.visible(title)} · ${NAME}`;
  }

  function notFound() {
    return [
      atlas.element("h1", { tabindex: "-1" }, "Not in this atlas"),
      atlas.element(
        "p",
        {},
        "The address names a model, layer or neuron that is not here: ",
        atlas.foreign(decoded(location.hash)),
        ".",
      ),
      atlas.element("p", {}, atlas.element("a", { href: "#/" }, "All models")),
    ];
  }

  function decoded(hash) {
    try {
      return decodeURIComponent(hash);
    } catch {
      return hash;
    }
  }

  function failed(error) {
    return [
      atlas.element("h1", { tabindex: "-1" }, "This cannot be shown"),
      atlas.element("p", { class: "error", role: "alert" }, error.message),
      atlas.element("p", {}, atlas.element("a", { href: "#/" }, "All models")),
    ];
  }

  /** Say in the page's place that it cannot be shown: a data file is missing or damaged. */
  atlas.showError = (error) => {
    console.error(error);
    document.querySelector(".page").replaceChildren(...failed(error));
  };

  /** Make the page that the address names, in the place of the one before. */
  async function open(route, isFirst) {
    const mine = (turn += 1);
    const main = document.getElementById("main");
    const host = atlas.element("div", { class: `page ${kindOf(route)}` });
    atlas.forgetNote();
    atlas.disposeCharts();
    atlas.hideTip();
    page = nothing;
    main.replaceChildren(host);
    try {
      const made = await atlas.pages[kindOf(route)](route, host);
      if (turn !== mine) return;
      if (made) page = made;
      else host.replaceChildren(...notFound());
    } catch (error) {
      if (turn !== mine) return;
      atlas.showError(error);
    }
    titled();
    scrollTo(0, 0);
    if (!isFirst) host.querySelector("h1")?.focus({ preventScroll: true });
  }

  function follow(event) {
    const route = atlas.parseRoute(location.hash);
    if (atlas.isNoted(event) || page.update?.(route)) titled();
    else open(route, false);
  }

  function redraw() {
    atlas.redrawCharts();
    page.redraw?.();
  }

  async function start() {
    try {
      atlas.usePalette((await atlas.load("overview")).palette);
    } catch (error) {
      document.getElementById("main").replaceChildren(...failed(error));
      return;
    }
    atlas.showChoices(document.getElementById("choices"), () => atlas.openHelp());
    atlas.onChoice(redraw);
    atlas.listenToKeys(() => page);
    addEventListener("hashchange", follow);
    await open(atlas.parseRoute(location.hash), true);
  }

  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("main").focus();
  });
  start();
}
