import type { EngineEvent, EventType } from "../../pkg/plugin/event.ts";
import { formatAge } from "../../pkg/value/age.ts";
import { oneLine } from "./cell-text.ts";
import { reloadLines } from "./reload-lines.ts";
import { statePaint, type Style } from "./style.ts";

type Describe<Type extends EventType> = (event: Extract<EngineEvent, { type: Type }>, style: Style) => string;

const DESCRIBE: { readonly [Type in EventType]: Describe<Type> } = {
  target_state(event, style) {
    const who = event.frontend === undefined ? "" : ` (${event.frontend})`;
    const why = event.reason === undefined ? "" : `: ${event.reason}${who}`;
    const took = event.took_ms === undefined ? "" : `, ready in ${formatAge(event.took_ms)}`;
    const retry = event.retry_in_ms === undefined ? "" : `; clients wake it again in ${formatAge(event.retry_in_ms)}`;
    return `target ${event.target} ${move(event, style)}${why}${took}${failure(event, style)}${retry}`;
  },
  frontend_state(event, style) {
    const why = event.reason === undefined ? "" : `: ${event.reason}`;
    return `frontend ${event.frontend} ${move(event, style)}${why}${failure(event, style)}`;
  },
  hold: ({ frontend, source }, { yellow }) => `frontend ${frontend} ${yellow("holds")} ${source}`,
  release({ frontend, source, outcome, held_ms: ms }, { green, red }) {
    const paint = outcome === "passed" ? green : red;
    return `frontend ${frontend} ${paint(outcome.replace("_", " "))} ${source} after ${formatAge(ms)}`;
  },
  refusal: ({ frontend, gate, packets }, { yellow }) =>
    `frontend ${frontend} ${yellow(gate)} ${packets} ${packets === 1 ? "packet" : "packets"}`,
  transaction: (event, style) => `transaction ${formatAge(event.took_ms)}${failure(event, style)}`,
  reload: (event, style) => `reload${failure(event, style) || `: ${reloadLines(event.report).lines.map(squeezed).join("; ")}`}`,
};

/** An event, for people, in one line. */
export function eventLine(event: EngineEvent, style: Style): string {
  // of a newer daemon
  const isKnown = Object.hasOwn(DESCRIBE, event.type);
  const text = isKnown ? (DESCRIBE[event.type] as Describe<EventType>)(harmless(event), style) : `${event.type} ${rest(event)}`;
  return `${style.dim(oneLine(event.at))} ${isKnown ? text : oneLine(text)}`;
}

/** Whether it is about one of these targets or frontends. */
export function concerns(event: EngineEvent, names: ReadonlySet<string>): boolean {
  return ("target" in event && names.has(event.target)) || ("frontend" in event && names.has(event.frontend ?? ""));
}

/** Texts in it can't do anything to a terminal then; colours come afterwards. */
function harmless<Event extends EngineEvent>(event: Event): Event {
  return JSON.parse(JSON.stringify(event), (_key, value: unknown) =>
    typeof value === "string" ? oneLine(value) : value,
  ) as Event;
}

function move({ from, to }: { readonly from: string; readonly to: string }, style: Style): string {
  return `${from} -> ${statePaint(style, to)(to)}`;
}

function failure({ error }: { readonly error?: string }, { red }: Style): string {
  return error === undefined ? "" : ` ${red(`failed: ${error}`)}`;
}

function squeezed(line: string): string {
  return line.replaceAll(/ +/g, " ");
}

function rest(event: object): string {
  return JSON.stringify({ ...event, at: undefined, type: undefined });
}
