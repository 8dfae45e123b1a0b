// Numbers as the terminal shows them (parity/report/numbers.py): the same digits, ties to even.

const NOTHING = "-";
const NOT_FINITE = { nan: NaN, inf: Infinity, "-inf": -Infinity };

/** A number of the document, where what JSON lacks is a word. */
function num(value) {
  return typeof value === "string" ? NOT_FINITE[value] : value;
}

function notFiniteText(value) {
  return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

/** Scientific notation with ties to even: `toExponential` alone rounds them up. */
function scientific(value, digits) {
  const [mantissa, exponent] = Math.abs(value).toExponential(100).split("e");
  const all = mantissa.replace(".", "");
  const kept = all.slice(0, digits + 1);
  const rest = all.slice(digits + 1);
  const half = "5" + "0".repeat(rest.length - 1);
  const up = rest > half || (rest === half && Number(kept.at(-1)) % 2 === 1);
  let whole = BigInt(kept) + (up ? 1n : 0n);
  let power = Number(exponent);
  if (String(whole).length > digits + 1) {
    whole /= 10n;
    power += 1;
  }
  const text = String(whole);
  const point = digits ? `${text[0]}.${text.slice(1)}` : text;
  const sign = power < 0 ? "-" : "+";
  return `${value < 0 ? "-" : ""}${point}e${sign}${String(Math.abs(power)).padStart(2, "0")}`;
}

/** An error to two significant digits. */
function errorText(value) {
  if (value === null || value === undefined) return NOTHING;
  if (!Number.isFinite(value)) return notFiniteText(value);
  return value === 0 ? "0" : scientific(value, 1);
}

/** A share of a budget in per cent; never 100% or less for a share above 1. */
function usageText(share) {
  if (!Number.isFinite(share)) return notFiniteText(share);
  const per = share > 1 ? Math.ceil(share * 100) : halfEven(share * 100);
  return per < 1000 ? `${per}%` : ">999%";
}

function halfEven(value) {
  const low = Math.floor(value);
  const over = value - low;
  return over > 0.5 || (over === 0.5 && low % 2 === 1) ? low + 1 : low;
}

function countText(count) {
  return String(count).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

function shareText(share) {
  return `${(share * 100).toFixed(1)}%`;
}

/** A value of a tensor, to as many digits as the record keeps. */
function valueText(value) {
  const read = num(value);
  if (read === null || read === undefined) return NOTHING;
  return Number.isFinite(read) ? String(read) : notFiniteText(read);
}
