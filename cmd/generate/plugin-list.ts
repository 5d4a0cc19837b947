import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { quote } from "../../pkg/config/nearest.ts";
import { readText } from "../../pkg/config/read-text.ts";
import { Report } from "../../pkg/config/report.ts";
import { type LoosePluginList, pluginListSchema } from "../../pkg/config/schema.ts";
import { Source } from "../../pkg/config/source.ts";
import { subjectOf } from "../../pkg/config/subject.ts";
import { validate } from "../../pkg/config/validate.ts";
import { YamlDocument } from "../../pkg/config/yaml-document.ts";
import { isMapping } from "../../pkg/config/yaml-plain.ts";
import { parseName } from "../../pkg/value/reference.ts";

export interface PluginEntry {
  readonly source: string;
  readonly namespace: string;
  /** A folder under plugin/; otherwise an npm package. */
  readonly isFolder: boolean;
}

/** The entries of plugin.yaml in the order of the file. @throws ConfigError with all that is wrong */
export async function readPluginList(root: string): Promise<PluginEntry[]> {
  const file = join(root, "plugin.yaml");
  const document = new YamlDocument(new Source(file, await readText(file)));
  const report = new Report(document);
  const value = isMapping(document.value) ? document.value : {};
  for (const { path, part, message } of validate(value, pluginListSchema, (path) => subjectOf(value, path))) {
    report[part](path, message);
  }
  const { plugins = {} } = value as LoosePluginList;
  const taken = new Map<string, string>();
  const entries: PluginEntry[] = [];
  for (const source of document.keys(["plugins"])) {
    const path = ["plugins", source];
    const isFolder = existsSync(join(root, "plugin", source, "plugin.ts"));
    const why = sourceProblem(root, source, isFolder);
    if (why !== undefined) report.key(path, why);
    const namespace = plugins[source];
    if (namespace === undefined || report.parsed(path, () => parseName(namespace)) === undefined) continue;
    const other = taken.get(namespace);
    if (other !== undefined)
      report.value(path, `${quote(other)} has the namespace ${quote(namespace)} already; give each its own`);
    taken.set(namespace, source);
    entries.push({ source, namespace, isFolder });
  }
  report.finish();
  return entries;
}

const PACKAGE_NAME = /^(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/;

function sourceProblem(root: string, source: string, isFolder: boolean): string | undefined {
  if (!PACKAGE_NAME.test(source))
    return `${quote(source)} is neither the name of a folder under plugin/ nor that of an npm package`;
  if (isFolder || isInstalled(root, source)) return undefined;
  if (existsSync(join(root, "plugin", source))) return `the folder plugin/${source} has no plugin.ts`;
  return `there is no folder plugin/${source}, and no npm package ${quote(source)} is installed (npm install ${source})`;
}

/** As Node looks for it: in node_modules here and in each directory above. */
function isInstalled(root: string, source: string): boolean {
  for (let directory = root; ; directory = dirname(directory)) {
    if (existsSync(join(directory, "node_modules", source, "package.json"))) return true;
    if (directory === dirname(directory)) return false;
  }
}
