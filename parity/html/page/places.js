// Where in a tensor the error lies: the map of its cells and the shares of its heads, for the readings that have one.

function mapPart(run, at) {
  const found = run.errorMap(at);
  const host = h("section", { id: "error-map" }, h("h2", {}, "Map of the error"));
  if (!found) {
    const told = `A run keeps maps of its ${countText(run.page.kept.mapped)} worst readings: over budget first, by use of budget. This is not one of them.`;
    return host.append(h("p", { class: "note" }, run.same(at) ? "Maps are kept of readings that are not identical with the reference." : told)), host;
  }
  const { rows, columns } = mapAxes(found, run.subject(at).shape);
  host.append(h("p", { class: "muted" }, `Down: ${rows || "one row"}. Across: ${columns}. The colour is the root mean square of the error in a cell.`));
  afterwards(() => mapChart(host, found, { rows, columns }));
  return host;
}

/** What the map's sides run over: the last axis, and all others, of which those of one index say nothing. */
function mapAxes(found, shape) {
  const name = (axis) => (found.axes.length ? `${found.axes[axis]} (axis ${axis})` : `axis ${axis}`);
  const long = shape.map((_, axis) => axis).slice(0, -1).filter((axis) => shape[axis] > 1);
  return { rows: long.map(name).join(" × "), columns: name(shape.length - 1) };
}

function mapChart(host, found, { rows, columns }) {
  const { grid, cells } = found;
  const seen = cells.filter((cell) => cell.rms > 0);
  const high = Math.max(...seen.map((cell) => cell.rms)), low = Math.min(...seen.map((cell) => cell.rms));
  const palette = [1, 2, 3, 4, 5, 6, 7].map((step) => colour(`heat${step}`));
  const mapper = new Bokeh.LogColorMapper({ palette, low: low < high ? low : high / 2, high });
  const plot = figure({
    height: Math.max(130, Math.min(420, 90 + 12 * grid.rowCells)), tools: "", x_axis_label: columns, y_axis_label: rows,
    x_range: new Bokeh.Range1d({ start: 0, end: grid.columns }), y_range: new Bokeh.Range1d({ start: grid.rows, end: 0 }),
  });
  for (const line of [...plot.xgrids, ...plot.ygrids]) line.grid_line_color = null;
  for (const axis of [...plot.xaxes, ...plot.yaxes]) axis.ticker = new Bokeh.BasicTicker({ min_interval: 1, desired_num_ticks: 5 });
  if (grid.rows === 1) for (const axis of plot.yaxes) axis.visible = false;
  const data = {
    left: cells.map((cell) => cell.left), right: cells.map((cell) => cell.right), top: cells.map((cell) => cell.top), bottom: cells.map((cell) => cell.bottom),
    rms: cells.map((cell) => cell.rms), row: cells.map((cell) => spanText(cell.top, cell.bottom)), column: cells.map((cell) => spanText(cell.left, cell.right)),
    told: cells.map((cell) => errorText(cell.rms)), share: cells.map((cell) => shareText(cell.share)),
  };
  const fill = { field: "rms", transform: mapper };
  const style = { source: new Bokeh.ColumnDataSource({ data: some(data, (at) => cells[at].rms > 0) }), fill_color: fill, line_color: null };
  const drawn = plot.quad({ field: "left" }, { field: "right" }, { field: "top" }, { field: "bottom" }, style);
  plot.add_tools(new Bokeh.HoverTool({ renderers: [drawn], tooltips: [["down", "@row"], ["across", "@column"], ["error (rms)", "@told"], ["of the squared error", "@share"]] }));
  plot.add_layout(new Bokeh.ColorBar({
    color_mapper: mapper, width: 10, background_fill_color: colour("card"), major_label_text_color: colour("muted"), major_tick_line_color: null,
    formatter: new Bokeh.BasicTickFormatter({ precision: 1, use_scientific: true, power_limit_high: 0, power_limit_low: 0 }), ticker: new Bokeh.FixedTicker({ ticks: [...new Set([mapper.low, mapper.high])] }),
  }), "right");
  showChart(host, plot, `Map of the error, ${grid.rowCells} by ${grid.columnCells} cells, from ${errorText(low)} to ${errorText(high)}`);
}

function some(data, keep) {
  return Object.fromEntries(Object.entries(data).map(([name, column]) => [name, column.filter((_, at) => keep(at))]));
}

/** Indices from `first` on, up to but not with `end`. */
function spanText(first, end) {
  return end - first === 1 ? String(first) : `${first}..${end - 1}`;
}

function headsPart(run, at) {
  const heads = run.errorMap(at)?.heads;
  if (!heads) return null;
  const [axis, ...shares] = heads.map(num);
  const host = h("section", { id: "heads" }, h("h2", {}, "Error by head"),
    h("p", { class: "muted" }, `${countText(shares.length)} heads on axis ${axis}, each with its share of the squared error; the line is an even share.`));
  afterwards(() => headsChart(host, shares));
  return host;
}

function headsChart(host, shares) {
  const even = 100 / shares.length;
  const plot = figure({ height: 240, tools: "", x_axis_label: "head", y_axis_label: "% of the squared error",
    x_range: new Bokeh.Range1d({ start: -0.6, end: shares.length - 0.4 }), y_range: new Bokeh.Range1d({ start: 0, end: Math.max(even, ...shares.map((share) => share * 100)) * 1.08 }) });
  for (const axis of plot.xaxes) axis.ticker = new Bokeh.BasicTicker({ min_interval: 1 });
  const data = { head: shares.map((_, head) => head), share: shares.map((share) => share * 100), even: shares.map(() => even) };
  const bars = plot.vbar({ field: "head" }, 0.7, { field: "share" }, 0, { source: new Bokeh.ColumnDataSource({ data }), fill_color: colour("isolated"), line_color: null });
  plot.segment([-0.6], [even], [shares.length - 0.4], [even], { line_color: colour("text"), line_width: 1.5 });
  plot.add_tools(new Bokeh.HoverTool({ renderers: [bars], tooltips: [["head", "@head"], ["share", "@share{0.0}%"], ["even", "@even{0.0}%"]] }));
  showChart(host, plot, `Error by head: ${shares.map((share, head) => `${head}: ${shareText(share)}`).join("; ")}`);
}
