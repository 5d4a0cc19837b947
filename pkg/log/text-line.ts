/**
 * One line in the form of Go's slog.TextHandler, which the reference writes: `time=… level=INFO msg="two words" key=value`.
 * Its rules for quotes: https://cs.opensource.google/go/go/+/master:src/log/slog/text_handler.go (needsQuoting).
 */
export function textLine(record: Readonly<Record<string, unknown>>): string {
  return Object.entries(record)
    .flatMap(([key, value]) => pairs(key, value))
    .join(" ");
}

/** Groups are flattened, as slog does: `a={b:1}` is `a.b=1`. */
function pairs(key: string, value: unknown): string[] {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return Object.entries(value).flatMap(([inner, each]) => pairs(`${key}.${inner}`, each));
  }
  return [`${quoted(key)}=${quoted(valueText(value))}`];
}

function valueText(value: unknown): string {
  if (value === null) return "<nil>";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Letters, marks, numbers, punctuation and symbols, as Go's unicode.IsPrint, less what slog never leaves bare. */
const BARE = /^(?:(?!["=])[\p{L}\p{M}\p{N}\p{P}\p{S}])+$/u;

function quoted(text: string): string {
  return BARE.test(text) ? text : `"${text.replaceAll(/["\\]|[^ \p{L}\p{M}\p{N}\p{P}\p{S}]/gu, escaped)}"`;
}

const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\x07": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
};

/** As Go's strconv.Quote. */
function escaped(character: string): string {
  const short = SHORT[character];
  if (short !== undefined) return short;
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x20 || code === 0x7f) return `\\x${hex(code, 2)}`;
  return code > 0xffff ? `\\U${hex(code, 8)}` : `\\u${hex(code, 4)}`;
}

function hex(code: number, width: number): string {
  return code.toString(16).padStart(width, "0");
}
