import type { ErrorObject } from "ajv";
import { listOf, nearest, quote, suggestion } from "./nearest.ts";
import type { Path } from "./yaml-document.ts";

/** What a schema refuses: a path within the value, and whether the key or the value there is what's wrong. */
export interface Refusal {
  readonly path: Path;
  readonly part: "key" | "value";
  readonly message: string;
}

interface Annotated {
  readonly type?: string | readonly string[];
  readonly title?: string;
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly examples?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Annotated>>;
  readonly items?: Annotated;
}

type Subject = (path: Path) => string;

/** What ajv found, in sentences that say what was found and what would be accepted. */
export function explain(errors: readonly ErrorObject[], subject: Subject, root: unknown): Refusal[] {
  const alternatives = errors.filter(({ keyword }) => keyword === "anyOf" || keyword === "oneOf");
  const refusals: Refusal[] = [];
  for (const error of errors) {
    // their inner errors, reported before them, say it better
    if (error.keyword === "if" || error.keyword === "propertyNames") continue;
    if (alternatives.some((outer) => outer !== error && isWithin(error, outer))) continue;
    const inner = alternatives.includes(error) ? errors.filter((each) => each !== error && isWithin(each, error)) : [];
    refusals.push(refusal(error, inner, subject, root));
  }
  return refusals;
}

function isWithin(error: ErrorObject, outer: ErrorObject): boolean {
  return error.schemaPath.startsWith(`${outer.schemaPath}/`) && error.instancePath.startsWith(outer.instancePath);
}

function refusal(error: ErrorObject, inner: readonly ErrorObject[], subject: Subject, root: unknown): Refusal {
  const path = pathOf(error, root);
  const params = error.params as Record<string, unknown>;
  const schema = (error.parentSchema ?? {}) as Annotated;
  if (error.propertyName !== undefined) {
    const message = `the key ${quote(error.propertyName)} in ${subject(path)} ${error.message ?? "is not accepted"}`;
    return { path: [...path, error.propertyName], part: "key", message };
  }
  if (error.keyword === "additionalProperties") {
    const key = String(params.additionalProperty);
    const hint = suggestion(key, "keys", Object.keys(schema.properties ?? {}));
    return { path: [...path, key], part: "key", message: `unknown key ${quote(key)} in ${subject(path)}${hint}` };
  }
  if (error.keyword === "required") {
    const key = String(params.missingProperty);
    const expected = expectation(schema.properties?.[key] ?? {});
    return { path: [...path, key], part: "value", message: `${quote(key)} is missing in ${subject(path)}; expected ${expected}` };
  }
  if (inner.length > 0) return { path, part: "value", message: noneOf(error, inner, subject, root) };
  return { path, part: "value", message: `${subject(path)} ${wrong(error.keyword, error, schema)}` };
}

/** What none of the branches of an anyOf or oneOf would take. */
function noneOf(error: ErrorObject, inner: readonly ErrorObject[], subject: Subject, root: unknown): string {
  const isPlain = (each: ErrorObject): boolean =>
    each.instancePath === error.instancePath && /^(type|enum|const)$/.test(each.keyword);
  if (inner.every(isPlain)) {
    const accepted = [...new Set(inner.map((each) => expectation((each.parentSchema ?? {}) as Annotated)))];
    return `${subject(pathOf(error, root))} is ${describe(error.data)}; expected ${accepted.join(" or ")}`;
  }
  return [...new Set(inner.map((each) => refusal(each, [], subject, root).message))].join(", or: ");
}

