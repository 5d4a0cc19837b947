/** What differs between two configurations. Pure functions. */
import { isDeepStrictEqual } from "node:util";
import type { Config } from "../config/types.ts";

/** The same name in both, and not the same. */
export interface Changed<T> {
  readonly before: T;
  readonly after: T;
  /** As they are called in the file. */
  readonly fields: readonly string[];
}

export interface Difference<T> {
  readonly added: readonly T[];
  readonly removed: readonly T[];
  readonly changed: readonly Changed<T>[];
  readonly same: readonly T[];
}

/** Fields of a resolved target or frontend, and what they are called in the file, where that is another name. */
const FILE_NAMES: Readonly<Record<string, string>> = {
  idleTimeoutMs: "idle_timeout",
  flowTimeoutMs: "flow_timeout",
  routes: "listen",
  endpoint: "target",
  whenCold: "kind",
};

export function difference<T extends { readonly name: string }>(before: readonly T[], after: readonly T[]): Difference<T> {
  const former = new Map(before.map((each) => [each.name, each]));
  const names = new Set(after.map(({ name }) => name));
  const added: T[] = [];
  const changed: Changed<T>[] = [];
  const same: T[] = [];
  for (const each of after) {
    const was = former.get(each.name);
    if (was === undefined) added.push(each);
    else if (isDeepStrictEqual(was, each)) same.push(each);
    else changed.push({ before: was, after: each, fields: changedFields(was, each) });
  }
  return { added, removed: before.filter(({ name }) => !names.has(name)), changed, same };
}

function changedFields(before: object, after: object): string[] {
  const flat = (each: object): Record<string, unknown> => {
    const { gates, ...rest } = each as { gates?: object };
    return { ...rest, ...gates };
  };
  const [one, other] = [flat(before), flat(after)];
  const keys = [...new Set([...Object.keys(one), ...Object.keys(other)])].filter(
    (key) => !isDeepStrictEqual(one[key], other[key]),
  );
  // where an address leads follows from these two
  const own = keys.filter((key) => key !== "routes" || !isSameListen(one[key], other[key]) || keys.length === 1);
  return [...new Set(own.map((key) => FILE_NAMES[key] ?? key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)))];
}

function isSameListen(one: unknown, other: unknown): boolean {
  const listens = (routes: unknown): unknown => (routes as { listen: unknown }[]).map(({ listen }) => listen);
  return isDeepStrictEqual(listens(one), listens(other));
}

/** Settings that are taken over at a start only, and differ. */
export function needsRestart(before: Config, after: Config): string[] {
  return [
    ...(isDeepStrictEqual(before.dataplane, after.dataplane) ? [] : ["dataplane"]),
    ...(before.runtimeDir === after.runtimeDir ? [] : ["runtime_dir"]),
    ...[...new Set([...before.plugins.keys(), ...after.plugins.keys()])]
      .filter((name) => !isDeepStrictEqual(before.plugins.get(name), after.plugins.get(name)))
      .map((name) => `plugins.${name}`),
  ];
}
