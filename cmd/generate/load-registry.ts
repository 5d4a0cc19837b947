import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Fault } from "../../pkg/fault/fault.ts";
import { Registry, type Registration } from "../../pkg/plugin/registry.ts";
import { PLUGINS_MODULE } from "./plugins-module.ts";

/**
 * The plugins as the daemon will have them: from the generated module itself.
 * @throws Fault PLUGIN_UNUSABLE (a module can't be loaded, or exports no plugin), PLUGIN_MISMATCH
 */
export async function loadRegistry(root: string): Promise<Registry> {
  let registrations: readonly Registration[];
  try {
    ({ registrations } = (await import(pathToFileURL(join(root, PLUGINS_MODULE)).href)) as { registrations: Registration[] });
  } catch (error) {
    throw new Fault("PLUGIN_UNUSABLE", "the plugins of plugin.yaml can't be loaded", { cause: error });
  }
  for (const { source, plugin } of registrations as readonly { source: string; plugin: unknown }[]) {
    if (typeof plugin === "object" && plugin !== null && "source" in plugin) continue;
    throw new Fault("PLUGIN_UNUSABLE", `the module of plugin "${source}" does not export a plugin as its default`);
  }
  return new Registry(registrations);
}
