/** Findings as people read them, and as programs do. */
import type { Finding, Severity } from "../../pkg/plugin/finding.ts";

export interface ReportStyle {
  /** Where the locale's characters are UTF-8. */
  readonly isUnicode: boolean;
  readonly hasColour: boolean;
  /** Columns of the terminal; undefined: lines are not broken. */
  readonly width: number | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** For a terminal of `columns`, or for none. NO_COLOR: no-color.org. */
export function styleFor(env: Environment, columns: number | undefined): ReportStyle {
  const locale = [env["LC_ALL"], env["LC_CTYPE"], env["LANG"]].find((each) => each !== undefined && each !== "") ?? "";
  const isPlain = (env["NO_COLOR"] ?? "") !== "" || env["TERM"] === "dumb";
  return { isUnicode: /utf-?8/i.test(locale), hasColour: columns !== undefined && !isPlain, width: columns };
}

const MARKS: Readonly<Record<Severity, readonly [unicode: string, ascii: string, colour: string]>> = {
  error: ["✗", "x", "31"],
  warning: ["!", "!", "33"],
  note: ["·", "-", "36"],
  ok: ["✓", "+", "32"],
};
const INDENT = "  ";
const NARROWEST = 40;

/** Lines. `about`: what was looked at. */
export function reportLines(about: string, findings: readonly Finding[], style: ReportStyle): string[] {
  const longest = Math.max(0, ...findings.map(({ id }) => id.length));
  const hanging = " ".repeat(INDENT.length + longest + 2);
  const body = findings.flatMap(({ id, severity, what, where, remedy }) => {
    const [unicode, ascii, colour] = MARKS[severity];
    const mark = coloured(style.isUnicode ? unicode : ascii, colour, style);
    const [first = "", ...rest] = [...wrapped(where === undefined ? what : `${where}: ${what}`, hanging, style)];
    const lines = [`${mark} ${coloured(id.padEnd(longest), severity === "ok" ? "0" : "1", style)}  ${first}`];
    lines.push(...rest.map((line) => `${hanging}${line}`));
    // not broken: it is to be copied
    if (remedy !== undefined) lines.push(`${hanging}${style.isUnicode ? "→" : "->"} ${remedy}`);
    return lines;
  });
  return [about, ...body, summary(findings)];
}

function coloured(text: string, colour: string, { hasColour }: ReportStyle): string {
  return hasColour && colour !== "0" ? `\u001b[${colour}m${text}\u001b[0m` : text;
}

function* wrapped(text: string, hanging: string, { width }: ReportStyle): Generator<string> {
  const room = Math.max(NARROWEST, (width ?? Infinity) - hanging.length);
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > room) {
      yield line;
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  yield line;
}

function summary(findings: readonly Finding[]): string {
  const count = (severity: Severity): number => findings.filter((each) => each.severity === severity).length;
  const [errors, warnings] = [count("error"), count("warning")];
  const counted = (number: number, what: string): string => `${number} ${what}${number === 1 ? "" : "s"}`;
  if (errors > 0) return `${counted(errors, "error")}, ${counted(warnings, "warning")}`;
  return warnings > 0 ? `nothing that stops it; ${counted(warnings, "warning")}` : "nothing that stops it";
}

/** What `-o json` prints. */
export interface JsonReport {
  /** The exit status. */
  readonly status: number;
  /** The configuration that was looked at. */
  readonly config?: string;
  readonly findings: readonly Finding[];
}
