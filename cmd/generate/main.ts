/**
 * The generator: turns plugin.yaml and the schemas in TypeScript into files that are committed.
 *
 * `--check` writes nothing: it exits with 1 and names each file that differs from what would be written.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { ConfigError } from "../../pkg/config/config-error.ts";
import { hasCode, messageOf } from "../../pkg/fault/fault.ts";
import { configSchemaText, pluginListSchemaText } from "./config-schema.ts";
import { loadRegistry } from "./load-registry.ts";
import { readPluginList } from "./plugin-list.ts";
import { PLUGINS_MODULE, pluginsModule } from "./plugins-module.ts";

/** Names the files that are out of date; when not only checking, writes them. */
async function generate(root: string, isCheck: boolean): Promise<string[]> {
  const stale: string[] = [];
  const put = async (path: string, text: string): Promise<void> => {
    if ((await currentText(join(root, path))) === text) return;
    stale.push(path);
    if (isCheck) return;
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  };
  await put("configs/plugin.schema.json", pluginListSchemaText());
  await put(PLUGINS_MODULE, pluginsModule(await readPluginList(root)));
  // the schema is made from what the module just written imports: while that one is out of date, so is the schema
  if (isCheck && stale.includes(PLUGINS_MODULE)) return stale;
  await put("configs/proxygw.schema.json", configSchemaText(await loadRegistry(root)));
  return stale;
}

async function currentText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

const { values } = parseArgs({
  options: { check: { type: "boolean", default: false }, root: { type: "string", default: join(import.meta.dirname, "../..") } },
});

try {
  const stale = await generate(resolve(values.root), values.check);
  for (const path of stale) {
    process.stdout.write(values.check ? `${path} is out of date; run "make generate" and commit it\n` : `wrote ${path}\n`);
  }
  if (values.check && stale.length > 0) process.exitCode = 1;
} catch (error) {
  process.stderr.write(`${error instanceof ConfigError ? error.format() : messageOf(error)}\n`);
  process.exitCode = 1;
}
