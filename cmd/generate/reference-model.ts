import type { Schema } from "../../pkg/plugin/plugin.ts";

/** A mapping of the configuration: where it is in the file, and what may be in it. */
export interface Section {
  /** As in the messages of the loader: "targets[].endpoints[]"; "" is the file itself. */
  readonly path: string;
  readonly description: string;
  readonly fields: readonly Field[];
}

export interface Field {
  readonly name: string;
  /** For people: "duration", "tcp or udp". */
  readonly type: string;
  /** Path of the section that tells of the mapping, or of each of the list's. */
  readonly section?: string;
  readonly isRequired: boolean;
  /** As in the file; undefined is none. */
  readonly fallback?: string;
  /** Whole sentences, without the one about the default. */
  readonly description: string;
  readonly example?: string;
}

interface Node {
  readonly type?: string | readonly string[];
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
  readonly items?: Node;
  readonly allOf?: readonly {
    readonly if: { readonly properties: { readonly kind: { readonly const: string } } };
    readonly then: { readonly properties: { readonly options: Node } };
  }[];
}

/** All sections of an editor's schema, the file first, each before those within it; options after the mapping of their kind. */
export function sectionsOf(schema: Schema): Section[] {
  return sections(schema, "");
}

function sections(node: Node, path: string): Section[] {
  const inner = Object.entries(node.properties ?? {}).flatMap(([name, each]) => {
    const at = path === "" ? name : `${path}.${name}`;
    if (each.properties !== undefined) return sections(each, at);
    return each.items?.properties === undefined ? [] : sections(each.items, `${at}[]`);
  });
  const options = (node.allOf ?? []).flatMap((branch) => {
    const kind = branch.if.properties.kind.const;
    const each = branch.then.properties.options;
    if (Object.keys(each.properties ?? {}).length === 0) return [];
    return sections({ ...each, description: `\`options\` of the kind ${kind}.` }, `${path}.options (${kind})`);
  });
  return [{ path, description: node.description ?? "", fields: fieldsOf(node, path) }, ...inner, ...options];
}

function fieldsOf({ properties = {}, required = [] }: Node, path: string): Field[] {
  return Object.entries(properties).map(([name, node]) => {
    const at = path === "" ? name : `${path}.${name}`;
    const section = node.properties === undefined ? (node.items?.properties === undefined ? undefined : `${at}[]`) : at;
    // editors show the sentence; here the default has a place of its own
    const [, said] = / ?Default:? ([^.]*(?:\.[^ ]+)*)\.$/.exec(node.description ?? "") ?? [];
    const description =
      said === undefined ? node.description : node.description?.replace(/ ?(No d|D)efault:? [^.]*(?:\.[^ ]+)*\.$/, "");
    // a mapping's fields have their own
    const fallback = node.properties === undefined ? (said ?? written(node)) : undefined;
    const example = node.examples?.[0];
    return {
      name,
      type: typeOf(node),
      isRequired: required.includes(name),
      description: (description ?? "").replace(/ No default\.$/, ""),
      ...(section === undefined ? {} : { section }),
      ...(fallback === undefined ? {} : { fallback }),
      ...(example === undefined ? {} : { example: inFile(example) }),
    };
  });
}

function written(node: Node): string | undefined {
  if (node.default === undefined) return undefined;
  if (isEmpty(node.default)) return "none";
  return inFile(node.default);
}

function isEmpty(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

/** As it can be written in the file: JSON is YAML, but a plain word needs no quotes. */
function inFile(value: unknown): string {
  return typeof value === "string" && /^[\w/][\w./: -]*$/.test(value) ? value : JSON.stringify(value);
}

const NOUNS: Readonly<Record<string, string>> = {
  string: "text",
  integer: "whole number",
  number: "number",
  boolean: "true or false",
  array: "list",
  object: "mapping",
};

function typeOf(node: Node): string {
  if (node.const !== undefined) return inFile(node.const);
  if (node.enum !== undefined) return alternatives(node.enum.map(String));
  const types = [node.type ?? []].flat();
  const noun = node.title ?? types.map((type) => NOUNS[type] ?? type).join(" or ");
  return types.includes("array") && types.length > 1 ? `${noun}, or a list of them` : noun;
}

function alternatives(names: readonly string[]): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} or ${names.at(-1) ?? ""}`;
}
