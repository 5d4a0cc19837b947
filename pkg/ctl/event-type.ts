/** The events that a client may subscribe to, and which of them it gets without naming any. Names never change; some may be added. */
export const EVENT_TYPES = {
  target_state: true,
  frontend_state: true,
  hold: true,
  release: true,
  refusal: true,
  // of use to who measures: there are several for each wake
  transaction: false,
  reload: true,
} as const;

type EventTypeName = keyof typeof EVENT_TYPES;

export const ALL_EVENTS = Object.keys(EVENT_TYPES) as readonly EventTypeName[];
export const DEFAULT_EVENTS: readonly EventTypeName[] = ALL_EVENTS.filter((each) => EVENT_TYPES[each]);

export function isEventType(name: unknown): name is EventTypeName {
  return typeof name === "string" && Object.hasOwn(EVENT_TYPES, name);
}
