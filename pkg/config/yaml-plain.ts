import type { Node, Pair, YAMLMap } from "yaml";
import { isAlias, isMap, isScalar, isSeq } from "yaml";
import { quote } from "./nearest.ts";
import type { Problem } from "./config-error.ts";
import type { Source, Span } from "./source.ts";

/** Bounds on what aliases may unfold to: a few lines can stand for billions of values. */
const MOST_NODES = 1_000_000;
const DEEPEST = 400;

export interface Plain {
  readonly value: unknown;
  /** For each alias, the node it stands for. */
  readonly anchors: ReadonlyMap<Node, Node>;
  readonly problems: readonly Problem[];
}

/**
 * The value of a YAML tree. Every alias yields a copy of its own, so that filling in defaults at one place changes no
 * other. (The library's own conversion shares them, and looks up each alias by a walk through the whole document.)
 */
export function toPlain(root: Node | null, source: Source): Plain {
  const conversion = new Conversion(source);
  return { value: conversion.convert(root), anchors: conversion.aliases, problems: conversion.problems };
}

class Conversion {
  readonly aliases = new Map<Node, Node>();
  readonly problems: Problem[] = [];
  readonly #source: Source;
  readonly #anchors = new Map<string, Node>();
  /** Collections that are being converted: an alias to one of them would never end. */
  readonly #open = new Set<Node>();
  /** Aliases, while the ones they lead to are converted. */
  #unfolding = 0;
  #nodes = 0;
  #refused = false;

  constructor(source: Source) {
    this.#source = source;
  }

  convert(node: Node | null): unknown {
    if (node === null) return null;
    if (isAlias(node)) return this.#alias(node);
    if ("anchor" in node && typeof node.anchor === "string" && this.#unfolding === 0) this.#anchors.set(node.anchor, node);
    if (++this.#nodes > MOST_NODES || this.#open.size > DEEPEST) return this.#refuse(node);
    if (isScalar(node)) return node.value;
    this.#open.add(node);
    const value = isSeq<Node>(node)
      ? node.items.map((item) => this.convert(item))
      : isMap<Node, Node | null>(node)
        ? this.#map(node)
        : null;
    this.#open.delete(node);
    return value;
  }

  #alias(alias: Node & { source: string }): unknown {
    if (this.#refused) return null;
    // inside of what an alias stands for, its own aliases have been resolved before: the same name may mean another one now
    const target = this.aliases.get(alias) ?? this.#anchors.get(alias.source);
    if (target === undefined) {
      this.#report(alias, `there is no anchor "&${alias.source}" before this alias`);
      return null;
    }
    if (this.#open.has(target)) {
      this.#report(alias, `the alias "*${alias.source}" stands for something that contains it`);
      return null;
    }
    this.aliases.set(alias, target);
    this.#unfolding++;
    const value = this.convert(target);
    this.#unfolding--;
    return value;
  }

  #map(map: YAMLMap<Node, Node | null>): unknown {
    const own = new Map<string, Node>();
    const value: Record<string, unknown> = {};
    const merged: Record<string, unknown>[] = [];
    for (const pair of map.items) {
      const key = this.#key(pair, own);
      const converted = this.convert(pair.value);
      if (isMergeKey(pair.key)) merged.push(...this.#merged(pair, converted));
      else if (key !== undefined) set(value, key, converted);
    }
    for (const each of merged) {
      for (const [key, inherited] of Object.entries(each)) if (!Object.hasOwn(value, key)) set(value, key, inherited);
    }
    return value;
  }

  #key(pair: Pair<Node, Node | null>, seen: Map<string, Node>): string | undefined {
    if (!isScalar(pair.key)) {
      this.#report(pair.key, "a key must be plain text");
      return undefined;
    }
    const key = keyText(pair.key);
    const first = seen.get(key);
    if (first !== undefined && this.#unfolding === 0) {
      const line = this.#source.lineAt(rangeOf(first)?.start ?? 0);
      this.#report(pair.key, `the key ${quote(key)} is there twice; the first one is in line ${line}`);
    }
    seen.set(key, first ?? pair.key);
    return key;
  }

  #merged(pair: Pair<Node, Node | null>, converted: unknown): Record<string, unknown>[] {
    const list = (Array.isArray(converted) ? (converted as unknown[]) : [converted]).filter((each) => each !== null);
    const mappings = list.filter(isMapping);
    if (mappings.length < list.length) this.#report(pair.key, '"<<" takes a mapping or a list of mappings, mostly an alias');
    return mappings;
  }

  #refuse(node: Node): null {
    if (!this.#refused)
      this.#report(node, "too many values, or too deep: the aliases of this file unfold to more than can be meant");
    this.#refused = true;
    return null;
  }

  #report(node: Node, message: string): void {
    this.problems.push(this.#source.problem(rangeOf(node) ?? { start: 0, end: 0 }, message));
  }
}

export function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A key as a property name; empty for one that isn't a scalar. */
export function keyText(key: unknown): string {
  if (!isScalar(key)) return "";
  return typeof key.value === "string" ? key.value : (key.source ?? String(key.value));
}

/** `<<` without quotes brings in the pairs of other mappings. */
export function isMergeKey(key: unknown): boolean {
  return isScalar(key) && key.value === "<<" && key.type === "PLAIN";
}

export function rangeOf(node: Node | null): Span | undefined {
  const range = node?.range;
  return range === null || range === undefined ? undefined : { start: range[0], end: range[1] };
}

/** Also for the key "__proto__", which an assignment would take for something else. */
function set(object: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}
