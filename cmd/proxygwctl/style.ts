/** How words stand out on a terminal: https://www.ecma-international.org/publications-and-standards/standards/ecma-48/, SGR. */
export type Paint = (text: string) => string;

export interface Style {
  readonly bold: Paint;
  readonly dim: Paint;
  readonly red: Paint;
  readonly green: Paint;
  readonly yellow: Paint;
  readonly reverse: Paint;
}

const PLAIN: Paint = (text) => text;
const paint =
  (on: number, off: number): Paint =>
  (text) =>
    text === "" ? text : `\x1b[${on}m${text}\x1b[${off}m`;

export const COLOURS: Style = {
  bold: paint(1, 22),
  dim: paint(2, 22),
  red: paint(31, 39),
  green: paint(32, 39),
  yellow: paint(33, 39),
  reverse: paint(7, 27),
};

export const NO_COLOURS: Style = { bold: PLAIN, dim: PLAIN, red: PLAIN, green: PLAIN, yellow: PLAIN, reverse: PLAIN };

/** Of a state of a target or a frontend. */
export function statePaint(style: Style, state: string): Paint {
  if (state === "active" || state === "running") return style.green;
  if (["warming", "draining", "starting", "stopping"].includes(state)) return style.yellow;
  return style.dim;
}
