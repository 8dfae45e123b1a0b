// The drift curve: errors by depth in data-path order, one line for each mode, over the budget.

const LINES = [
  ["chained", "chained", "chained"],
  ["forced", "teacher-forced", "forced"],
  ["born", "isolated", "isolated"],
];

function driftView(run, state) {
  if (!run.passes.length) return [h("h1", {}, "Drift curve"), h("p", {}, "No pass was run.")];
  const chosen = chosenPass(run, state);
  const siblings = run.passes.filter((pass) => pass.case === chosen.case);
  const passes = state.all === "1" ? siblings : [chosen];
  const points = driftPoints(run, passes);
  const parts = partsOf(points);
  const part = parts.includes(state.part) ? state.part : "";
  const host = h("div", { id: "curves" });
  const bar = driftBar(run, { chosen, siblings, parts, part, state });
  const shown = part === "each" ? parts.map((one) => [one, points.filter((p) => p.part === one)]) : [
    [part, part ? points.filter((point) => point.part === part) : points],
  ];
  afterwards(() => shown.forEach(([name, some]) => driftChart(run, host, name, some)));
  return [
    h("h1", {}, "Drift curve"),
    bar,
    host,
    h("p", { class: "note" }, "Relative L2 error against the truth at each tap, in data-path order, on a logarithmic scale. ",
      "Where the chained error is exactly 0, a dot stands at the foot. Click a point to open its tap, a name in the legend to hide it. ",
      "chained: the model on its own values; forced: each block fed the reference's inputs; born: each module fed them; ",
      "budget: what the error may be; reference: the reference's own error in the same precision, where it has one."),
    h("p", { class: "note" }, "This record keeps no noise band beside its budgets; where taps are classed, their pages say what was measured."),
  ];
}

/** The pass in the link; else that of the first divergence, else the one that shows most error in most modes. */
function chosenPass(run, state) {
  const named = run.passes.find((pass) => passKey(pass) === state.pass);
  if (named) return named;
  const first = run.document.outcome.first_divergence;
  const place = first && { s: first.suite, c: first.case, d: first.dtype, p: first.forward };
  const found = place && run.passes.find((pass) => samePass(pass, place));
  if (found) return found;
  const weight = (pass) => run.positions(pass).filter((at) => run.measuredAt[at] >= 0).length;
  return run.passes.reduce((best, pass) => {
    const size = weight(pass);
    return size > best.size ? { pass, size } : best;
  }, { pass: run.passes[0], size: -1 }).pass;
}

function passKey(pass) {
  return passKeyOf({ s: pass.case.suite, c: pass.case.case, d: pass.case.dtype, p: pass.forward.name });
}

function passKeyOf(place) {
  return JSON.stringify([place.s, place.c, place.d, place.p]);
}

function driftBar(run, { chosen, siblings, parts, part, state }) {
  const cases = [...new Map(run.passes.map((pass) => [pass.case, pass])).values()];
  const caseKey = passKey(cases.find((pass) => pass.case === chosen.case));
  const caseOptions = cases.map((pass) => [passKey(pass), `${pass.case.suite}/${pass.case.case} ${pass.case.dtype}`]);
  const passOptions = siblings.map((pass) => [passKey(pass), pass.forward.name]);
  if (siblings.length > 1) passOptions.push(["all", `all ${siblings.length}, one after another`]);
  const partOptions = [["", "all"], ...parts.map((one) => [one, one])];
  if (parts.length > 1) partOptions.push(["each", "each in its own chart"]);
  return h("div", { class: "bar" },
    choice("Case", caseOptions, caseKey, (pass) => go("drift", { pass })),
    choice("Step or pass", passOptions, state.all === "1" ? "all" : passKey(chosen),
      (key) => go("drift", key === "all" ? { ...state, pass: passKey(chosen), all: "1" } : { ...state, pass: key, all: "" })),
    choice("Stream or part", partOptions, part, (one) => go("drift", { ...state, pass: passKey(chosen), part: one })));
}

/** One point for each tap of the passes, with its error in each mode. */
function driftPoints(run, passes) {
  const points = [];
  for (const pass of passes) {
    const byTap = new Map();
    for (const at of run.positions(pass)) {
      const name = run.name(at);
      if (!byTap.has(name)) {
        byTap.set(name, { at, name, group: run.group(at), part: partOf(run, at), pass, modes: new Map() });
        points.push(byTap.get(name));
      }
      byTap.get(name).modes.set(run.mode(at), at);
    }
  }
  return points;
}

/** What follows the block in a tap's name: its stream or part. */
function partOf(run, at) {
  const words = run.name(at).split(".");
  const block = run.group(at).split(".").at(-1);
  const after = words.indexOf(block) + 1;
  return words[after || Math.min(2, words.length - 1)] || "";
}

/** The parts that are worth a choice: few, and each of several taps. */
function partsOf(points) {
  const counts = new Map();
  for (const { part } of points) counts.set(part, (counts.get(part) || 0) + 1);
  const large = [...counts].filter(([, count]) => count >= Math.max(2, points.length / 50)).map(([part]) => part);
  return large.length > 1 && large.length <= 8 ? large : [];
}

