// One tap: how it stands in each mode, where its error lies, what it was in earlier runs.

const FIGURES = [
  ["relative_l2", "relative L2 error"], ["max_abs", "largest error"], ["mean_abs", "mean error"], ["bias", "mean signed error"],
  ["cosine", "cosine"], ["norm_ratio", "norm / reference's"], ["norm_reference", "norm of the reference"],
  ["close_fraction", "share of close elements"], ["max_ulp", "largest distance in steps"],
];
const SHOWN_APART = new Set([...FIGURES.map(([key]) => key), "same_bits", "usage", "bounds", "exceeded", "peer", "quantiles",
  "error_histogram", "ulp_histogram", "concentration", "worst", "nonfinite"]);

function tapView(run, state) {
  const readings = run.readingsOf(state);
  if (!readings.length) return [h("h1", {}, "No such tap in this run"), h("p", { class: "name" }, state.t || "")];
  const mode = readings.find((at) => run.mode(at) === state.m) ?? worstOf(run, readings);
  const first = readings[0];
  const { shape, candidate, reference } = run.subject(first);
  const pass = run.pass(first);
  return [
    h("nav", { class: "crumbs", "aria-label": "Where" },
      h("a", { href: link("map", {}) }, "map"), " › ",
      h("a", { href: link("map", { group: run.group(first) }) }, run.group(first)), " › ", h("span", {}, passLabel(pass))),
    h("h1", { class: "name", id: "tap" }, run.name(first)),
    neighbours(run, first, pass),
    terms([["shape", `[${shape.join(", ")}]`], ["compared", `${candidate} with ${reference}`],
      ["rule", run.rule(first)], ["guards", pass.case.guards || NOTHING]]),
    classPart(run, first), blamePart(run, first),
    modesTable(run, readings, mode, state),
    detailOf(run, mode),
    historyPart(run, readings),
    othersPart(run, first),
  ];
}

function worstOf(run, readings) {
  return readings.reduce((worst, at) => (run.usage[at] > run.usage[worst] || (run.usage[at] === run.usage[worst] && run.error[at] > run.error[worst]) ? at : worst));
}

/** Links to the taps before and after in data-path order; j and k go there. */
function neighbours(run, first, pass) {
  const names = [...new Set(run.positions(pass).map((at) => run.name(at)))];
  const here = names.indexOf(run.name(first));
  const to = (step, id, text) => {
    const name = names[here + step];
    return name === undefined ? h("span", { class: "muted" }, text) : h("a", { id, href: link("tap", { ...run.place(first), t: name }), title: plain(name) }, text);
  };
  return h("p", { class: "actions" }, to(-1, "before", "← before"), to(1, "after", "after →"),
    h("a", { href: link("drift", { pass: passKey(pass) }) }, "on the drift curve"),
    h("span", { class: "muted" }, `tap ${countText(here + 1)} of ${countText(names.length)} in data-path order`));
}

const CLASS_KINDS = { identical: "identical", "within noise": "identical", drift: "within", bug: "over", incomplete: "incomplete" };

function classPart(run, at) {
  const found = run.classOf(at);
  if (!found) return null;
  return h("section", { class: `divergence ${CLASS_KINDS[found.class] || ""}` }, h("h2", {}, `Class: ${found.class}`),
    found.evidence ? h("p", { class: "evidence" }, found.evidence) : null,
    found.behind ? h("p", {}, "behind ", h("span", { class: "name" }, found.behind)) : null);
}

function blamePart(run, at) {
  const blame = run.pass(at).forward.blame;
  if (!blame) return null;
  const told = Object.entries(blame).filter(([, value]) => value !== null && typeof value !== "object");
  const places = Object.entries(blame.places || {});
  return h("section", { class: "divergence" }, h("h2", {}, "What is blamed in this pass"), terms([...told, ...places]));
}

function modesTable(run, readings, chosen, state) {
  const head = ["mode", "verdict", "error", "max abs", "budget", "used", "reference", "noise up to"].map((text, at) => h("th", { class: at > 1 ? "number" : "text", scope: "col" }, text));
  const rows = readings.map((at) => {
    const told = [errorText(run.error[at]), errorText(maxAbs(run)[at]), errorText(run.bound(at)), usageText(run.usage[at]), errorText(run.peer(at)), errorText(run.band(at)?.bounds.get("relative_l2"))];
    const open = h("a", { href: link("tap", { ...state, m: run.mode(at) }), "aria-current": at === chosen ? "true" : null }, run.mode(at));
    return h("tr", { class: at === chosen ? "chosen" : "" }, h("td", {}, open), h("td", {}, badge(run.verdict(at))), told.map((text) => h("td", { class: "number" }, text)));
  });
  return h("div", { class: "scroll" }, h("table", { class: "sheet", id: "modes" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows)));
}

