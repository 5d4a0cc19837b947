import { messageOf } from "../fault/fault.ts";
import type { Fields } from "./log.ts";

const DEEPEST = 4;

/** A copy of a field's value in JSON's own types, so that both formats show the same; an error becomes its message. */
export function plainValue(value: unknown, depth = 0): unknown {
  switch (typeof value) {
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "bigint":
    case "symbol":
    case "function":
      return String(value);
    case "object":
      return value === null ? null : plainObject(value, depth);
    case "string":
    case "boolean":
    case "undefined":
      return value;
  }
}

function plainObject(value: object, depth: number): unknown {
  if (value instanceof Error) return messageOf(value);
  if (hasToJSON(value)) return plainValue(value.toJSON(), depth + 1);
  // also what ends a cycle
  if (depth >= DEEPEST) return "...";
  if (Array.isArray(value) || value instanceof Set) return Array.from(value, (each) => plainValue(each, depth + 1) ?? null);
  const entries: Iterable<[unknown, unknown]> = value instanceof Map ? value : Object.entries(value);
  return Object.fromEntries(Array.from(entries, ([key, each]) => [String(key), plainValue(each, depth + 1)]));
}

function hasToJSON(value: object): value is { toJSON(): unknown } {
  return "toJSON" in value && typeof value.toJSON === "function";
}

/** Names that each line has of itself. */
const RESERVED: ReadonlySet<string> = new Set(["time", "level", "msg"]);

export function plainFields(fields: Fields): Fields {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries.map(([key, value]) => [RESERVED.has(key) ? `field.${key}` : key, plainValue(value)]));
}