function driftChart(run, host, part, points) {
  const groups = groupStarts(points);
  const floor = driftFloor(run, points);
  const plot = figure({
    height: window.innerWidth < 700 ? 320 : 420, y_axis_type: "log", y_axis_label: "relative L2 error",
    x_range: new Bokeh.Range1d({ start: -1, end: points.length }), tools: "pan,xwheel_zoom,box_zoom,reset",
  });
  if (part) host.append(h("h2", {}, part));
  axisOfGroups(plot, groups);
  const source = new Bokeh.ColumnDataSource({ data: driftColumns(run, points, floor) });
  const drawn = driftLines(plot, source, points);
  if (!drawn.length) return void host.append(h("p", { class: "note" }, `All ${countText(points.length)} taps are exactly alike: there is no error to draw.`));
  // What is seen has gaps; what the pointer finds a tap by has none.
  const anchor = plot.line({ field: "x" }, { field: "anchor" }, { source, line_alpha: 0 });
  const tooltips = [["tap", "@tap"], ["pass", "@pass"], ...drawn.map(([name]) => [name, `@${name}_told`]), ["used", "@used"], ["verdict", "@verdict"]];
  plot.add_tools(new Bokeh.HoverTool({ renderers: [anchor], mode: "vline", tooltips }));
  // A tap of the pointer on the chart opens the nearest of the taps.
  plot.on_event("tap", (event) => {
    const point = points[Math.max(0, Math.min(points.length - 1, Math.round(event.x)))];
    if (point) go("tap", run.place(point.at));
  });
  showChart(host, plot, `Errors of ${points.length} taps in ${groups.length} blocks, from ${points[0]?.name} on`);
}

/** Where each group begins; labels only where there is room for them. */
function groupStarts(points) {
  return points.flatMap((point, at) => (at && points[at - 1].group === point.group ? [] : [[at, point.group]]));
}

function axisOfGroups(plot, groups) {
  const room = Math.max(1, Math.floor(window.innerWidth / 60));
  const every = Math.ceil(groups.length / room);
  const shown = groups.filter((_, at) => at % every === 0);
  for (const axis of plot.xaxes) {
    axis.ticker = new Bokeh.FixedTicker({ ticks: shown.map(([at]) => at), minor_ticks: groups.map(([at]) => at) });
    axis.major_label_overrides = new Map(shown.map(([at, group]) => [at, label(group.split(".").slice(-1)[0])]));
    axis.major_label_orientation = 0.6;
  }
  for (const grid of plot.xgrids) grid.grid_line_color = colour("grid");
}

/** Where errors of 0 are drawn: half a decade below the least that is not. */
function driftFloor(run, points) {
  let least = Infinity;
  for (const point of points)
    for (const at of point.modes.values()) if (run.error[at] > 0 && run.error[at] < least) least = run.error[at];
  return Number.isFinite(least) ? least / 3 : 1e-9;
}

function driftColumns(run, points, floor) {
  const lift = (value) => (value > 0 ? value : NaN);
  const columns = { x: points.map((_, at) => at), tap: points.map((p) => plain(p.name)), pass: points.map((p) => plain(passLabel(p.pass))) };
  for (const [name, mode] of LINES) {
    const errors = points.map((point) => (point.modes.has(mode) ? run.error[point.modes.get(mode)] : null));
    columns[name] = errors.map(lift);
    columns[`${name}_told`] = errors.map(errorText);
  }
  const bounds = points.map((point) => run.bound(point.at));
  const peers = points.map((point) => run.peer(point.at));
  columns.budget = bounds.map(lift);
  columns.budget_told = bounds.map(errorText);
  columns.reference = peers.map(lift);
  columns.reference_told = peers.map(errorText);
  const worst = points.map((point) => [...point.modes.values()].reduce((a, b) => (run.usage[b] > run.usage[a] ? b : a)));
  columns.used = worst.map((at) => usageText(run.usage[at]));
  columns.verdict = worst.map((at) => run.verdict(at));
  // What is exact stands at the foot, in the colour of no mode: lines would only plunge there and back.
  columns.zero = points.map((point) => (run.error[point.at] === 0 ? floor : NaN));
  columns.anchor = points.map((_, at) => columns.chained[at] || columns.born[at] || floor);
  columns.over = points.map((point, at) => (run.verdict(worst[at]) === "over" ? columns.chained[at] || columns.born[at] || floor : NaN));
  return columns;
}

function driftLines(plot, source, points) {
  const data = source.data;
  const has = (name) => (data.get ? data.get(name) : data[name]).some((value) => !Number.isNaN(value));
  const drawn = [];
  // The reference lies below, to be seen where it differs.
  const wanted = [["budget", "budget", "dashed"], ["reference", "peer", "solid"], ...LINES.map(([name, , hue]) => [name, hue, "solid"])];
  for (const [name, hue, dash] of wanted) {
    if (!has(name)) continue;
    const style = { source, line_color: colour(hue), line_width: { budget: 1.2, reference: 4 }[name] || 1.5, line_alpha: name === "reference" ? 0.45 : 1, line_dash: dash, legend_label: name };
    drawn.push([name, plot.line({ field: "x" }, { field: name }, style)]);
    if (points.length < 120 && name !== "reference" && dash === "solid")
      plot.scatter({ field: "x" }, { field: name }, { source, size: 5, fill_color: colour(hue), line_color: null, legend_label: name });
  }
  if (has("zero"))
    plot.scatter({ field: "x" }, { field: "zero" }, { source, size: 3, marker: "square", fill_color: colour("muted"), line_color: null, legend_label: "exactly 0, chained" });
  if (has("over"))
    plot.scatter({ field: "x" }, { field: "over" }, { source, size: 7, marker: "x", line_color: colour("over"), line_width: 1.5, legend_label: "over budget" });
  return drawn;
}
