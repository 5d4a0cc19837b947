import type { Schema } from "../plugin/plugin.ts";
import type { Registration } from "../plugin/registry.ts";
import { configSchema } from "./schema.ts";

/** All schemas that a configuration is held to in a build with these plugins, by names that say where each belongs. */
export function namedSchemas(registrations: readonly Registration[]): Map<string, Schema> {
  const schemas = new Map<string, Schema>([["configuration", configSchema]]);
  for (const { source, plugin } of registrations) {
    if (plugin.config !== undefined) schemas.set(`plugin ${source}`, plugin.config);
    for (const [name, kind] of Object.entries(plugin.targets ?? {})) schemas.set(`target ${source} ${name}`, kind.options);
    for (const [name, kind] of Object.entries(plugin.frontends ?? {})) schemas.set(`frontend ${source} ${name}`, kind.options);
  }
  return schemas;
}
