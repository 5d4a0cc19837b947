import type { PluginEntry } from "./plugin-list.ts";

/** Path of the generated module; its imports are relative to it. */
export const PLUGINS_MODULE = "cmd/proxygw/plugins.gen.ts";

/** Static imports, so that the bundler sees every plugin. */
export function pluginsModule(entries: readonly PluginEntry[]): string {
  const imports = entries.map(({ source, isFolder }, index) => {
    const specifier = isFolder ? `../../plugin/${source}/plugin.ts` : source;
    return `import plugin${index} from ${JSON.stringify(specifier)};`;
  });
  const registrations = entries.map(
    ({ source, namespace }, index) =>
      `  { source: ${JSON.stringify(source)}, namespace: ${JSON.stringify(namespace)}, plugin: plugin${index} },`,
  );
  return [
    "// Generated from plugin.yaml by cmd/generate: do not edit. After a change of plugin.yaml: make generate",
    'import type { Registration } from "../../pkg/plugin/registry.ts";',
    ...imports,
    "",
    "export const registrations: Registration[] = [",
    ...registrations,
    "];",
    "",
  ].join("\n");
}
