import type { Element } from "./elements.ts";
import { addLine } from "./elements.ts";
import { newTableLines, sharingLines, type TableSpec, tableParts } from "./ruleset.ts";
import { TableContent } from "./table-content.ts";
import { addPartLines, type TablePart } from "./table-part.ts";
import type { Prepared } from "./transactor.ts";

/** The table as it should be by now: what never changes, and what mappings and endpoints need. */
export class WholeTable {
  readonly content: TableContent;
  readonly #table: string;
  #spec: TableSpec | undefined;
  #parts: readonly TablePart[] = [];
  #chainsMade = -1;
  /** Whether it has what shared endpoints take. */
  #shared = false;

  constructor(table: string) {
    this.#table = table;
    this.content = new TableContent(table);
  }

  get spec(): TableSpec | undefined {
    return this.#spec;
  }

  set spec(spec: TableSpec | undefined) {
    this.#spec = spec;
    this.#chainsMade = -1;
  }

  /** What shared endpoints take, which costs packets that are no endpoint's a look-up each, so it comes with the first of them. It stays. */
  needShared(): Prepared {
    if (this.#shared) return { undo: () => undefined };
    this.#setShared(true);
    return {
      lines: this.#spec === undefined ? [] : sharingLines(this.#spec),
      undo: () => {
        this.#setShared(false);
      },
    };
  }

  #setShared(shared: boolean): void {
    this.#shared = shared;
    this.#chainsMade = -1;
  }

  /** All but the elements; the same array for as long as they do not change. */
  parts(): readonly TablePart[] {
    if (this.#chainsMade !== this.content.chainsMade) {
      this.#chainsMade = this.content.chainsMade;
      this.#parts = [
        ...(this.#spec === undefined ? [] : tableParts({ ...this.#spec, shared: this.#shared })),
        ...this.content.parts(),
      ];
    }
    return this.#parts;
  }

  /** One transaction that replaces whatever table of that name there is. */
  text(further: readonly Element[] = []): string {
    const elements = [...this.content.elementLines(), ...further.map((each) => addLine(this.#table, each))];
    return `${[...newTableLines(this.#table), ...addPartLines(this.#table, this.parts()), ...elements].join("\n")}\n`;
  }
}
