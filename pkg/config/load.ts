/**
 * Package config: from the text of a configuration file to values the rest of the program can rely on.
 *
 * Owns the file's format (schema.ts), its checks and its error messages: parse → validate → resolve, where each step
 * goes on with what the one before could make sense of, so that all errors of a file are shown at once. Must not act
 * on what a configuration says, nor ask the system anything but the file's text.
 */
import type { Registry } from "../plugin/registry.ts";
import { parseLogLevel } from "../value/log-level.ts";
import { Kinds } from "./kinds.ts";
import { ListenClaims } from "./listen-claims.ts";
import { readText } from "./read-text.ts";
import { Report } from "./report.ts";
import { resolveDataplane } from "./resolve-dataplane.ts";
import { FrontendResolver } from "./resolve-frontend.ts";
import { resolveTargets } from "./resolve-target.ts";
import { configSchema, type LooseConfig } from "./schema.ts";
import { readSimpleYaml } from "./simple-yaml.ts";
import { Source } from "./source.ts";
import { subjectOf } from "./subject.ts";
import type { Config, FrontendConfig, LogConfig } from "./types.ts";
import { validate } from "./validate.ts";
import { YamlDocument } from "./yaml-document.ts";
import { isMapping } from "./yaml-plain.ts";

/**
 * @throws ConfigError with all that is wrong; Fault PLUGIN_SCHEMA_INVALID when a plugin that the file uses brings a
 *   schema that is none
 */
export async function loadConfig(path: string, registry: Registry): Promise<Config> {
  return parseConfig(await readText(path), path, registry);
}

/** As loadConfig, for a large file that need not be taken in whole by the YAML library; undefined: this one must be. */
export async function loadSimpleConfig(path: string, registry: Registry): Promise<Config | undefined> {
  const text = await readText(path);
  const simple = readSimpleYaml(text);
  return simple === undefined ? undefined : configOf(new YamlDocument(new Source(path, text), simple), registry);
}

/** `file` is what messages call it. @throws as loadConfig */
export function parseConfig(text: string, file: string, registry: Registry): Config {
  return configOf(new YamlDocument(new Source(file, text)), registry);
}

function configOf(document: YamlDocument, registry: Registry): Config {
  const report = new Report(document);
  if (!isMapping(document.value)) {
    const found = Array.isArray(document.value) ? "is a list" : "holds a single value";
    const isEmpty = document.value === undefined || document.value === null;
    report.value([], `the file ${isEmpty ? "is empty" : found}; expected a mapping that begins with "version: v1"`);
    report.finish();
  }
  const root = document.value;
  dropEmpty(root);
  for (const { path, part, message } of validate(root, configSchema, (inner) => subjectOf(root, inner))) {
    report[part](path, message);
  }
  const config = resolve(root as LooseConfig, new Kinds(registry, report, root), report);
  report.finish();
  return config;
}

/** A key without a value is a key left out, as in the reference; not so in what belongs to plugins. */
function dropEmpty(root: unknown): void {
  if (!isMapping(root)) return;
  const lists = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
  const targets = lists(root.targets);
  const endpoints = targets.flatMap((target) => (isMapping(target) ? lists(target.endpoints) : []));
  const frontends = lists(root.frontends);
  const inner = [
    ...targets.map((each) => isMapping(each) && each.ready),
    ...frontends.map((each) => isMapping(each) && each.hold),
  ];
  for (const mapping of [root, root.log, root.dataplane, ...targets, ...endpoints, ...frontends, ...inner]) {
    if (!isMapping(mapping)) continue;
    for (const [key, value] of Object.entries(mapping)) if (value === null) Reflect.deleteProperty(mapping, key);
  }
}

/** Meaningful only when nothing was noted: what is wrong is left out, or stands at its default. */
function resolve(root: LooseConfig, kinds: Kinds, report: Report): Config {
  const dataplane = resolveDataplane(root.dataplane, report);
  const targets = resolveTargets(root.targets, kinds, report);
  const claims = new ListenClaims(report, dataplane.wildcardOverlap);
  const resolver = new FrontendResolver(targets, kinds, report, claims);
  const frontends: FrontendConfig[] = [];
  root.frontends?.forEach((frontend, index) => {
    const resolved = frontend && resolver.resolve(frontend, index);
    if (resolved !== undefined) frontends.push(resolved);
  });
  return {
    log: resolveLog(root.log, report),
    dataplane,
    runtimeDir: root.runtime_dir ?? "",
    onShutdown: root.on_shutdown ?? "stop",
    plugins: kinds.plugins(root.plugins ?? {}),
    targets: [...targets.drafts.values()].flatMap(({ config }) => config ?? []),
    frontends,
  };
}

function resolveLog(log: LooseConfig["log"], report: Report): LogConfig {
  const { level, output = "", format = "text" } = log ?? {};
  const parsed = level === undefined ? undefined : report.parsed(["log", "level"], () => parseLogLevel(level));
  return { output, level: parsed ?? 0, format };
}
