// Other runs: what changed against one, and what a tap was in each.

function compareView(run) {
  const { title, verdict, sheets, links } = run.page.comparison;
  return [
    h("h1", {}, "Comparison"),
    h("p", {}, title),
    h("p", { class: `verdict ${run.page.comparison.exit_code ? "over" : "identical"}`, id: "change" }, verdict),
    changesChart(run),
    sheets.map((sheet, at) => changeSection(sheet, links[at])),
  ];
}

function changeSection(sheet, places) {
  const section = sheetSection(sheet, true);
  if (!places) return section;
  section.querySelectorAll("tbody tr").forEach((row, at) => {
    const cell = row.firstElementChild;
    if (places[at]) cell.replaceChildren(h("a", { class: "name", href: link("tap", places[at]) }, cell.textContent));
  });
  return section;
}

/** Error before against error after, for every reading whose error changed. */
function changesChart(run) {
  const { before, after, taps, shown, changed } = run.page.comparison.errors;
  const host = h("section", {}, h("h2", {}, "Error before and after"));
  if (!before.length) return host.append(h("p", { class: "note" }, "No reading that both runs measured changed its error.")), host;
  host.append(h("p", { class: "muted" }, `${countText(shown)} of ${countText(changed)} readings whose error changed; above the line it grew. Errors of 0 stand at the edge.`));
  const errors = [before, after].map((values) => values.map(num));
  const finite = errors.flat().filter((value) => value > 0 && Number.isFinite(value));
  const floor = (finite.length ? Math.min(...finite) : 1e-9) / 3;
  const lift = (value) => (value > 0 ? value : value === 0 ? floor : NaN);
  const data = { before: errors[0].map(lift), after: errors[1].map(lift), tap: taps.map(plain), told: errors[0].map((value, at) => `${errorText(value)} to ${errorText(errors[1][at])}`) };
  afterwards(() => {
    const plot = figure({ height: 380, x_axis_type: "log", y_axis_type: "log", x_axis_label: "relative L2 error before", y_axis_label: "after" });
    const ends = [floor, Math.max(floor * 10, ...finite)];
    plot.line(ends, ends, { line_color: colour("budget"), line_dash: "dashed" });
    const dots = plot.scatter({ field: "before" }, { field: "after" }, { source: new Bokeh.ColumnDataSource({ data }), size: 6, fill_color: colour("chained"), fill_alpha: 0.5, line_color: null });
    plot.add_tools(new Bokeh.HoverTool({ renderers: [dots], tooltips: [["tap", "@tap"], ["error", "@told"]] }));
    showChart(host, plot, `${before.length} errors before and after`);
  });
  return host;
}

/** Errors of a tap over the runs that are kept, oldest first; the last is this run. */
function historyPart(run, readings) {
  const history = run.page.history;
  const host = h("section", {}, h("h2", {}, "Over runs"));
  if (!history || !history.runs.length) {
    host.append(h("p", { class: "note" }, "No earlier runs came with this report (give --history FOLDER)."));
    return host;
  }
  const lines = readings.map((at) => ({ mode: run.mode(at), values: historyOf(run, history, at) }));
  const names = [...history.runs.map((one) => one.when), "this run"];
  afterwards(() => historyChart(host, lines, names));
  host.append(sheetTable(historySheet(lines, names)));
  if (history.left_out) host.append(h("p", { class: "note" }, `${countText(history.left_out)} older runs were left out to keep this page small.`));
  return host;
}

/** [error, verdict] of a reading in each run, null where a run has no such reading. Runs keep only what differs from the next. */
function historyOf(run, history, at) {
  let now = [run.error[at], run.verdict(at)];
  const values = [now];
  for (const one of [...history.runs].reverse()) {
    const found = one.differs.get ? one.differs.get(at) : (one.differs = new Map(one.differs.map(([key, ...value]) => [key, value]))).get(at);
    if (found) now = found[0] === null ? null : [num(found[0]), run.document.layout.verdicts[found[1]]];
    values.unshift(now);
  }
  return values;
}

function historySheet(lines, names) {
  const columns = [{ heading: "run", number: false }, ...lines.map((line) => ({ heading: line.mode, number: true }))];
  const rows = names.map((name, at) => [name, ...lines.map(({ values }) => (values[at] ? `${errorText(values[at][0])} ${values[at][1]}` : "not read"))]);
  return { title: "Errors over runs", columns, rows: rows.reverse() };
}

function historyChart(host, lines, names) {
  const errors = lines.flatMap(({ values }) => values.map((value) => (value ? value[0] : NaN)));
  const least = Math.min(...errors.filter((value) => value > 0));
  if (!Number.isFinite(least)) return;
  const plot = figure({ height: 220, y_axis_type: "log", y_axis_label: "relative L2 error", x_range: new Bokeh.Range1d({ start: -0.5, end: names.length - 0.5 }), tools: "" });
  for (const axis of plot.xaxes) {
    axis.ticker = new Bokeh.FixedTicker({ ticks: names.map((_, at) => at) });
    axis.major_label_overrides = new Map(names.map((name, at) => [at, at === 0 || at === names.length - 1 ? label(name) : ""]));
  }
  const hues = new Map(LINES.map(([, mode, hue]) => [mode, hue]));
  for (const { mode, values } of lines) {
    const y = values.map((value) => (value === null ? NaN : value[0] > 0 ? value[0] : least / 3));
    const source = new Bokeh.ColumnDataSource({ data: { x: names.map((_, at) => at), y } });
    const style = { source, line_color: colour(hues.get(mode) || "peer"), legend_label: label(mode) };
    plot.line({ field: "x" }, { field: "y" }, { ...style, line_width: 1.6 });
    plot.scatter({ field: "x" }, { field: "y" }, { ...style, size: 6, fill_color: colour(hues.get(mode) || "peer") });
  }
  showChart(host, plot, `Errors in ${names.length} runs`);
}