function wrong(keyword: string, error: ErrorObject, schema: Annotated): string {
  const found = describe(error.data);
  switch (keyword) {
    case "type":
      return `is ${found}; expected ${expectation(schema)}${typeHint(error.data, schema)}`;
    case "enum":
    case "const": {
      const accepted = (schema.enum ?? [schema.const]).filter((each): each is string => typeof each === "string");
      const near = typeof error.data === "string" ? nearest(error.data, accepted) : undefined;
      const hint = near !== undefined && accepted.length > 1 ? `; did you mean ${quote(near)}?` : "";
      return `is ${found}; expected ${expectation(schema)}${hint}`;
    }
    case "pattern":
      if (schema.title !== undefined) return `is ${found}; expected ${expectation(schema)}`;
      return `is ${found}; it ${plain(error)}${schema.description === undefined ? "" : ` (${lowerFirst(schema.description)})`}`;
    case "minLength":
      return error.data === ""
        ? `is empty; expected ${expectation(schema)}`
        : `is ${found}; it ${error.message ?? "is too short"}`;
    case "minItems":
      return Array.isArray(error.data) && error.data.length === 0 ? "is an empty list; expected at least one" : plain(error);
    default:
      return `is ${found}; it ${plain(error)}`;
  }
}

function plain(error: ErrorObject): string {
  return error.message ?? "is not accepted";
}

/** The usual slips of YAML: a value that reads as a number, a text where there should be a list. */
function typeHint(data: unknown, schema: Annotated): string {
  const types = [schema.type].flat();
  if (typeof data === "string" && types.includes("boolean")) {
    if (/^(yes|on|true)$/i.test(data)) return "; write true";
    if (/^(no|off|false)$/i.test(data)) return "; write false";
  }
  if (
    typeof data === "string" &&
    (types.includes("integer") || types.includes("number")) &&
    data !== "" &&
    isFinite(Number(data))
  ) {
    return "; leave out the quotes";
  }
  if (!types.includes("string") || (typeof data !== "number" && typeof data !== "boolean")) return "";
  if (schema.title === "duration") return typeof data === "number" ? `; a unit is missing: "${data}s"?` : "";
  return schema.title === "name" || schema.title === undefined ? `; put it in quotes: "${data}"` : "";
}

/** What a schema accepts, with its article: `a duration such as "5m"`. */
function expectation(schema: Annotated): string {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return listOf(schema.enum.map(String), "or");
  const types = [schema.type ?? []].flat();
  const noun = schema.title ?? (types.map((type) => NOUNS[type] ?? type).join(" or ") || "a value");
  const example = schema.examples?.find((each) => typeof each === "string" || typeof each === "number");
  const list = types.includes("array") && types.length > 1 ? ", or a list of them" : "";
  return `${withArticle(noun)}${example === undefined ? "" : ` such as ${JSON.stringify(example)}`}${list}`;
}

const NOUNS: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  integer: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a mapping",
  null: "nothing",
};

function withArticle(noun: string): string {
  if (/^(an? |text|true |nothing)/.test(noun)) return noun;
  return `${/^[aeiou]/i.test(noun) ? "an" : "a"} ${noun}`;
}

/** A value for people: its kind and, when it's short, itself. */
function describe(data: unknown): string {
  if (data === null || data === undefined) return "empty";
  if (typeof data === "string") return data === "" ? "an empty text" : `the text ${quote(data)}`;
  if (typeof data === "number") return `the number ${data}`;
  if (typeof data === "boolean") return String(data);
  return Array.isArray(data) ? "a list" : "a mapping";
}

function lowerFirst(text: string): string {
  return `${text.charAt(0).toLowerCase()}${text.slice(1).replace(/\.$/, "")}`;
}

/** The path of an ajv error. Keys stay text: an index is told from a key by what it's applied to. */
export function pathOf(error: ErrorObject, root: unknown): Path {
  const path: (string | number)[] = [];
  let value = root;
  for (const part of error.instancePath.split("/").slice(1)) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    path.push(Array.isArray(value) ? Number(key) : key);
    value = childOf(value, key);
  }
  return path;
}

/** Own properties only. */
export function childOf(value: unknown, key: string | number): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, key)
    ? (value as Record<string | number, unknown>)[key]
    : undefined;
}
