// All readings in a table that sorts and filters; only the rows in sight are in the page.

const ROW = 30;
const SPARE = 12;
// On a phone there is room for the words of the terminal alone.
const SHORT_CLASSES = { identical: "same", "within noise": "noise", drift: "drift", incomplete: "open", bug: "BUG" };
const COLUMNS = [
  { key: "tap", head: "tap", text: (run, at) => run.name(at), order: (run) => (at) => run.reading.tap[at] },
  { key: "case", head: "case", text: (run, at) => `${run.pass(at).case.suite}/${run.pass(at).case.case}`, order: (run) => (at) => run.passOf[at], wide: true },
  { key: "dtype", head: "dtype", text: (run, at) => run.pass(at).case.dtype, order: (run) => (at) => run.pass(at).case.dtype, wide: true },
  { key: "pass", head: "pass", text: (run, at) => run.pass(at).forward.name, order: (run) => (at) => run.pass(at).forward.name, wide: true },
  { key: "mode", head: "mode", text: (run, at) => run.mode(at), order: (run) => (at) => run.reading.mode[at] },
  { key: "verdict", head: "verdict", order: (run) => (at) => run.reading.verdict[at] },
  { key: "class", head: "class", text: (run, at) => classWord(run.classOf(at)?.class), order: (run) => (at) => run.classOf(at)?.class || "", classes: true },
  { key: "error", head: "error", number: true, text: (run, at) => errorText(run.error[at]), order: (run) => (at) => nanLast(run.error[at]) },
  { key: "max", head: "max abs", number: true, wide: true, text: (run, at) => errorText(maxAbs(run)[at]), order: (run) => (at) => nanLast(maxAbs(run)[at]) },
  { key: "used", head: "used", number: true, text: (run, at) => usageText(run.usage[at]), order: (run) => (at) => run.usage[at] },
  { key: "elements", head: "elements", number: true, wide: true, text: (run, at) => countText(run.subject(at).elements), order: (run) => (at) => run.subject(at).elements },
];

function classWord(kind) {
  return (window.innerWidth < 700 && SHORT_CLASSES[kind]) || kind || NOTHING;
}

function nanLast(value) {
  return Number.isNaN(value) ? Infinity : value;
}

function maxAbs(run) {
  run.maxAbs ||= run.figure("max_abs");
  return run.maxAbs;
}

function tableView(run, state) {
  const found = sorted(run, filtered(run, state), state.sort || "");
  const columns = COLUMNS.filter((column) => !column.classes || run.passes.some((pass) => pass.classes));
  return [
    h("h1", {}, "Taps"),
    tableBar(run, state),
    h("p", { class: "muted", id: "matches", role: "status" }, `${countText(found.length)} of ${countText(run.count)} readings`),
    rowsInSight(run, found, columns, state),
  ];
}

function tableBar(run, state) {
  const set = (change) => go("table", { ...state, ...change });
  const any = (names) => [["", "any"], ...names.map((name) => [name, name])];
  const search = h("input", {
    type: "search", id: "filter", placeholder: "words of a tap, case or pass, all of which match", value: state.q || "",
    "aria-label": "Filter", input: debounced((event) => set({ q: event.target.value })),
  });
  const suites = [...new Set(run.document.cases.map((one) => one.suite))];
  const types = [...new Set(run.document.cases.map((one) => one.dtype))];
  const classes = run.document.layout.classes;
  return h("div", { class: "bar" }, h("label", { class: "choice grow" }, h("span", {}, "Filter"), search),
    choice("Verdict", any(run.document.layout.verdicts), state.verdict || "", (verdict) => set({ verdict })),
    choice("Mode", any(run.document.modes), state.mode || "", (mode) => set({ mode })),
    choice("Suite", any(suites), state.suite || "", (suite) => set({ suite })),
    choice("Precision", any(types), state.dtype || "", (dtype) => set({ dtype })),
    classes ? choice("Class", any(classes), state.class || "", (kind) => set({ class: kind })) : null);
}

