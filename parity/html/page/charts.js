// Charts by Bokeh (see the notice at the end of this page), in the colours of the page's theme.

let charts = [];
Bokeh.set_log_level("warn");

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Names in labels must not be taken for the delimiters of TeX. */
function label(text) {
  return plain(text).replace(/\$\$|\\\[|\\\(/g, (found) => `${found[0]}\u2060${found[1]}`);
}

function clearCharts() {
  for (const view of charts) view.remove();
  charts = [];
}

/** An empty figure in the page's colours; `options` are Bokeh's, `tools` its tools' names. */
function figure(options) {
  const plot = Bokeh.Plotting.figure({
    height: 300, sizing_mode: "stretch_width", tools: "pan,box_zoom,reset", toolbar_location: "above", ...options,
    background_fill_color: colour("card"), border_fill_color: colour("card"), outline_line_color: colour("line"),
  });
  plot.toolbar.logo = null;
  if (window.innerWidth < 700 && options.x_axis_type === "log") for (const axis of plot.xaxes) axis.ticker.desired_num_ticks = 3;
  const font = "system-ui, sans-serif";
  for (const axis of [...plot.xaxes, ...plot.yaxes])
    axis.setv({
      axis_line_color: colour("line"), major_tick_line_color: colour("line"), minor_tick_line_color: null,
      major_label_text_color: colour("muted"), axis_label_text_color: colour("muted"), major_label_text_font: font,
      axis_label_text_font: font, axis_label_text_font_style: "normal", major_label_text_font_size: "11px",
      axis_label_text_font_size: "12px",
    });
  for (const grid of [...plot.xgrids, ...plot.ygrids]) grid.grid_line_color = colour("grid");
  for (const grid of plot.xgrids) grid.grid_line_color = null;
  return plot;
}

/** Lay legends out as the theme has them. */
function dressLegend(plot) {
  const phone = window.innerWidth < 700;
  // Beside the drawing, since on it one would hide lines.
  for (const legend of plot.center.filter((part) => part.type === "Legend")) {
    if (legend.items.length > 1) {
      plot.center = plot.center.filter((part) => part !== legend);
      plot.add_layout(legend, "above");
    }
    legend.setv({
      background_fill_color: colour("card"), background_fill_alpha: 0.85, border_line_color: null, padding: 4,
      label_text_color: colour("text"), label_text_font_size: "11px", click_policy: "hide", orientation: "horizontal",
      spacing: phone ? 3 : 12, margin: 2, label_text_font: "system-ui, sans-serif", glyph_height: phone ? 14 : 20,
      inactive_fill_color: colour("card"), inactive_fill_alpha: 0.7,
      ncols: phone ? (legend.items.some((item) => item.label?.value?.length > 16) ? 2 : 3) : "auto",
    });
  }
}

/** Show a chart below what `host` has; its text stands beside it for those who cannot see it. */
function showChart(host, plot, told) {
  const place = h("div", { class: "chart", role: "img", "aria-label": told });
  host.append(place);
  dressLegend(plot);
  // A view that was left before its chart was ready must not leave one behind.
  return Bokeh.Plotting.show(plot, place).then((view) => (place.isConnected ? charts.push(view) : view.remove()));
}

/** Bars over [low, high, count], on a logarithmic axis of errors or distances. */
function histogramChart(host, bins, { title, unit, behind = [], marks = [] }) {
  const all = [...bins, ...behind];
  const first = all.reduce((a, b) => (b[1] < a[1] ? b : a)), most = all.reduce((a, b) => (b[1] > a[1] ? b : a));
  const single = first[1] === most[1];
  // Lines may lie beyond all errors: a little room on either side shows them.
  const least = Math.min(first[1] / 2, ...marks.map(([, value]) => value / 2));
  const top = Math.max(Number.isFinite(most[1]) ? most[1] : most[0] * 4, ...marks.map(([, value]) => value * 1.5));
  const height = Math.max(...all.map((bin) => bin[2])) * 1.08;
  const plot = figure({
    height: 220, x_axis_type: "log", x_axis_label: unit, y_axis_label: "elements",
    x_range: new Bokeh.Range1d({ start: (marks.length ? least : Math.max(first[0], least)) / (single ? 2 : 1), end: top * (single ? 2 : 1) }),
    y_range: new Bokeh.Range1d({ start: 0, end: height }),
  });
  const quads = (shown, style) => {
    const data = {
      left: shown.map(([low]) => Math.max(low, least)),
      right: shown.map(([, high]) => Math.min(high, top)),
      top: shown.map((bin) => bin[2]),
      told: shown.map(([low, high]) => `${binEdge(low)} to ${binEdge(high)}`),
    };
    return plot.quad({ field: "left" }, { field: "right" }, 0, { field: "top" }, { source: new Bokeh.ColumnDataSource({ data }), ...style });
  };
  const shown = bins.filter(([, , count]) => count > 0);
  const named = (name) => (behind.length || marks.length ? { legend_label: name } : {});
  const bars = quads(shown, { fill_color: colour("chained"), line_color: colour("card"), line_width: 1, ...named("candidate") });
  const outline = behind.filter(([, , count]) => count > 0);
  if (outline.length) quads(outline, { fill_color: colour("peer"), fill_alpha: 0.15, line_color: colour("peer"), line_width: 1.5, ...named("reference's own") });
  const dashes = ["dotted", "dashed", "solid"];
  marks.forEach(([name, value], at) => plot.segment([value], [0], [value], [height], { line_color: colour("noise"), line_width: 1.5, line_dash: dashes[at % 3], ...named(name) }));
  plot.add_tools(new Bokeh.HoverTool({ renderers: [bars], tooltips: [[unit, "@told"], ["elements", "@top{0,0}"]] }));
  return showChart(host, plot, `${title}: ${shown.length} bins from ${binEdge(shown[0]?.[0])}`);
}

function binEdge(value) {
  if (value === undefined) return NOTHING;
  return Number.isInteger(value) && Math.abs(value) < 1e6 ? countText(value) : errorText(value);
}
