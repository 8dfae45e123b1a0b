// The architecture in data-path order: stages, their blocks, a block's taps, coloured by the error that arises there.

const STEPS = 7;
const MAP_FIGURES = [["local", "local error"], ["chained", "chained error"], ["used", "use of budget"]];

function mapView(run, state) {
  const by = MAP_FIGURES.some(([key]) => key === state.by) ? state.by : "local";
  const scope = state.scope || "";
  const groups = mapGroups(run, scope, by);
  const scale = mapScale(by, [...groups.values()]);
  const asked = state.group || run.document.outcome.first_divergence?.group;
  const chosen = groups.has(asked) ? asked : null;
  const scopes = [["", "all"], ...[...new Set(run.passes.map(scopeOf))].map((one) => [one, one])];
  return [
    h("h1", {}, "Map"),
    h("div", { class: "bar" },
      choice("Colour", MAP_FIGURES, by, (key) => go("map", { ...state, by: key })),
      choice("Suite and precision", scopes, scope, (key) => go("map", { ...state, scope: key })),
      mapLegend(scale, by)),
    h("div", { class: "map", keydown: arrowKeys },
      [...stagesOf(groups)].map(([stage, names]) => stageRow(stage, names, { groups, scale, chosen, state, by }))),
    chosen ? blockPanel(run, { chosen, scope, by }) : h("p", { class: "note" }, "Choose a block to see its taps."),
  ];
}

function scopeOf(pass) {
  return `${pass.case.suite} ${pass.case.dtype}`;
}

/** The value that colours a reading: null where it says nothing. */
function mapValue(run, at, by) {
  if (by === "used") return run.usage[at];
  if (by === "chained") return run.mode(at) === "chained" ? run.error[at] : null;
  // Without a forced run, a tap is identical or was not isolated.
  if (run.mode(at) === "isolated") return run.error[at];
  return run.measuredAt[at] < 0 ? 0 : null;
}

/** The worst value of each group, in data-path order, with how many readings are over and how many were looked at. */
function mapGroups(run, scope, by) {
  const found = new Map(run.page.groups.map((name) => [name, noReading()]));
  for (const pass of run.passes) {
    if (scope && scopeOf(pass) !== scope) continue;
    for (let at = pass.first; at < pass.first + pass.forward.count; at++) take(found.get(run.group(at)), run, at, by);
  }
  return new Map([...found].filter(([, one]) => one.count));
}

/** What a group or a tap starts from: `born` are readings over budget in the mode that is shown, `handed` in others. */
function noReading() {
  return { value: null, born: 0, handed: 0, count: 0 };
}

function take(entry, run, at, by) {
  const value = mapValue(run, at, by);
  entry.count += 1;
  if (run.verdict(at) === "over") entry[by === "used" || value !== null ? "born" : "handed"] += 1;
  if (value !== null && (entry.value === null || !(value <= entry.value))) entry.value = value;
}

function mapScale(by, entries) {
  if (by === "used") return { low: 0, high: 1, step: (value) => (value > 0 ? 1 + Math.min(STEPS - 1, Math.floor(value * STEPS)) : 0) };
  const values = entries.map((one) => one.value).filter((value) => value > 0 && Number.isFinite(value)).sort((a, b) => a - b);
  if (!values.length) return { low: 0, high: 0, step: (value) => (value > 0 ? STEPS : 0) };
  // By rank: errors of stages lie decades apart, and one outlier must not make all others look alike.
  const rank = (value) => values.findLastIndex((other) => other < value) + 1;
  const step = (value) => (value > 0 ? 1 + Math.min(STEPS - 1, Math.floor((rank(value) / values.length) * STEPS)) : 0);
  return { low: values[0], high: values.at(-1), step };
}

