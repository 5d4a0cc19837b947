import type { FrontendKind, Schema, TargetKind } from "../plugin/plugin.ts";
import type { Registry } from "../plugin/registry.ts";
import { configSchema, endpointSchema, frontendSchema, targetSchema } from "./schema.ts";

/** The schema of the configuration file for editors: with the kinds of this build, their options, and the plugins' configuration. */
export function editorSchema(registry: Registry): Schema {
  const { properties } = configSchema;
  // the loader says this in its own words; see pkg/config
  const endpoint = { ...endpointSchema, oneOf: [{ required: ["address"] }, { required: ["addresses"] }] };
  const target = {
    ...withKinds(targetSchema, registry.targetKinds(), (namespace, name) => registry.targetKind(namespace, name)),
  };
  const endpoints = { ...targetSchema.properties.endpoints, items: endpoint };
  const targets = { ...properties.targets, items: { ...target, properties: { ...target.properties, endpoints } } };
  const frontend = withKinds(frontendSchema, registry.frontendKinds(), (namespace, name) =>
    registry.frontendKind(namespace, name),
  );
  const frontends = { ...properties.frontends, items: frontend };
  const plugins = { ...properties.plugins, ...pluginConfigs(registry) };
  return { ...configSchema, properties: { ...properties, plugins, targets, frontends } };
}

interface KindSchema {
  readonly properties: { readonly kind: { readonly description: string } };
}

type Find = (namespace: string, name: string) => TargetKind | FrontendKind | undefined;

/** Per kind: if that is the kind, then its schema holds for the options. */
function withKinds<T extends KindSchema>(schema: T, references: readonly string[], find: Find): T {
  const branches: Schema[] = [];
  const lines: string[] = [];
  for (const reference of references) {
    const [namespace = "", name = ""] = reference.split(":");
    const kind = find(namespace, name);
    if (kind === undefined) continue;
    lines.push(`${reference}: ${kind.description}`);
    branches.push({
      if: { properties: { kind: { const: reference } }, required: ["kind"] },
      then: {
        properties: { options: { description: `Options of ${reference}.`, ...kind.options } },
        ...(isOptional(kind.options) ? {} : { required: ["options"] }),
      },
    });
  }
  if (branches.length === 0) return schema;
  const kind = {
    ...schema.properties.kind,
    description: [schema.properties.kind.description, ...lines].join("\n"),
    enum: references,
  };
  return { ...schema, properties: { ...schema.properties, kind }, allOf: branches };
}

function isOptional(options: Schema): boolean {
  return !Array.isArray(options.required) || options.required.length === 0;
}

function pluginConfigs(registry: Registry): Schema {
  const properties: Record<string, Schema> = {};
  for (const { namespace, plugin } of registry.registrations) {
    if (plugin.config !== undefined)
      properties[namespace] = { description: `Configuration of plugin ${namespace}.`, ...plugin.config };
  }
  return { properties, additionalProperties: false };
}
