// Elements from names and text. Text becomes text nodes: no name of a dump is ever read as markup.

/** Make an element; `props` are attributes, or listeners where they are functions; children are elements or text. */
function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(plain(String(child))));
  }
  return element;
}

/** Show what does not print (control codes, bidi marks) as its code, as the terminal does. */
function plain(text) {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, (letter) => {
    const code = letter.codePointAt(0);
    const [mark, width] = code < 256 ? ["x", 2] : code < 65536 ? ["u", 4] : ["U", 8];
    return `\\${mark}${code.toString(16).padStart(width, "0")}`;
  });
}

/** A dotted name that may break after its dots and underscores. */
function breakable(text) {
  return text.split(/(?<=[._])/).flatMap((word, at) => (at ? [h("wbr", {}), word] : [word]));
}

/** A drop-down list; options are [value, text]. */
function choice(label, options, value, changed) {
  const select = h(
    "select",
    { "aria-label": label, change: () => changed(select.value) },
    options.map(([key, text]) => h("option", { value: key, selected: key === value }, text)),
  );
  return h("label", { class: "choice" }, h("span", {}, label), select);
}

/** A table of text cells, as the terminal prints them. */
function sheetTable(sheet) {
  const kinds = sheet.columns.map((column) => (column.number ? "number" : "text"));
  const head = sheet.columns.map((column, at) => h("th", { class: kinds[at], scope: "col" }, column.heading));
  const rows = sheet.rows.map((row) => h("tr", {}, row.map((cell, at) => h("td", { class: kinds[at] }, cell))));
  const table = h("table", { class: "sheet" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows));
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": sheet.title }, table);
}

/** A verdict, told by a sign and a word and not by colour alone. */
function badge(verdict) {
  const signs = { identical: "=", within: "≈", over: "✕", incomplete: "?" };
  return h("span", { class: `badge ${verdict}` }, h("span", { "aria-hidden": "true" }, signs[verdict] || "•"), verdict);
}

function terms(pairs) {
  const told = pairs.filter(([, value]) => value !== null && value !== undefined);
  return h("dl", { class: "terms" }, told.map(([key, value]) => h("div", {}, h("dt", {}, key), h("dd", {}, value))));
}
