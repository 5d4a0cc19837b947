import type { Problem } from "./config-error.ts";

/** Offsets in a text, the end one excluded. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Longest part of a line that an excerpt shows, in characters. */
const EXCERPT_WIDTH = 120;

const LOW_SURROGATES = /[\udc00-\udfff]/g;

/** A file's text, and where in it an offset lies. */
export class Source {
  readonly file: string;
  readonly text: string;
  readonly #lineStarts: number[] = [0];

  constructor(file: string, text: string) {
    this.file = file;
    this.text = text;
    for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) this.#lineStarts.push(at + 1);
  }

  /** 1-based. */
  lineAt(offset: number): number {
    let low = 0;
    let high = this.#lineStarts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.#lineStarts[middle] ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return low + 1;
  }

  /** The text of a line without its end. */
  line(number: number): string {
    const start = this.#lineStarts[number - 1] ?? this.text.length;
    const end = this.#lineStarts[number] ?? this.text.length + 1;
    return this.text.slice(start, end - 1).replace(/\r$/, "");
  }

  problem({ start, end }: Span, message: string): Problem {
    const number = this.lineAt(start);
    const line = this.line(number);
    const offset = Math.min(start - (this.#lineStarts[number - 1] ?? 0), line.length);
    const before = line.slice(0, offset);
    const marked = line.slice(offset, offset + Math.max(1, end - start));
    return {
      file: this.file,
      line: number,
      column: before.length - (before.match(LOW_SURROGATES)?.length ?? 0) + 1,
      message: printable(message),
      excerpt: excerpt(number, before, marked, line.slice(offset + marked.length)),
    };
  }
}

function excerpt(number: number, before: string, marked: string, after: string): string {
  // a window of the line, in UTF-16 units, that holds more characters than will be shown: a line may be megabytes long
  const left = Array.from(before.slice(-2 * EXCERPT_WIDTH));
  const lead = left.length > EXCERPT_WIDTH / 2 ? ["…", ...left.slice(-EXCERPT_WIDTH / 2)] : left;
  const room = EXCERPT_WIDTH - lead.length;
  const middle = Array.from(marked.slice(0, 2 * EXCERPT_WIDTH)).slice(0, room);
  const right = Array.from(`${marked}${after.slice(0, 2 * EXCERPT_WIDTH)}`.slice(middle.join("").length, 4 * EXCERPT_WIDTH));
  const tail = right.slice(0, room - middle.length);
  if (right.length > tail.length) tail.push("…");
  const margin = String(number).padStart(5);
  const pad = lead.map((each) => (each === "\t" ? "\t" : " ")).join("");
  const text = printable([...lead, ...middle, ...tail].join(""));
  return `${margin} | ${text}\n${" ".repeat(margin.length)} | ${pad}${"^".repeat(Math.max(1, middle.length))}`;
}

/** A file may hold escape sequences: they must not reach a terminal through a message. */
function printable(text: string): string {
  return text.replace(/[^\P{Cc}\t]/gu, "\u{fffd}");
}
