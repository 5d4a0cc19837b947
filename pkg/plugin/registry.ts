import { Fault } from "../fault/fault.ts";
import type { FrontendKind, Plugin, TargetKind } from "./plugin.ts";

/** A plugin and the namespace that plugin.yaml gives it. */
export interface Registration {
  readonly source: string;
  readonly namespace: string;
  readonly plugin: Plugin<never>;
}

/** The plugins of this build, in the order of plugin.yaml. */
export class Registry {
  readonly registrations: readonly Registration[];

  /** @throws Fault PLUGIN_MISMATCH: a module registers with another source than it was asked for by, or a namespace is taken */
  constructor(registrations: readonly Registration[]) {
    const namespaces = new Set<string>();
    for (const { source, namespace, plugin } of registrations) {
      if (plugin.source !== source) {
        throw new Fault("PLUGIN_MISMATCH", `plugin.yaml asks for "${source}", but that module registers as "${plugin.source}"`);
      }
      if (namespaces.has(namespace)) {
        throw new Fault("PLUGIN_MISMATCH", `two plugins have the namespace "${namespace}"; give each its own in plugin.yaml`);
      }
      namespaces.add(namespace);
    }
    this.registrations = registrations;
  }

  targetKind(namespace: string, name: string): TargetKind | undefined {
    return lookup(this.#plugin(namespace)?.targets, name);
  }

  frontendKind(namespace: string, name: string): FrontendKind | undefined {
    return lookup(this.#plugin(namespace)?.frontends, name);
  }

  /** All `namespace:name` of target kinds, for suggestions. */
  targetKinds(): string[] {
    return this.registrations.flatMap(({ namespace, plugin }) =>
      Object.keys(plugin.targets ?? {}).map((name) => `${namespace}:${name}`),
    );
  }

  frontendKinds(): string[] {
    return this.registrations.flatMap(({ namespace, plugin }) =>
      Object.keys(plugin.frontends ?? {}).map((name) => `${namespace}:${name}`),
    );
  }

  #plugin(namespace: string): Plugin<never> | undefined {
    return this.registrations.find((each) => each.namespace === namespace)?.plugin;
  }
}

/** Own properties only: a kind named "constructor" does not exist. */
function lookup<T>(record: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, name) ? record[name] : undefined;
}
