import type { Element } from "./elements.ts";
import { addLine } from "./elements.ts";
import { newTableLines, type TableSpec, tableParts } from "./ruleset.ts";
import type { TableContent } from "./table-content.ts";
import { addPartLines, type TablePart } from "./table-part.ts";

/** The table as it should be by now: what never changes, and what mappings and endpoints need. */
export class WholeTable {
  readonly content: TableContent;
  readonly #table: string;
  #spec: TableSpec | undefined;
  #parts: readonly TablePart[] = [];
  #chainsMade = -1;

  constructor(table: string, content: TableContent) {
    this.#table = table;
    this.content = content;
  }

  get spec(): TableSpec | undefined {
    return this.#spec;
  }

  set spec(spec: TableSpec | undefined) {
    this.#spec = spec;
    this.#chainsMade = -1;
  }

  /** All but the elements; the same array for as long as they do not change. */
  parts(): readonly TablePart[] {
    if (this.#chainsMade !== this.content.chainsMade) {
      this.#chainsMade = this.content.chainsMade;
      this.#parts = [...(this.#spec === undefined ? [] : tableParts(this.#spec)), ...this.content.parts()];
    }
    return this.#parts;
  }

  /** One transaction that replaces whatever table of that name there is. */
  text(further: readonly Element[] = []): string {
    const elements = [...this.content.elementLines(), ...further.map((each) => addLine(this.#table, each))];
    return `${[...newTableLines(this.#table), ...addPartLines(this.#table, this.parts()), ...elements].join("\n")}\n`;
  }
}
