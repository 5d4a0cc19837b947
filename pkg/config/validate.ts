import { createHash } from "node:crypto";
import { Ajv } from "ajv";
import type { CodeOptions, ErrorObject, ValidateFunction } from "ajv";
import { Fault, messageOf } from "../fault/fault.ts";
import type { Schema } from "../plugin/plugin.ts";
import { childOf, explain, pathOf, type Refusal } from "./schema-message.ts";
import type { Path } from "./yaml-document.ts";

/** The compiler, with `code` for one whose functions are to be written down (cmd/generate). */
export function schemaCompiler(code?: CodeOptions): Ajv {
  return new Ajv({
    allErrors: true,
    strict: true,
    allowUnionTypes: true,
    useDefaults: true,
    verbose: true,
    addUsedSchema: false,
    // schemas are checked when they are compiled, and by tests: against the meta schema takes longer than all the rest of a start
    validateSchema: false,
    meta: false,
    ...(code === undefined ? {} : { code }),
  });
}

/** A schema that was compiled when the program was built, with the fingerprint of what it was then. */
export interface CompiledSchema {
  readonly fingerprint: string;
  readonly check: unknown;
}

const compiled = new WeakMap<Schema, ValidateFunction>();
let ajv: Ajv | undefined;

/** Spares validate() to compile the schemas of which `ready` has the same version, by name; of others it takes no notice. */
export function useCompiled(schemas: ReadonlyMap<string, Schema>, ready: Readonly<Record<string, CompiledSchema>>): void {
  for (const [name, schema] of schemas) {
    const found = Object.hasOwn(ready, name) ? ready[name] : undefined;
    if (found?.fingerprint === fingerprint(schema)) compiled.set(schema, found.check as ValidateFunction);
  }
}

export function fingerprint(schema: Schema): string {
  return createHash("sha256").update(JSON.stringify(schema)).digest("base64");
}

/**
 * Checks `value` against `schema`, fills in the schema's defaults and takes out what is refused, so that what is left
 * conforms but for missing parts. `subject` names a value in messages, by its path within `value`.
 * @throws Fault PLUGIN_SCHEMA_INVALID when `schema` isn't one; `owner` says whose it is
 */
export function validate(value: unknown, schema: Schema, subject: (path: Path) => string, owner = "schema"): Refusal[] {
  const check = compile(schema, owner);
  const box = { value };
  if (check(value) || check.errors === null || check.errors === undefined) return [];
  const refusals = explain(check.errors, subject, box.value);
  for (const error of check.errors) takeOut(box, error);
  return refusals;
}

function compile(schema: Schema, owner: string): ValidateFunction {
  const known = compiled.get(schema);
  if (known !== undefined) return known;
  try {
    ajv ??= schemaCompiler();
    const check = ajv.compile(schema);
    compiled.set(schema, check);
    return check;
  } catch (error) {
    throw new Fault("PLUGIN_SCHEMA_INVALID", `the ${owner} is not a JSON Schema that can be used: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function takeOut(box: { value: unknown }, error: ErrorObject): void {
  if (error.keyword === "required" || error.keyword === "if") return;
  const path = [...pathOf(error, box.value)];
  if (error.keyword === "additionalProperties") path.push((error.params as { additionalProperty: string }).additionalProperty);
  const last = path.pop();
  if (last === undefined) return;
  const parent = path.reduce<unknown>(childOf, box.value);
  if (Array.isArray(parent)) parent[Number(last)] = undefined;
  else if (typeof parent === "object" && parent !== null) Reflect.deleteProperty(parent, last);
}