function mapLegend(scale, by) {
  const swatches = Array.from({ length: STEPS }, (_, step) => h("i", { class: `heat${step + 1}` }));
  const ends = by === "used" ? ["1%", "100%"] : [errorText(scale.low), errorText(scale.high)];
  return h("div", { class: "legend" },
    h("span", {}, h("i", { class: "heat0" }), " 0"),
    scale.high > scale.low ? h("span", {}, ends[0], " ", swatches, " ", ends[1], by === "used" ? "" : " (by rank)") : null,
    h("span", {}, h("i", { class: "over" }), by === "local" ? " over budget, born here" : " over budget"),
    by === "used" ? null : h("span", {}, h("i", { class: "handed" }), by === "local" ? " over, handed down" : " over in another mode"),
    by === "local" ? h("span", {}, h("i", { class: "unknown" }), " not run isolated") : null);
}

function stagesOf(groups) {
  const stages = new Map();
  for (const name of groups.keys()) {
    const stage = name.split(".")[0];
    stages.set(stage, [...(stages.get(stage) || []), name]);
  }
  return stages;
}

function stageRow(stage, names, { groups, scale, chosen, state, by }) {
  const tiles = names.map((name) =>
    mapTile({
      text: name.slice(stage.length + 1) || name, entry: groups.get(name), scale, by, name,
      chosen: name === chosen, href: link("map", { ...state, group: name }),
    }));
  return h("section", { class: "stage" }, h("h2", {}, stage), h("div", { class: "row" }, tiles));
}

function mapTile({ text, entry, scale, by, name, chosen, href }) {
  const told = entry.value === null ? "not run isolated" : by === "used" ? usageText(entry.value) : errorText(entry.value);
  const over = entry.born ? " OVER" : entry.handed ? (by === "local" ? " handed down" : " over") : "";
  const heat = entry.born ? "over" : entry.value === null ? "unknown" : `heat${scale.step(entry.value)}`;
  const title = `${name}: ${told}, ${countText(entry.count)} readings, ${countText(entry.born + entry.handed)} over budget`;
  return h("a", { class: `cell ${heat}${!entry.born && entry.handed ? " handed" : ""}${chosen ? " chosen" : ""}`, href, title: plain(title), "aria-current": chosen ? "true" : null },
    h("b", {}, breakable(text)), h("span", {}, `${told}${over}`));
}

function blockPanel(run, { chosen, scope, by }) {
  const taps = new Map();
  for (const pass of run.passes) {
    if (scope && scopeOf(pass) !== scope) continue;
    for (const at of run.positions(pass)) {
      if (run.group(at) !== chosen) continue;
      const key = tapInAnyPass(run, at);
      if (!taps.has(key)) taps.set(key, { ...noReading(), at, most: -1 });
      const entry = taps.get(key);
      take(entry, run, at, by);
      const value = mapValue(run, at, by);
      if (value !== null && value > entry.most) Object.assign(entry, { most: value, at });
    }
  }
  const scale = mapScale(by, [...taps.values()]);
  const tiles = [...taps].map(([key, entry]) =>
    mapTile({ text: key, entry, scale, by, name: run.name(entry.at), chosen: false, href: link("tap", run.place(entry.at)) }));
  return h("section", { class: "block", id: "block" },
    h("h2", {}, chosen),
    h("p", { class: "note" }, `${countText(tiles.length)} taps over all passes; a tap opens where it is worst. `,
      h("a", { href: link("table", { q: chosen }) }, "Show them in the table")),
    mapLegend(scale, by),
    h("div", { class: "row taps", keydown: arrowKeys }, tiles));
}

/** A tap's name within its block, whichever pass it is of. */
function tapInAnyPass(run, at) {
  const block = run.group(at).split(".").at(-1);
  const words = run.name(at).split(".");
  const after = words.indexOf(block) + 1;
  const rest = after ? words.slice(after) : words.slice(1);
  return rest.filter((word) => word !== run.pass(at).forward.name).join(".") || run.name(at);
}

/** Arrow keys move among the cells. */
function arrowKeys(event) {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const cells = [...event.currentTarget.querySelectorAll("a.cell")];
  const next = cells[cells.indexOf(document.activeElement) + step];
  if (next) {
    next.focus();
    event.preventDefault();
    event.stopPropagation();
  }
}