function detailOf(run, at) {
  const mode = run.mode(at);
  if (run.measuredAt[at] < 0)
    return h("p", { class: "note" }, `Candidate, truth and reference are one and the same (${mode}): all errors are 0.`);
  const figures = FIGURES.map(([key, told]) => [told, run.measured(at, key)]).filter(([, value]) => value !== undefined).map(([told, value]) => [told, valueText(value)]);
  const levels = run.document.layout.quantile_levels.map((level, step) => [`${+(level * 100).toFixed(2)}% of errors within`, valueText(run.measured(at, "quantiles")?.[step])]);
  const added = Object.keys(run.columns).filter((key) => !SHOWN_APART.has(key)).map((key) => [key, JSON.stringify(run.measured(at, key))]);
  const exceeded = Object.entries(run.measured(at, "exceeded") || {}).map(([key, pair]) => [`${key} over`, pair.map(valueText).join(" against ")]);
  return [
    h("h2", {}, `Figures, ${mode}`), terms([...exceeded, ...figures, ...levels, ...added]), nonfinitePart(run, at), bandPart(run, at),
    h("div", { class: "pair" }, histogramPart(run, at, "error_histogram", "absolute error", run.page.edges.error),
      histogramPart(run, at, "ulp_histogram", "distance in representable steps", run.page.edges.ulp)),
    h("div", { class: "pair" }, concentrationPart(run, at), worstPart(run, at)),
    h("div", { class: "pair" }, mapPart(run, at), headsPart(run, at)),
  ];
}

const BAND_FIGURES = { relative_l2: "relative L2 error", max_abs: "largest error", "error_0.9": "90% of errors within", "error_0.99": "99% of errors within" };

/** What the ensemble of legitimate computations came out at, in this mode. */
function bandPart(run, at) {
  const band = run.band(at);
  const told = run.pass(at).classes ? "This reading has no band of noise: its case or tap is not calibrated." : "There is no band of noise: this case is not calibrated, or its reference was recorded on another machine.";
  if (!band) return h("p", { class: "note" }, told);
  const { elements } = run.subject(at), scale = rootMeanSquare(run, at);
  const bounds = [...band.bounds].map(([figure, bound]) => {
    const size = figure === "relative_l2" || scale === null ? bound : bound * scale;
    return [`noise: ${BAND_FIGURES[figure] || figure} up to`, elements ? errorText(size) : NOTHING];
  });
  return [
    h("h3", {}, "What would be noise"),
    terms([["noise: median relative L2 error", errorText(band.median)], ...bounds, ["ensemble", `${countText(band.runs)} runs, against the ${band.against}`]]),
  ];
}

/** The root mean square of the reference's elements, which bounds on single errors are relative to. */
function rootMeanSquare(run, at) {
  const norm = num(run.measured(at, "norm_reference") ?? null);
  return norm === null ? null : norm / Math.sqrt(run.subject(at).elements);
}

function nonfinitePart(run, at) {
  const found = run.measured(at, "nonfinite");
  if (!found) return null;
  const [candidate, truth, positions, first] = found;
  const told = (counts) => `${counts[0]} NaN, ${counts[1]} inf, ${counts[2]} -inf`;
  return h("section", { class: "divergence" }, h("h2", {}, "Not finite"),
    terms([["candidate", told(candidate)], ["truth", told(truth)], ["positions that differ in kind", positions], ["first", `[${first.join(", ")}]`]]));
}

function histogramPart(run, at, key, unit, edges) {
  const kept = run.measured(at, key);
  const host = h("section", {}, h("h2", {}, `Histogram: ${unit}`));
  if (!kept) return host.append(h("p", { class: "note" }, run.page.kept.left_out)), host;
  const { zeros, bins } = binsOf(kept, edges);
  const errors = key === "error_histogram";
  const behind = binsOf(run.errorMap(at)?.[errors ? "peer_errors" : "peer_distances"] || null, edges).bins;
  const marks = errors ? bandMarks(run, at) : [];
  host.append(h("p", { class: "muted" }, `${countText(zeros)} of ${countText(run.subject(at).elements)} elements are exactly alike. ${behindText(run, at, { behind, errors, marks })}`));
  if (bins.length) afterwards(() => histogramChart(host, bins, { title: unit, unit, behind, marks }));
  return host;
}

/** Where the ensemble's errors end: lines on the axis of errors, [label, error]. */
function bandMarks(run, at) {
  const band = run.band(at), scale = rootMeanSquare(run, at);
  if (!band || !scale) return [];
  const told = [["error_0.9", "noise: 90% within"], ["error_0.99", "noise: 99% within"], ["max_abs", "noise: all within"]];
  return told.map(([figure, label]) => [label, band.bounds.get(figure) * scale]).filter(([, value]) => value > 0 && Number.isFinite(value));
}

