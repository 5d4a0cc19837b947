import type { EngineEvent } from "../../pkg/plugin/plugin.ts";

/** What may follow the type of an event: the state it came to, the outcome, the gate; "failed" for what has an error. */
const PARTS: Readonly<Record<EngineEvent["type"], readonly string[]>> = {
  target_state: ["inactive", "warming", "active", "draining", "closed", "failed"],
  frontend_state: ["stopped", "starting", "running", "stopping", "closed", "failed"],
  hold: [],
  release: ["passed", "refused", "timed_out", "dropped"],
  refusal: ["denied", "ignored", "limited", "overflowed"],
  transaction: ["failed"],
  reload: ["failed"],
};

/** What a configuration may ask for: `target_state`, `target_state.active`, ... */
export const EVENT_NAMES: readonly string[] = Object.entries(PARTS).flatMap(([type, parts]) => [
  type,
  ...parts.map((part) => `${type}.${part}`),
]);

/** By which names an event may be asked for. */
export function namesOf(event: EngineEvent): string[] {
  const { type, error } = { error: undefined, ...event };
  const parts = [partOf(event), error === undefined ? undefined : "failed"];
  return [type, ...parts.flatMap((part) => (part === undefined ? [] : [`${type}.${part}`]))];
}

function partOf(event: EngineEvent): string | undefined {
  switch (event.type) {
    case "target_state":
    case "frontend_state":
      return event.to;
    case "release":
      return event.outcome;
    case "refusal":
      return event.gate;
    case "hold":
    case "transaction":
    case "reload":
      return undefined;
  }
}
