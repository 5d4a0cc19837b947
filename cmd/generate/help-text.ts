/** What a program says with --help, taken apart: commander's own layout, and what the program has added below. */
export interface Help {
  /** Without "Usage: " and the program's name. */
  readonly usage: string;
  readonly description: string;
  /** Terms as they are printed, such as "--config <file>". */
  readonly options: readonly Item[];
  readonly arguments: readonly Item[];
  readonly commands: readonly Item[];
  readonly more: readonly Part[];
}

export interface Item {
  readonly term: string;
  readonly text: string;
}

export interface Part {
  /** "" for what stands under no title. */
  readonly title: string;
  readonly lines: readonly string[];
}

export function readHelp(text: string): Help {
  const parts = partsOf(text);
  const of = (title: string): Item[] => itemsOf(parts.find((each) => each.title === title)?.lines ?? []);
  const [first, ...plain] = parts.filter(({ title }) => title === "").flatMap(({ lines }) => paragraphs(lines));
  const [, usage] = /^Usage: \S+ ?(.*)/.exec(first ?? "") ?? [];
  if (usage === undefined) throw new Error(`this is no help that begins with "Usage:": ${text.slice(0, 80)}`);
  const own = ["", "Options", "Arguments", "Commands"];
  const [description = "", ...below] = plain;
  return {
    usage,
    description,
    options: of("Options"),
    arguments: of("Arguments"),
    commands: of("Commands"),
    more: [...(below.length === 0 ? [] : [{ title: "", lines: below }]), ...parts.filter(({ title }) => !own.includes(title))],
  };
}

/** A title is a line of its own that ends with a colon; its part goes on for as long as lines are indented. */
function partsOf(text: string): Part[] {
  const parts: { title: string; lines: string[] }[] = [];
  let current: { title: string; lines: string[] } | undefined;
  for (const line of text.trimEnd().split("\n")) {
    const [, title] = /^([A-Z][\w ]*):$/.exec(line) ?? [];
    if (title !== undefined) parts.push((current = { title, lines: [] }));
    else {
      const goesOn = current !== undefined && (line === "" || current.title === "" || line.startsWith(" "));
      if (!goesOn) parts.push((current = { title: "", lines: [] }));
      current?.lines.push(line);
    }
  }
  return parts.map(({ title, lines }) => ({ title, lines: lines.join("\n").trim() === "" ? [] : trimmed(lines) }));
}

function trimmed(lines: readonly string[]): string[] {
  const last = lines.findLastIndex((line) => line !== "");
  return lines.slice(0, last + 1);
}

function paragraphs(lines: readonly string[]): string[] {
  return lines
    .join("\n")
    .split(/\n\n+/)
    .map((each) => each.replaceAll("\n", " ").trim())
    .filter((each) => each !== "");
}

/** "  term   text", with the text going on in further lines below itself. */
export function itemsOf(lines: readonly string[]): Item[] {
  const items: { term: string; text: string }[] = [];
  for (const line of lines) {
    const [, term, text = ""] = /^ {2}(\S.*?)(?: {2,}(.*))?$/.exec(line) ?? [];
    const last = items.at(-1);
    if (term !== undefined) items.push({ term, text });
    else if (last !== undefined) last.text = `${last.text} ${line.trim()}`.trim();
  }
  return items;
}
