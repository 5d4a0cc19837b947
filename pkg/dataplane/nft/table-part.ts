/** What a table is made of besides elements, and its text for nft. Pure functions. */

export interface TablePart {
  readonly kind: "set" | "map" | "ct timeout" | "flowtable" | "chain";
  readonly name: string;
  /** What stands between the braces of its declaration; of a chain that is no base chain, nothing. */
  readonly body: readonly string[];
  /** Of a chain, in order. */
  readonly rules: readonly string[];
}

export function setPart(name: string, body: readonly string[]): TablePart {
  return { kind: "set", name, body, rules: [] };
}

export function mapPart(name: string, body: readonly string[]): TablePart {
  return { kind: "map", name, body, rules: [] };
}

export function chainPart(name: string, rules: readonly string[], base?: string): TablePart {
  return { kind: "chain", name, body: base === undefined ? [] : [base], rules };
}

/** Lines that add `parts` to the table: whatever is declared comes before the rules that refer to it. */
export function addPartLines(table: string, parts: readonly TablePart[]): string[] {
  return [...parts.map((part) => declarationLine(table, part)), ...parts.flatMap((part) => ruleLines(table, part))];
}

export function declarationLine(table: string, { kind, name, body }: TablePart): string {
  const braces = body.length === 0 ? "" : ` {\n${body.map((line) => `${line}\n`).join("")}}`;
  return `add ${kind} inet ${table} ${name}${braces}`;
}

export function ruleLines(table: string, { name, rules }: TablePart): string[] {
  return rules.map((rule) => `add rule inet ${table} ${name} ${rule}`);
}
