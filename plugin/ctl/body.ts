/** What stands in the bodies of requests. Fields that are not known are ignored. */
import { ALL_EVENTS, DEFAULT_EVENTS, isEventType } from "../../pkg/ctl/event-type.ts";
import { Fault } from "../../pkg/fault/fault.ts";
import type { EventType, StatusQuery } from "../../pkg/plugin/plugin.ts";

/** Of an error that repeats what was sent. */
const LONGEST_QUOTE = 60;

/** @throws Fault CTL_BODY_INVALID, as all below */
export function nameIn(body: unknown): string {
  const name = field(body, "name");
  if (!isName(name)) throw invalid('the body must be a map with a "name" that is a text');
  return name;
}

/** Optional; anything but true is false. */
export function forceIn(body: unknown): boolean {
  return field(body, "force") === true;
}

/** undefined: neither is there. */
export function statusQueryIn(body: unknown): StatusQuery | undefined {
  const names = field(body, "names");
  const traffic = field(body, "traffic");
  if (names === undefined && traffic === undefined) return undefined;
  if (names !== undefined && !(Array.isArray(names) && names.every(isName))) {
    throw invalid('"names" must be a list of names of targets and frontends, such as ["backend"]; leave it out for all');
  }
  if (traffic !== undefined && typeof traffic !== "boolean") throw invalid('"traffic" must be true or false');
  return { ...(names === undefined ? {} : { names }), ...(traffic === undefined ? {} : { traffic }) };
}

/** undefined: all. */
export function flowsTargetIn(body: unknown): string | undefined {
  const target = field(body, "target");
  if (target !== undefined && !isName(target)) throw invalid('"target" must be the name of a target; leave it out for all');
  return target;
}

export function eventsIn(body: unknown): ReadonlySet<EventType> {
  const events = field(body, "events");
  if (events === undefined) return new Set(DEFAULT_EVENTS);
  if (!Array.isArray(events) || events.length === 0) {
    throw invalid(`"events" must be a list of ${ALL_EVENTS.join(", ")}; leave it out for all but transaction`);
  }
  return new Set(events.map(eventType));
}

function eventType(event: unknown): EventType {
  if (isEventType(event)) return event;
  const name = typeof event === "string" ? JSON.stringify(event.slice(0, LONGEST_QUOTE)) : "something that is no text";
  throw invalid(`"events" has ${name}; there are ${ALL_EVENTS.join(", ")}`);
}

function field(body: unknown, name: string): unknown {
  return typeof body === "object" && body !== null && Object.hasOwn(body, name)
    ? (body as Readonly<Record<string, unknown>>)[name]
    : undefined;
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function invalid(message: string): Fault {
  return new Fault("CTL_BODY_INVALID", message);
}
