import { messageOf } from "../fault/fault.ts";
import type { FrontendKind, OptionProblem, Schema, TargetKind } from "../plugin/plugin.ts";
import type { Registry } from "../plugin/registry.ts";
import { formatReference, parseReference } from "../value/reference.ts";
import { listOf, nearest, quote, suggestion } from "./nearest.ts";
import type { Report } from "./report.ts";
import { subjectOf } from "./subject.ts";
import type { KindReference } from "./types.ts";
import { validate } from "./validate.ts";
import type { Path } from "./yaml-document.ts";

type Side = "target" | "frontend";

export interface Found<Kind> {
  readonly reference: KindReference;
  readonly kind: Kind;
}

/** Looks up what the plugins of this build bring, and checks against it what a file says. */
export class Kinds {
  readonly registry: Registry;
  readonly #report: Report;
  readonly #root: unknown;

  constructor(registry: Registry, report: Report, root: unknown) {
    this.registry = registry;
    this.#report = report;
    this.#root = root;
  }

  /** The kind that `text` refers to; undefined when there is none, which is noted. */
  find(side: "target", text: string, path: Path): Found<TargetKind> | undefined;
  find(side: "frontend", text: string, path: Path): Found<FrontendKind> | undefined;
  find(side: Side, text: string, path: Path): Found<TargetKind | FrontendKind> | undefined {
    const names = side === "target" ? this.registry.targetKinds() : this.registry.frontendKinds();
    const reference = this.#report.parsed(path, () => parseReference(text, names[0]));
    if (reference === undefined) return undefined;
    const kind = this.#kind(side, reference);
    if (kind !== undefined) return { reference, kind };
    const other = side === "target" ? "frontend" : "target";
    if (this.#kind(other, reference) !== undefined) {
      const message = `${quote(text)} is a kind of ${other}, not of ${side}; ${side} kinds are ${listOf(names, "and")}`;
      this.#report.value(path, message);
      return undefined;
    }
    this.#report.value(path, this.#unknown(side, reference, names));
    return undefined;
  }

  #unknown(side: Side, reference: KindReference, names: readonly string[]): string {
    const text = formatReference(reference);
    const namespaces = this.registry.registrations.map((each) => each.namespace);
    if (!namespaces.includes(reference.namespace)) {
      const near = nearest(text, names);
      const hint =
        near === undefined ? suggestion(reference.namespace, "namespaces", namespaces) : `; did you mean ${quote(near)}?`;
      return `there is no plugin with the namespace ${quote(reference.namespace)}${hint}`;
    }
    // a namespace that both have in common makes any two references look alike
    const prefix = `${reference.namespace}:`;
    const siblings = names.filter((each) => each.startsWith(prefix)).map((each) => each.slice(prefix.length));
    const near = nearest(reference.name, siblings);
    const hint =
      near === undefined ? `; known ${side} kinds: ${listOf(names, "and")}` : `; did you mean ${quote(prefix + near)}?`;
    return `there is no ${side} kind ${quote(text)}${hint}`;
  }

  #kind(side: Side, { namespace, name }: KindReference): TargetKind | FrontendKind | undefined {
    return side === "target" ? this.registry.targetKind(namespace, name) : this.registry.frontendKind(namespace, name);
  }

  /** `value` checked against `schema`, defaults filled in; undefined when it doesn't conform, which is noted. */
  conforming(value: unknown, schema: Schema, path: Path, owner: string): { value: unknown } | undefined {
    const given = value ?? {};
    const subject = (inner: Path): string => subjectOf(this.#root, [...path, ...inner]);
    const refusals = validate(given, schema, subject, owner);
    for (const { path: inner, part, message } of refusals) this.#report[part]([...path, ...inner], message);
    return refusals.length === 0 ? { value: given } : undefined;
  }

  /** Notes what the own check of a kind or plugin finds. A check that throws has found something too. */
  check(path: Path, check: () => OptionProblem[]): boolean {
    let problems: OptionProblem[];
    try {
      problems = check();
    } catch (error) {
      problems = [{ path: [], message: messageOf(error) }];
    }
    for (const problem of problems) this.#report.value([...path, ...problem.path], problem.message);
    return problems.length === 0;
  }

  /** The configuration of plugins by namespace. */
  plugins(given: Readonly<Record<string, unknown>>): Map<string, unknown> {
    const result = new Map<string, unknown>();
    for (const [namespace, value] of Object.entries(given)) {
      const path = ["plugins", namespace];
      const registration = this.registry.registrations.find((each) => each.namespace === namespace);
      if (registration === undefined) {
        const namespaces = this.registry.registrations.map((each) => each.namespace);
        const hint = suggestion(namespace, "namespaces", namespaces);
        this.#report.key(path, `there is no plugin with the namespace ${quote(namespace)}${hint}`);
        continue;
      }
      const schema = registration.plugin.config;
      if (schema === undefined) {
        if (value !== null) this.#report.key(path, `the plugin ${quote(namespace)} takes no configuration; leave it out`);
        continue;
      }
      const checked = this.conforming(value, schema, path, `configuration schema of plugin ${quote(registration.source)}`);
      if (checked === undefined) continue;
      const { plugin } = registration;
      if (plugin.check !== undefined && !this.check(path, () => plugin.check?.(checked.value as never) ?? [])) continue;
      result.set(namespace, checked.value);
    }
    return result;
  }
}
