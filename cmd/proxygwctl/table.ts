import { cut, oneLine, widthOf } from "./cell-text.ts";
import type { Paint, Style } from "./style.ts";

export interface Cell {
  readonly text: string;
  readonly paint?: Paint | undefined;
}

export interface Column {
  readonly title: string;
  /** Numbers stand to the right. */
  readonly right?: true;
  /** Of the title. */
  readonly paint?: Paint;
}

export interface Row {
  readonly cells: readonly (Cell | string)[];
  /** Lines below it. */
  readonly notes?: readonly Cell[];
}

export interface Layout {
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
}

const GAP = "  ";

/** The table of `wide` where that has room in `width`, else that of `narrow`, which says in notes what has no column of its own there. */
export function fittingTable(wide: Layout, narrow: Layout, style: Style, width: number): string[] {
  const taken = columnWidths(wide.columns, textsOf(wide.rows)).reduce((sum, each) => sum + each + GAP.length, -GAP.length);
  const { columns, rows } = taken <= width ? wide : narrow;
  return table(columns, rows, style);
}

/**
 * Lines of a table with a head. With `width`, none is longer: it is cut. Nothing in it can do anything to a terminal but what `style`
 * does.
 */
export function table(columns: readonly Column[], rows: readonly Row[], style: Style, width = Infinity): string[] {
  const texts = textsOf(rows);
  const widths = columnWidths(columns, texts);
  const line = (parts: readonly string[], paints: readonly (Paint | undefined)[]): string => {
    let room = width;
    let painted = "";
    for (const [at, part] of parts.entries()) {
      const fill = " ".repeat((widths[at] ?? 0) - widthOf(part));
      const isLast = at === parts.length - 1;
      const padded = columns[at]?.right === true ? `${fill}${part}` : `${part}${isLast ? "" : fill}`;
      const shown = cut(`${at === 0 ? "" : GAP}${padded}`, room);
      room -= widthOf(shown);
      painted += (paints[at] ?? ((text) => text))(shown);
      if (room <= 0) break;
    }
    return painted;
  };
  const head = line(
    columns.map(({ title }) => title),
    columns.map(({ paint = style.bold }) => paint),
  );
  return [
    head,
    ...rows.flatMap(({ cells, notes = [] }, at) => [
      line(
        texts[at] ?? [],
        cells.map((cell) => (typeof cell === "string" ? undefined : cell.paint)),
      ),
      ...notes.map(({ text, paint = (same) => same }) => paint(cut(`${GAP}${oneLine(text)}`, width))),
    ]),
  ];
}

function textsOf(rows: readonly Row[]): string[][] {
  return rows.map(({ cells }) => cells.map((cell) => oneLine(typeof cell === "string" ? cell : cell.text)));
}

function columnWidths(columns: readonly Column[], texts: readonly (readonly string[])[]): number[] {
  return columns.map(({ title }, at) => texts.reduce((widest, row) => Math.max(widest, widthOf(row[at] ?? "")), title.length));
}
