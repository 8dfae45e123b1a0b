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
    h("p", { class: "note", id: "band-note" }, bandNote(run, shown.flatMap(([, some]) => some))),
  ];
}

/** What the shaded bands are, and where there are none. */
function bandNote(run, points) {
  if (!points.some((point) => [...point.modes.values()].some((at) => run.measuredAt[at] >= 0))) return null;
  const bands = points.map((point) => [...point.modes.values()].some((at) => run.band(at)));
  const without = bands.filter((has) => !has).length;
  if (without === points.length)
    return points.some(({ pass }) => pass.classes)
      ? "No noise band: none of these taps is calibrated in this case, precision and release."
      : "No noise band: this case has no classes. Either the model is not calibrated, or the reference was recorded on another machine, of whose noise nothing is known here.";
  return "noise: the ensemble of legitimate ways to compute the reference, from the median of their errors to what an error may reach and still be noise, in the colour of the mode. " +
    "Those of forced and born are hidden until their names are clicked. Where nothing is shaded the band lies below the chart: often at 0, and then any error at all is more than noise." +
    (without ? ` ${countText(without)} of these ${countText(points.length)} taps have none: not calibrated.` : "");
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
  const { floor, top } = driftEnds(run, points);
  const plot = figure({
    height: window.innerWidth < 700 ? 380 : 440, y_axis_type: "log", y_axis_label: "relative L2 error",
    x_range: new Bokeh.Range1d({ start: -1, end: points.length }), y_range: new Bokeh.Range1d({ start: floor / 1.6, end: top * 1.6 }),
    tools: "pan,xwheel_zoom,box_zoom,reset",
  });
  if (part) host.append(h("h2", {}, part));
  axisOfGroups(plot, groups, points.length);
  const source = new Bokeh.ColumnDataSource({ data: driftColumns(run, points, floor) });
  const bands = driftBands(run, plot, points, floor);
  const drawn = driftLines(plot, source, points);
  if (!drawn.length) return void host.append(h("p", { class: "note" }, `All ${countText(points.length)} taps are exactly alike: there is no error to draw.`));
  // What is seen has gaps; what the pointer finds a tap by has none.
  const anchor = plot.line({ field: "x" }, { field: "anchor" }, { source, line_alpha: 0 });
  const tooltips = [["tap", "@tap"], ["pass", "@pass"], ...drawn.map(([name]) => [name, `@${name}_told`]),
    ...bands.map((name) => [`noise, ${name}`, `@noise_${name}_told`]), ["used", "@used"], ["verdict", "@verdict"]];
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

function axisOfGroups(plot, groups, count) {
  // A label needs some 45 pixels; one that has less behind the label before it is left out.
  const apart = (45 * count) / Math.max(200, Math.min(window.innerWidth, 1440) - 130);
  const shown = [];
  for (const group of groups) if (!shown.length || group[0] - shown.at(-1)[0] >= apart) shown.push(group);
  for (const axis of plot.xaxes) {
    axis.ticker = new Bokeh.FixedTicker({ ticks: shown.map(([at]) => at), minor_ticks: groups.map(([at]) => at) });
    axis.major_label_overrides = new Map(shown.map(([at, group]) => [at, label(group.split(".").slice(-1)[0])]));
    axis.major_label_orientation = 0.6;
  }
  for (const grid of plot.xgrids) grid.grid_line_color = colour("grid");
}

/** The ends of the scale: errors of 0 are drawn half a decade below the least that is not; bands beyond are cut off. */
function driftEnds(run, points) {
  let least = Infinity, top = 0;
  for (const point of points)
    for (const at of point.modes.values()) {
      const error = run.error[at];
      if (error > 0 && error < least) least = error;
      for (const value of [error, run.bound(at), run.peer(at), error > 0 ? run.band(at)?.bounds.get("relative_l2") : 0])
        if (value > top && Number.isFinite(value)) top = value;
    }
  return Number.isFinite(least) ? { floor: least / 3, top } : { floor: 1e-9, top: 1e-6 };
}

function driftColumns(run, points, floor) {
  const lift = (value) => (value > 0 ? value : NaN);
  const columns = { x: points.map((_, at) => at), tap: points.map((p) => plain(p.name)), pass: points.map((p) => plain(passLabel(p.pass))) };
  for (const [name, mode] of LINES) {
    const errors = points.map((point) => (point.modes.has(mode) ? run.error[point.modes.get(mode)] : null));
    columns[name] = errors.map(lift);
    columns[`${name}_told`] = errors.map(errorText);
    columns[`noise_${name}_told`] = points.map((point) => bandText(point.modes.has(mode) ? run.band(point.modes.get(mode)) : null));
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

function bandText(band) {
  return band ? `up to ${errorText(band.bounds.get("relative_l2"))}, median ${errorText(band.median)} (${countText(band.runs)} runs)` : NOTHING;
}

/** Shade for each mode what is noise, in one outline for taps side by side; gives the modes that have bands. */
function driftBands(run, plot, points, floor) {
  const found = [];
  for (const [name, mode, hue] of LINES) {
    const xs = [], ys = [];
    let upper = [], lower = [], has = false;
    const close = () => {
      if (upper.length) {
        xs.push([...upper.map(([x]) => x), ...lower.map(([x]) => x).reverse()]);
        ys.push([...upper.map(([, y]) => y), ...lower.map(([, y]) => y).reverse()]);
      }
      upper = [];
      lower = [];
    };
    points.forEach((point, x) => {
      const band = point.modes.has(mode) ? run.band(point.modes.get(mode)) : null;
      const bound = band ? band.bounds.get("relative_l2") : 0;
      has ||= band !== null;
      if (!(bound > floor && Number.isFinite(bound))) return close();
      const least = Math.max(band.median, floor / 1.6);
      for (const edge of [x - 0.5, x + 0.5]) {
        upper.push([edge, bound]);
        lower.push([edge, least]);
      }
    });
    close();
    if (has) found.push(name);
    if (!xs.length) continue;
    const band = plot.patches(xs, ys, { fill_color: colour(hue), fill_alpha: 0.16, line_color: null, legend_label: `noise, ${name}` });
    band.visible = name === "chained" || found.length === 1;
  }
  return found;
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
