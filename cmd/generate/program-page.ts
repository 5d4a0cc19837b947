import { itemsOf, type Help, type Item, type Part } from "./help-text.ts";
import { argument, head, literal, prose } from "./mdoc.ts";
import type { ProgramHelp } from "./program-help.ts";

/** The order that mdoc(7) asks for. */
const ORDER = ["NAME", "SYNOPSIS", "DESCRIPTION", "ENVIRONMENT", "FILES", "EXIT STATUS", "EXAMPLES", "DIAGNOSTICS", "SEE ALSO"];

/**
 * NAME(8): what the program says of itself, and what people have written of it, `written`: mdoc with sections of its own, which are put
 * with those of the same name.
 */
export function programPage(program: ProgramHelp, written: string): string {
  const sections = new Map<string, string[]>(ORDER.map((each) => [each, []]));
  const add = (title: string, lines: readonly string[]): void => {
    const known = sections.get(title);
    if (known === undefined) throw new Error(`no place for a section ${title} in the manual page of ${program.name}`);
    known.push(...lines);
  };
  add("NAME", [`.Nm ${program.name}`, `.Nd ${literal(sentence(program.main.description))}`]);
  add("SYNOPSIS", [program.main, ...program.commands.map(({ help }) => help)].flatMap(synopsis));
  add("DESCRIPTION", prose(program.main.description));
  for (const part of program.main.more) add(...moreOf(part));
  for (const [title, lines] of sectionsOf(written)) add(title, lines);
  add("DESCRIPTION", [...subsection("Options", program.main.options), ...commands(program)]);
  const body = [...sections].filter(([, lines]) => lines.length > 0).flatMap(([title, lines]) => [`.Sh ${title}`, ...lines]);
  return [...head(program.name.toUpperCase(), 8), ...body, ""].join("\n");
}

function sentence(text: string): string {
  return `${text.charAt(0).toLowerCase()}${text.slice(1).replace(/\.$/, "")}`;
}

/** Under a title that mdoc knows, or below the description. */
function moreOf({ title, lines }: Part): [string, string[]] {
  if (title === "") return ["DESCRIPTION", [".Pp", ...lines.flatMap(prose)]];
  const isList = lines.every((line) => /^ {2}\S+ {2,}\S|^ {4}/.test(line));
  const text = isList
    ? list(itemsOf(lines))
    : [".Bd -literal", ...lines.map((line) => literal(line.replace(/^ {2}/, ""))), ".Ed"];
  const known = title.toUpperCase();
  return ORDER.includes(known) ? [known, text] : ["DESCRIPTION", [`.Ss ${argument(title)}`, ...text]];
}

function sectionsOf(written: string): [string, string[]][] {
  return written
    .split(/^\.Sh /m)
    .slice(1)
    .map((each) => {
      const [title = "", ...lines] = each.trimEnd().split("\n");
      return [title, lines];
    });
}

function synopsis({ usage }: Help): string[] {
  return [".Nm", ...usage.split(/ (?![^<[]*[>\]])/).flatMap((word) => synopsisWord(word))];
}

function synopsisWord(word: string): string[] {
  if (word === "" || word === "[command]") return [];
  if (word.startsWith("[") && word.endsWith("]")) return [`.Op Ar ${literal(word.slice(1, -1))}`];
  if (word.startsWith("<")) return [`.Ar ${literal(word.replaceAll(/[<>]/g, ""))}`];
  return [`.Cm ${literal(word)}`];
}

function subsection(title: string, items: readonly Item[]): string[] {
  return items.length === 0 ? [] : [`.Ss ${title}`, ...list(items)];
}

function list(items: readonly Item[]): string[] {
  return [".Bl -tag -width Ds", ...items.flatMap(({ term, text }) => [`.It ${words(term)}`, ...prose(text)]), ".El"];
}

/** `-h, --help`, `--config <file>`, `drain [options] <name>`, `130` */
function words(term: string): string {
  return term
    .split(" ")
    .map((word) => {
      const [, bare = word, comma = ""] = /^(.*?)(,?)$/.exec(word) ?? [];
      const end = comma === "" ? "" : " ,";
      if (bare.startsWith("-")) return `Fl ${literal(bare.slice(1))}${end}`;
      if (/^[<[].*[>\]]$/.test(bare)) return `Ar ${literal(bare.startsWith("<") ? bare.slice(1, -1) : bare)}${end}`;
      return `Cm ${literal(bare)}${end}`;
    })
    .join(" ");
}

function commands({ commands: all }: ProgramHelp): string[] {
  if (all.length === 0) return [];
  const items = all.flatMap(({ name, help }) => {
    const own = help.options.filter(({ term }) => !/--help\b/.test(term));
    const inner = [...help.arguments.map(({ term, text }) => ({ term: `<${term}>`, text })), ...own];
    const usage = help.usage
      .replace(/^\S+ ?/, "")
      .replace("[options]", "")
      .trim();
    const more = help.more.flatMap((part) => moreOf(part)[1]);
    return [
      `.It ${words(`${name} ${usage}`.trim())}`,
      ...prose(help.description),
      ...(inner.length === 0 ? [] : list(inner)),
      ...more,
    ];
  });
  return [".Ss Commands", ".Bl -tag -width Ds", ...items, ".El"];
}