/** Positions of the readings that all words and choices match. */
function filtered(run, state) {
  const words = (state.q || "").toLowerCase().split(/\s+/).filter(Boolean);
  const ofTaps = words.map((word) => run.taps.map((tap) => tap.name.toLowerCase().includes(word) || tap.group.toLowerCase().includes(word)));
  const ofPasses = words.map((word) => run.passes.map((pass) => passLabel(pass).toLowerCase().includes(word)));
  const wanted = run.passes.map(({ case: one }) => (!state.suite || one.suite === state.suite) && (!state.dtype || one.dtype === state.dtype));
  const found = [];
  for (let at = 0; at < run.count; at++) {
    const pass = run.passOf[at], tap = run.reading.tap[at];
    if (!wanted[pass] || (state.mode && run.mode(at) !== state.mode)) continue;
    if (state.verdict && run.verdict(at) !== state.verdict) continue;
    if (state.class && run.classOf(at)?.class !== state.class) continue;
    if (words.every((_, word) => ofTaps[word][tap] || ofPasses[word][pass])) found.push(at);
  }
  return found;
}

/** In the order of a column, or of the run; a minus before its key turns it round. */
function sorted(run, found, sort) {
  const column = COLUMNS.find((one) => one.key === sort.replace(/^-/, ""));
  if (!column) return found;
  const turned = sort.startsWith("-") ? -1 : 1;
  const order = column.order(run);
  const keys = new Map(found.map((at) => [at, order(at)]));
  return found.sort((a, b) => {
    const one = keys.get(a), other = keys.get(b);
    return (one < other ? -1 : one > other ? 1 : 0) * turned || a - b;
  });
}

function headCell(column, state) {
  const now = (state.sort || "").replace(/^-/, "") === column.key ? (state.sort[0] === "-" ? "descending" : "ascending") : "none";
  // Numbers are looked for from the largest down.
  const next = now === "none" ? (column.number ? "-" : "") + column.key : now === (column.number ? "descending" : "ascending") ? (column.number ? "" : "-") + column.key : "";
  const press = h("button", { type: "button", click: () => go("table", { ...state, sort: next }) }, column.head,
    h("span", { "aria-hidden": "true" }, { ascending: " ▲", descending: " ▼", none: "" }[now]));
  return h("th", { scope: "col", "aria-sort": now, class: cellClass(column), "data-key": column.key }, press);
}

function cellClass(column) {
  return [column.number ? "number" : "text", column.wide ? "wide" : "", `of-${column.key}`].join(" ");
}

function rowsInSight(run, found, columns, state) {
  const body = h("tbody", {});
  const table = h("table", { class: "taps", "aria-rowcount": found.length }, h("thead", {}, h("tr", {}, columns.map((column) => headCell(column, state)))), body);
  const view = h("div", { class: "sight", id: "sight", tabindex: 0, role: "region", "aria-label": "Readings" }, table);
  let first = -1;
  const fill = () => {
    const from = Math.max(0, Math.floor(view.scrollTop / ROW) - SPARE);
    if (from === first) return;
    first = from;
    const until = Math.min(found.length, from + Math.ceil(view.clientHeight / ROW) + 2 * SPARE);
    const rows = found.slice(from, until).map((at) => tapRow(run, at, columns));
    body.replaceChildren(gap(from), ...rows, gap(found.length - until));
  };
  view.addEventListener("scroll", fill, { passive: true });
  afterwards(fill);
  return view;
}

function gap(rows) {
  const space = h("td", {});
  space.style.height = `${Math.max(0, rows) * ROW}px`;
  return h("tr", { class: "gap", "aria-hidden": "true" }, space);
}

function tapRow(run, at, columns) {
  return h("tr", { class: run.verdict(at) }, columns.map((column) => {
    if (column.key === "verdict") return h("td", { class: cellClass(column) }, badge(run.verdict(at)));
    const text = column.text(run, at);
    if (column.key !== "tap") return h("td", { class: cellClass(column), title: column.number ? null : plain(text) }, text);
    return h("td", { class: cellClass(column) }, h("a", { class: "name", href: link("tap", run.place(at)), title: plain(text) }, text));
  }));
}
