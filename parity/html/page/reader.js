// The one place that knows how the run's document is laid out: rows by the names in `layout`, added fields if present.

/** Unpack the compressed document that stands in the page. */
async function unpacked(id) {
  const packed = atob(document.getElementById(id).textContent);
  const bytes = Uint8Array.from(packed, (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).json();
}

/** A run as the views ask for it. A reading is one tap in one mode, known by its position in the run. */
class Run {
  constructor(page) {
    this.page = page;
    this.document = page.run;
    const { reading, measured } = this.document.columns;
    this.reading = reading;
    this.columns = measured;
    this.count = reading.tap.length;
    this.passes = [];
    this.passOf = new Int32Array(this.count);
    this.measuredAt = new Int32Array(this.count).fill(-1);
    this.bandAt = new Int32Array(this.count);
    this.mapped = new Map();
    this.layOut();
    this.taps = this.document.taps.map(([name, group]) => ({ name, group: this.document.groups[group] }));
    this.tapIndex = new Map(this.document.taps.map(([name], at) => [name, at]));
  }

  layOut() {
    let at = 0;
    for (const one of this.document.cases)
      for (const forward of one.forwards) {
        const pass = { case: one, forward, first: at, number: this.passes.length, classes: this.classesOf(forward) };
        if (forward.bands) this.bandAt.set(forward.bands, at);
        for (const row of forward.mapped || []) this.mapped.set(at + row[0], row);
        this.passOf.fill(pass.number, at, (at += forward.count));
        this.passes.push(pass);
      }
    let found = 0;
    this.reading.verdict.forEach((verdict, position) => {
      if (verdict >= 0) this.measuredAt[position] = found++;
    });
    this.error = this.figure("relative_l2");
    this.usage = this.figure("usage");
  }

  /** A column of numbers over all readings; 0 for what is identical. */
  figure(name) {
    const column = this.columns[name];
    return Float64Array.from(this.measuredAt, (at) => (at < 0 ? 0 : num(column[at])));
  }

  classesOf(forward) {
    if (!forward.classes) return null;
    const { class_rows: names, classes } = this.document.layout;
    const rows = forward.classes.map((row) => Object.fromEntries(names.map((name, at) => [name, row[at]])));
    return new Map(rows.map((row) => [row.tap, { ...row, class: classes[row.class] }]));
  }

  pass(at) {
    return this.passes[this.passOf[at]];
  }

  name(at) {
    return this.taps[this.reading.tap[at]].name;
  }

  group(at) {
    return this.taps[this.reading.tap[at]].group;
  }

  mode(at) {
    return this.document.modes[this.reading.mode[at]];
  }

  verdict(at) {
    const found = this.reading.verdict[at];
    return found < 0 ? this.document.layout.verdicts[0] : this.document.layout.verdicts[found];
  }

  rule(at) {
    return this.document.layout.rules[this.reading.rule[at]];
  }

  subject(at) {
    const [shape, candidate, reference] = this.document.subjects[this.reading.subject[at]];
    return { shape, candidate, reference, elements: shape.reduce((size, length) => size * length, 1) };
  }

  /** One figure of a measured reading, null where nothing was measured, undefined where the record has no such. */
  measured(at, name) {
    const column = this.columns[name];
    if (!column) return undefined;
    return this.measuredAt[at] < 0 ? null : column[this.measuredAt[at]];
  }

  /** The bound on the relative error, null without one. */
  bound(at) {
    const bounds = this.measured(at, "bounds");
    return bounds ? num(bounds[this.document.layout.gates.indexOf("relative_l2")] ?? null) : null;
  }

  /** The reference's own relative error, null without a peer. */
  peer(at) {
    const found = this.measured(at, "peer");
    return found === "candidate" ? this.error[at] : found ? num(found[0]) : null;
  }

  /** The band of noise of a reading: what it is against, of how many runs, the median and the bounds; null without one. */
  band(at) {
    if (!this.bandAt[at]) return null;
    const names = this.document.layout.bands, row = this.document.bands[this.bandAt[at] - 1];
    const found = Object.fromEntries(names.map((name, step) => [name, num(row[step])]));
    const bounds = names.filter((name) => name.startsWith("bound of ")).map((name) => [name.slice(9), found[name]]);
    return { against: this.document.layout.against[found.against], runs: found.runs, median: found.median, bounds: new Map(bounds) };
  }

  /** The map of a reading's error with each cell's place, root mean square and share; null where none is kept. */
  errorMap(at) {
    const found = this.mapped.get(at);
    if (!found) return null;
    const row = Object.fromEntries(this.document.layout.mapped.map((name, step) => [name, found[step]]));
    const grid = gridOf(this.subject(at).shape, this.document.layout.cells.side);
    return { ...row, grid, cells: cellsOf(row, grid, this.document.layout.cells) };
  }

  /** Whether the candidate has the reference's own bits. */
  same(at) {
    return this.measuredAt[at] < 0 || this.verdict(at) === "identical";
  }

  /** The class of a tap with its evidence; null where its case is not calibrated. */
  classOf(at) {
    const classes = this.pass(at).classes;
    if (!classes) return null;
    return classes.get(this.name(at)) || { class: "identical", evidence: "", behind: null };
  }

  positions(pass) {
    return Array.from({ length: pass.forward.count }, (_, step) => pass.first + step);
  }

  /** The readings of one tap, one for each mode, in the order of the run. */
  readingsOf(place) {
    const pass = this.passes.find((one) => samePass(one, place));
    if (!pass) return [];
    return this.positions(pass).filter((at) => this.name(at) === place.t);
  }

  /** What names a tap's page in a link. */
  place(at) {
    const { case: one, forward } = this.pass(at);
    return { s: one.suite, c: one.case, d: one.dtype, p: forward.name, t: this.name(at) };
  }
}

/** The cells that rows (all axes but the last) and columns fall into: parity/metrics/error_map.py. */
function gridOf(shape, side) {
  const columns = shape.at(-1), rows = shape.slice(0, -1).reduce((size, length) => size * length, 1);
  const rowSize = Math.ceil(rows / side), columnSize = Math.ceil(columns / side);
  return { rows, columns, rowSize, columnSize, rowCells: Math.ceil(rows / rowSize), columnCells: Math.ceil(columns / columnSize) };
}

/** A letter is the root of a cell's squared error, in steps down from the peak. */
function cellsOf(row, grid, { letters, nothing, steps }) {
  const peak = num(row.peak);
  const roots = [...row.cells].map((letter) => (letter === nothing ? 0 : 2 ** (-letters.indexOf(letter) / steps)));
  const total = roots.reduce((sum, root) => sum + root * root, 0);
  return roots.map((root, at) => {
    const top = Math.floor(at / grid.columnCells) * grid.rowSize, left = (at % grid.columnCells) * grid.columnSize;
    const bottom = Math.min(top + grid.rowSize, grid.rows), right = Math.min(left + grid.columnSize, grid.columns);
    return { top, bottom, left, right, rms: (root * peak) / Math.sqrt((bottom - top) * (right - left)), share: (root * root) / total };
  });
}

function samePass(pass, place) {
  const { suite, case: name, dtype } = pass.case;
  return suite === place.s && name === place.c && dtype === place.d && pass.forward.name === place.p;
}

function passLabel(pass) {
  return `${pass.case.suite}/${pass.case.case} ${pass.case.dtype} · ${pass.forward.name}`;
}

/** Bins of a histogram as [low, high, count]; the count at 0 apart. */
function binsOf(run, edges) {
  if (!run || run.length < 2) return { zeros: run ? run[0] : 0, bins: [] };
  const [zeros, first, ...counts] = run;
  const edge = (at) => num(edges[at]);
  return { zeros, bins: counts.map((count, step) => [edge(first + step - 1), edge(first + step), count]) };
}
