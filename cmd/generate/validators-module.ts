import type { Ajv } from "ajv";
import standaloneCode from "ajv/dist/standalone/index.js";
import { fingerprint, schemaCompiler } from "../../pkg/config/validate.ts";
import type { Schema } from "../../pkg/plugin/plugin.ts";

/** Path of the generated module. */
export const VALIDATORS_MODULE = "cmd/proxygw/validators.gen.ts";

/**
 * The schemas as functions, so that no start has to compile them (ajv.js.org/standalone.html). One that is none is left out: the daemon
 * says so when it is needed.
 */
export function validatorsModule(schemas: ReadonlyMap<string, Schema>, mark: string): string {
  const ajv = schemaCompiler({ source: true, esm: true, lines: true });
  const functions = new Map<string, string>();
  const entries: string[] = [];
  for (const [name, schema] of schemas) {
    const of = fingerprint(schema);
    // kinds without options have one and the same
    if (!functions.has(of)) {
      if (!isCompiled(ajv, schema, of)) continue;
      functions.set(of, `check${functions.size}`);
    }
    const values = `fingerprint: ${JSON.stringify(of)}, check: ${functions.get(of) ?? ""}`;
    entries.push(`  ${JSON.stringify(name)}: { ${values} },\n`);
  }
  const code = standaloneCode.default(ajv, Object.fromEntries([...functions].map(([of, name]) => [name, of])));
  return [
    `// ${mark}\n// @ts-nocheck\n`,
    withImports(code.replace(/^"use strict";\n?/, "").replaceAll(/^export const (check\d+ = )/gm, "const $1")),
    `\n/** Functions of ajv by the names of their schemas. */\nexport const compiledSchemas = {\n${entries.join("")}};\n`,
  ].join("");
}

function isCompiled(ajv: Ajv, schema: Schema, key: string): boolean {
  try {
    return ajv.addSchema(schema, key).getSchema(key) !== undefined;
  } catch {
    return false;
  }
}

/** What ajv requires of its own, also where it makes a module. A test runner may have taken the default out of the module already. */
function withImports(code: string): string {
  const imports: string[] = [];
  const rest = code.replaceAll(/^const (\w+) = require\("([^"]+)"\)\.default;$/gm, (_all, name: string, path: string) => {
    imports.push(`import ${name}_ from "${path}.js";\n`);
    return `const ${name} = ${name}_.default ?? ${name}_;`;
  });
  return imports.join("") + rest;
}