/** What stands behind a histogram, or why nothing does. */
function behindText(run, at, { behind, errors, marks }) {
  const told = [];
  if (behind.length) told.push("Behind it, in outline: the reference's own in the same precision.");
  else if (run.measured(at, "peer") && run.measured(at, "same_bits")) told.push("The candidate has the reference's own bits: this is the reference's own histogram too.");
  if (marks.length) told.push("Lines: what 90%, 99% and all of the errors stay within where they are noise.");
  else if (!errors && run.band(at)) told.push("The ensemble's bands hold errors and no distances in steps, so that none stand here.");
  return told.join(" ");
}

/** For each axis the one index that holds most of the squared error, beside what it would hold if all were even. */
function concentrationPart(run, at) {
  const shares = run.measured(at, "concentration");
  const { shape } = run.subject(at);
  const host = h("section", {}, h("h2", {}, "Where on each axis"));
  if (!shares) return host.append(h("p", { class: "note" }, run.page.kept.left_out)), host;
  if (!shares.length) return host.append(h("p", { class: "note" }, "No axis has more than one index, or there is no error to place.")), host;
  host.append(h("p", { class: "muted" }, "Of each axis, the index with most of the squared error; the line is an even share."));
  afterwards(() => concentrationChart(host, shares, shape));
  return host;
}

function concentrationChart(host, shares, shape) {
  const names = shares.map(([axis, index]) => `axis ${axis} of ${shape[axis]}: index ${index}`);
  const data = { name: names, share: shares.map(([, , share]) => num(share) * 100), even: shares.map(([axis]) => 100 / shape[axis]) };
  const source = new Bokeh.ColumnDataSource({ data });
  const plot = figure({ height: 70 + 44 * names.length, y_range: new Bokeh.FactorRange({ factors: [...names].reverse() }), x_range: new Bokeh.Range1d({ start: 0, end: 100 }), x_axis_label: "% of the squared error", tools: "" });
  const bars = plot.hbar({ field: "name" }, 0.55, { field: "share" }, 0, { source, fill_color: colour("isolated"), line_color: null });
  plot.scatter({ field: "even" }, { field: "name" }, { source, marker: "dash", angle: Math.PI / 2, size: 22, line_color: colour("text"), line_width: 2 });
  plot.add_tools(new Bokeh.HoverTool({ renderers: [bars], tooltips: [["where", "@name"], ["share", "@share{0.0}%"], ["even", "@even{0.00}%"]] }));
  showChart(host, plot, names.join("; "));
}

function worstPart(run, at) {
  const worst = run.measured(at, "worst");
  const host = h("section", {}, h("h2", {}, "Worst elements"));
  if (!worst) return host.append(h("p", { class: "note" }, run.page.kept.left_out)), host;
  const columns = ["coordinates", "candidate", "truth", "error"].map((heading, step) => ({ heading, number: step > 0 }));
  const rows = worst.map(([coordinates, candidate, truth, error]) => [`[${coordinates.join(", ")}]`, valueText(candidate), valueText(truth), valueText(error)]);
  host.append(sheetTable({ title: "Worst elements", columns, rows }));
  return host;
}

/** The same tap in other cases, passes and precisions. */
function othersPart(run, first) {
  const key = tapInAnyPass(run, first), group = run.group(first);
  const found = [];
  for (const pass of run.passes) {
    const here = run.positions(pass).filter((at) => run.group(at) === group && tapInAnyPass(run, at) === key);
    if (here.length && here[0] !== first) found.push(worstOf(run, here));
  }
  if (!found.length) return null;
  found.sort((a, b) => run.usage[b] - run.usage[a] || run.error[b] - run.error[a]);
  const rows = found.slice(0, 40).map((at) => h("tr", {}, h("td", {}, h("a", { href: link("tap", run.place(at)) }, passLabel(run.pass(at)))),
    h("td", {}, badge(run.verdict(at))), h("td", { class: "number" }, errorText(run.error[at])), h("td", { class: "number" }, usageText(run.usage[at]))));
  return h("details", { class: "sheet" }, h("summary", {}, h("h2", {}, "The same tap elsewhere"), h("span", { class: "muted" }, `${countText(found.length)} passes, worst first`)),
    h("div", { class: "scroll" }, h("table", { class: "sheet" }, h("thead", {}, h("tr", {}, ["pass", "verdict", "error", "used"].map((text, at) => h("th", { class: at > 1 ? "number" : "text" }, text)))), h("tbody", {}, rows))));
}
