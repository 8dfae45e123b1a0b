// What a reader sees first: the verdict, the first divergence with its evidence, what was compared with what.

const COUNTS = [
  ["taps", "readings", ""], ["elements", "elements", ""], ["identical", "identical", "identical"],
  ["within", "within budget", "within"], ["over", "over budget", "over"], ["incomplete", "not compared", "incomplete"],
];

function overviewView(run) {
  const { lines, sheets } = run.page;
  return [
    h("h1", {}, "Verdict"),
    h("p", { class: `verdict ${verdictKind(run)}`, id: "verdict" }, lines.verdict),
    countTiles(run.document.outcome),
    classTiles(run.document.outcome.classes),
    divergence(run),
    notCompared(lines.incomplete, run.document.outcome.incomplete),
    h("h2", {}, "What was compared with what"),
    terms([...lines.provenance, ["precisions", dtypes(run)]]),
    sheets.map((sheet, at) => sheetSection(sheet, at < (run.document.outcome.classes ? 3 : 2))),
  ];
}

function verdictKind(run) {
  return { 0: "identical", 1: "over", 3: "incomplete" }[run.document.outcome.exit_code] || "incomplete";
}

function dtypes(run) {
  return [...new Set(run.document.cases.map((one) => one.dtype))].join(", ") || NOTHING;
}

function countTiles(outcome) {
  const tiles = COUNTS.map(([key, told, kind]) =>
    h("a", { class: `tile ${outcome[key] ? kind : ""}`, href: tileLink(key) },
      h("b", {}, countText(outcome[key])), h("span", {}, told)));
  return h("div", { class: "tiles" }, tiles);
}

function tileLink(key) {
  return ["identical", "within", "over"].includes(key) ? link("table", { verdict: key }) : link("table", {});
}

function classTiles(classes) {
  if (!classes) return null;
  const told = Object.entries(classes).map(([kind, count]) =>
    h("a", { class: "tile", href: link("table", { class: kind }) }, h("b", {}, countText(count)), h("span", {}, kind)));
  return [h("h2", {}, "Classes of taps"), h("div", { class: "tiles" }, told)];
}

function divergence(run) {
  const told = run.page.lines.divergence;
  const first = run.document.outcome.first_divergence;
  if (!told || !first) return null;
  const place = { s: first.suite, c: first.case, d: first.dtype, p: first.forward, t: first.tap };
  const [where, ...evidence] = told;
  return h("section", { class: "divergence" },
    h("h2", {}, "First divergence"),
    h("p", {}, h("a", { class: "name", id: "first", href: link("tap", place) }, where)),
    evidence.map((line) => h("p", { class: "evidence" }, line)),
    h("p", { class: "actions" },
      h("a", { href: link("tap", place) }, "Open the tap"),
      h("a", { href: link("drift", { pass: passKeyOf(place) }) }, "See it on the drift curve"),
      h("a", { href: link("map", { group: first.group }) }, "See its block on the map")));
}

function notCompared(reasons, count) {
  if (!reasons.length) return null;
  return h("section", { class: "divergence" },
    h("h2", {}, `Not compared (${countText(count)})`),
    h("ul", {}, reasons.map((reason) => h("li", { class: "name" }, reason))));
}

function sheetSection(sheet, open) {
  return h("details", { open, class: "sheet" },
    h("summary", {}, h("h2", {}, sheet.title), h("span", { class: "muted" }, `${countText(sheet.rows.length)} row${sheet.rows.length === 1 ? "" : "s"}`)),
    sheetTable(sheet),
    sheet.note ? h("p", { class: "note" }, sheet.note) : null);
}
