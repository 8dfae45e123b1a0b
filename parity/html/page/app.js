// Which view the link asks for, the keyboard, the theme.

const VIEWS = {
  overview: ["Overview", overviewView], drift: ["Drift", driftView], map: ["Map", mapView],
  table: ["Taps", tableView], tap: [null, tapView], compare: ["Comparison", compareView],
};
const KEYS = [
  ["1 to 5", "overview, drift, map, taps, comparison"], ["/", "filter taps"], ["j, k", "next tap, tap before"],
  ["arrows", "move on the map"], ["t", "dark or light"], ["?", "these keys"], ["Esc", "close, or leave a field"],
];

let theRun = null;
let later = [];

/** Do something once the view is in the page: charts need the room that they get. */
function afterwards(act) {
  later.push(act);
}

function link(view, state) {
  const told = new URLSearchParams(Object.entries(state).filter(([, value]) => value));
  return `#${view}${[...told].length ? `?${told}` : ""}`;
}

/** Go where a link leads; a change of the same view's state leaves no step in the browser's history. */
function go(view, state) {
  const target = link(view, state);
  if (view !== whereNow().view) location.hash = target;
  else {
    history.replaceState(null, "", target);
    show();
  }
}

function whereNow() {
  const [view, query] = location.hash.slice(1).split(/\?(.*)/s);
  const known = view in VIEWS && available(view) ? view : "overview";
  return { view: known, state: Object.fromEntries(new URLSearchParams(query || "")) };
}

function available(view) {
  return Object.hasOwn(VIEWS, view) && (view !== "compare" || Boolean(theRun.page.comparison));
}

function debounced(act) {
  let waiting = 0;
  return (event) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => act(event), 120);
  };
}

let shownView = null;

function show() {
  const { view, state } = whereNow();
  const main = document.getElementById("view");
  const field = document.activeElement?.id === "filter" ? document.activeElement.selectionStart : null;
  const moved = shownView !== location.hash.split("?")[0] || view === "tap";
  shownView = location.hash.split("?")[0];
  clearCharts();
  later = [];
  main.replaceChildren(...VIEWS[view][1](theRun, state).flat(Infinity).filter(Boolean));
  main.dataset.view = view;
  for (const act of later) act();
  for (const tab of document.querySelectorAll("nav.tabs a"))
    tab.toggleAttribute("aria-current", tab.dataset.view === view);
  if (field !== null) {
    const input = document.getElementById("filter");
    input?.focus();
    input?.setSelectionRange(field, field);
  } else if (moved) window.scrollTo(0, 0);
  if (view === "map" && state.group) document.getElementById("block")?.scrollIntoView({ block: "nearest" });
  const title = view === "tap" ? state.t : VIEWS[view][0];
  document.title = plain(`${title || "Tap"} · ${theRun.page.title}`);
}

function header(run) {
  const tabs = Object.entries(VIEWS).filter(([view, [name]]) => name && available(view))
    .map(([view, [name]]) => h("a", { href: link(view, {}), "data-view": view }, name));
  return [
    h("a", { class: "home", href: "#overview" }, run.page.title),
    h("span", { class: `pill ${verdictKind(run)}` }, run.document.outcome.verdict),
    h("nav", { class: "tabs", "aria-label": "Views" }, tabs),
    h("button", { type: "button", id: "theme", title: "dark or light (t)", "aria-label": "dark or light", click: turnTheme }, "◐"),
    h("button", { type: "button", id: "keys", title: "keys (?)", "aria-label": "keys", click: showKeys }, "?"),
  ];
}

function turnTheme() {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark";
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  remember("theme", document.documentElement.dataset.theme);
  show();
}

/** What a browser keeps for files, where it keeps anything. */
function remember(key, value) {
  try {
    localStorage.setItem(`ltx-parity.${key}`, value);
  } catch {
    // Not kept: the page shows the system's theme next time.
  }
}

function remembered(key) {
  try {
    return localStorage.getItem(`ltx-parity.${key}`);
  } catch {
    return null;
  }
}

function showKeys() {
  document.getElementById("help")?.remove();
  const rows = KEYS.map(([key, told]) => [h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, told))]);
  const dialog = h("dialog", { id: "help" }, h("h2", {}, "Keys"), h("dl", { class: "terms" }, rows),
    h("form", { method: "dialog" }, h("button", {}, "Close")));
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const views = ["overview", "drift", "map", "table", "compare"];
  const at = Number(event.key) - 1;
  if (views[at] && available(views[at])) go(views[at], {});
  else if (event.key === "/") openFilter();
  else if (event.key === "j") document.getElementById("after")?.click();
  else if (event.key === "k") document.getElementById("before")?.click();
  else if (event.key === "t") turnTheme();
  else if (event.key === "?") showKeys();
  else return;
  event.preventDefault();
}

function openFilter() {
  if (whereNow().view !== "table") {
    history.pushState(null, "", link("table", {}));
    show();
  }
  document.getElementById("filter").focus();
}

async function start() {
  const theme = remembered("theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
  theRun = new Run(await unpacked("run"));
  document.getElementById("head").replaceChildren(...header(theRun));
  window.addEventListener("hashchange", show);
  window.addEventListener("keydown", pressed);
  show();
  document.documentElement.dataset.ready = "true";
}

start().catch((error) => {
  document.getElementById("view").textContent = `This report cannot be shown by this browser: ${error}`;
  throw error;
});
