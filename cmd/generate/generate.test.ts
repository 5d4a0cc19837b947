import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { Ajv } from "ajv";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { ConfigError } from "../../pkg/config/config-error.ts";
import { parseConfig } from "../../pkg/config/load.ts";
import { collectingLog } from "../../pkg/log/collecting-log.ts";
import type { Plugin } from "../../pkg/plugin/plugin.ts";
import { Registry } from "../../pkg/plugin/registry.ts";

const REPOSITORY = join(import.meta.dirname, "../..");
const NPM_PLUGIN = join(REPOSITORY, "test/npm-plugin");
const MADE_OF_SCHEMAS = [
  "cmd/proxygw/validators.gen.ts",
  "configs/proxygw.schema.json",
  "docs/reference.md",
  "init/man/proxygw.yaml.5",
];
const MARKER = "proxygw-plugin-marker";
const TSX = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;

const FOLDER_PLUGIN = `
const kind = (options) => ({ description: "does nothing", options, create: () => { throw new Error("not here"); } });
const anything: unknown = { type: "object", properties: { speed: { type: "integer" } }, required: ["speed"] };
export default {
  source: "own",
  config: { type: "object", additionalProperties: false, properties: { verbose: { type: "boolean" } } },
  targets: { engine: { ...kind(anything), startsService: true } },
  frontends: { door: { ...kind({ type: "object", additionalProperties: false }), whenCold: "refuse" } },
};
`;

// each run is a process that compiles TypeScript first
describe("the generator", { timeout: 30_000 }, () => {
  let root = "";

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "generate-"));
    await put("package.json", '{ "type": "module" }');
    await put("plugin/own/plugin.ts", FOLDER_PLUGIN);
    await cp(NPM_PLUGIN, join(root, "node_modules", MARKER), { recursive: true });
    await symlink(join(REPOSITORY, "pkg"), join(root, "pkg"));
    await put("plugin.yaml", `plugins:\n  ${MARKER}: marker\n  own: mine\n`);
  });
  afterEach(() => rm(root, { recursive: true }));

  async function put(path: string, text: string): Promise<void> {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }

  const read = (path: string): Promise<string> => readFile(join(root, path), "utf8");

  async function run(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
    const argv = ["--import", TSX, join(import.meta.dirname, "main.ts"), "--root", root, ...args];
    try {
      return { status: 0, ...(await promisify(execFile)(process.execPath, argv)) };
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { status: code, stdout, stderr };
    }
  }

  it("writes static imports in the order of the file, and the schemas", async () => {
    expect(await run()).toMatchObject({
      status: 0,
      stdout: ["configs/plugin.schema.json", "cmd/proxygw/plugins.gen.ts", ...MADE_OF_SCHEMAS]
        .map((path) => `wrote ${path}\n`)
        .join(""),
    });
    expect(await read("cmd/proxygw/plugins.gen.ts")).toBe(`\
// Generated from plugin.yaml by cmd/generate: do not edit. After a change of plugin.yaml: make generate
import type { Registration } from "../../pkg/plugin/registry.ts";
import plugin0 from "proxygw-plugin-marker";
import plugin1 from "../../plugin/own/plugin.ts";

export const registrations: Registration[] = [
  { source: "proxygw-plugin-marker", namespace: "marker", plugin: plugin0 },
  { source: "own", namespace: "mine", plugin: plugin1 },
];
`);
    const validate = new Ajv({ strict: false }).compile(JSON.parse(await read("configs/proxygw.schema.json")) as object);
    const config = (target: object, plugins: object = {}): boolean =>
      validate({ version: "v1", plugins, targets: [{ name: "t", ...target }] });
    expect(config({ kind: "marker:file", options: { path: "/x" } })).toBe(true);
    expect(config({ kind: "marker:file", options: { path: "x" } })).toBe(false);
    expect(config({ kind: "marker:file" })).toBe(false);
    expect(config({ kind: "marker:once", options: {} })).toBe(false);
    expect(config({ kind: "mine:engine", options: { speed: 5 } })).toBe(true);
    expect(config({ kind: "mine:engine", options: { speed: "x" } })).toBe(false);
    expect(config({ kind: "mine:engine", options: { speed: 5 } }, { mine: { verbose: true } })).toBe(true);
    expect(config({ kind: "mine:engine", options: { speed: 5 } }, { mine: { verbose: 1 } })).toBe(false);
    expect(config({ kind: "mine:engine", options: { speed: 5 } }, { marker: {} })).toBe(false);
    const endpoint = { name: "e", protocol: "tcp" };
    expect(config({ kind: "mine:engine", options: { speed: 5 }, endpoints: [{ ...endpoint, address: "x" }] })).toBe(true);
    expect(config({ kind: "mine:engine", options: { speed: 5 }, endpoints: [endpoint] })).toBe(false);
  });

  it("finds nothing to do the second time, and with --check names what is out of date", async () => {
    expect((await run("--check")).stdout).toMatch(/^configs\/plugin.schema.json is out of date; run "make generate"/);
    await run();
    expect(await run()).toEqual({ status: 0, stdout: "", stderr: "" });
    expect(await run("--check")).toEqual({ status: 0, stdout: "", stderr: "" });

    await put("plugin/own/plugin.ts", FOLDER_PLUGIN.replaceAll("speed", "torque"));
    const checked = await run("--check");
    expect(checked).toMatchObject({
      status: 1,
      stdout: MADE_OF_SCHEMAS.map((path) => `${path} is out of date; run "make generate" and commit it\n`).join(""),
    });
    expect(await read("configs/proxygw.schema.json")).not.toContain("torque");

    await put("plugin.yaml", "plugins: { own: mine }\n");
    expect((await run("--check")).stdout).toBe('cmd/proxygw/plugins.gen.ts is out of date; run "make generate" and commit it\n');
  });

  it("says all that is wrong with plugin.yaml, each at its place", async () => {
    await put(
      "plugin.yaml",
      "plugins:\n  own: mine\n  proxygw-plugin-marker: mine\n  absent: a:b\n  ../own: up\n  other: 5\n  empty: x\nplugin: {}\n",
    );
    await put("plugin/empty/README.md", "");
    const { status, stderr } = await run();
    expect(status).toBe(1);
    expect(
      stderr
        .split("\n")
        .filter((line) => line.startsWith(root))
        .map((line) => line.replace(`${root}/`, "")),
    ).toEqual([
      'plugin.yaml:3:26: "own" has the namespace "mine" already; give each its own',
      'plugin.yaml:4:3: there is no folder plugin/absent, and no npm package "absent" is installed (npm install absent)',
      'plugin.yaml:4:11: "a:b" is not a name: a colon separates names in references, so it can\'t be part of one',
      'plugin.yaml:5:3: "../own" is neither the name of a folder under plugin/ nor that of an npm package',
      'plugin.yaml:6:3: there is no folder plugin/other, and no npm package "other" is installed (npm install other)',
      'plugin.yaml:6:10: plugins.other is the number 5; expected a namespace such as "static"',
      "plugin.yaml:7:3: the folder plugin/empty has no plugin.ts",
      'plugin.yaml:8:1: unknown key "plugin" in the file; did you mean "plugins"?',
    ]);
  });

  it.each([
    ["an empty list", "", /"plugins" is missing in the file/],
    ["no such file", undefined, /plugin.yaml: there is no such file/],
  ])("says so: %s", async (_, text, message) => {
    if (text === undefined) await rm(join(root, "plugin.yaml"));
    else await put("plugin.yaml", text);
    const { status, stderr } = await run();
    expect(status).toBe(1);
    expect(stderr).toMatch(message);
  });

  it.each([
    ["export const other = 1;", /the plugins of plugin.yaml can't be loaded: .*default/],
    ["export default undefined;", /the module of plugin "own" does not export a plugin as its default/],
    ['export default { source: "another" };', /plugin.yaml asks for "own", but that module registers as "another"/],
  ])("says what is wrong with a module: %s", async (text, message) => {
    await put("plugin/own/plugin.ts", text);
    const { status, stderr } = await run();
    expect(status).toBe(1);
    expect(stderr).toMatch(message);
  });
});

describe("a plugin that is an npm package", () => {
  it("brings kinds that a configuration can use", async () => {
    const module = (await import(pathToFileURL(join(NPM_PLUGIN, "index.js")).href)) as { default: Plugin<never> };
    const registry = new Registry([{ source: MARKER, namespace: "marker", plugin: module.default }]);
    const readme = await readFile(join(NPM_PLUGIN, "README.md"), "utf8");
    const example = /```yaml\n(version: v1\n[\s\S]*?)```/.exec(readme)?.[1] ?? "";

    const config = parseConfig(example, "README.md", registry);
    expect(config.targets[0]).toMatchObject({
      kind: { namespace: "marker", name: "file" },
      options: { path: "/run/wanted", content: "" },
    });
    expect(config.frontends[0]?.kind).toEqual({ namespace: "marker", name: "once" });

    const wrong = example.replace("/run/wanted", "relative").replace("http, protocol", "htp, protocol");
    expect(() => parseConfig(wrong, "x", registry)).toThrow(ConfigError);
    expect(() => parseConfig(wrong, "x", registry)).toThrow(/expected an absolute path such as "\/run\/wanted" \(and 1 more\)/);
  });

  it("does what its kinds say", async () => {
    const { default: plugin } = (await import(pathToFileURL(join(NPM_PLUGIN, "index.js")).href)) as { default: Plugin };
    const directory = await mkdtemp(join(tmpdir(), "marker-"));
    try {
      const options = { path: join(directory, "wanted"), content: "yes" };
      const handler = plugin.targets?.file?.create({ options, log: collectingLog() } as never);
      await handler?.warm(new AbortController().signal);
      expect(await readFile(options.path, "utf8")).toBe("yes");
      await handler?.drain();
      expect(await readdir(directory)).toEqual([]);
      await handler?.close();
    } finally {
      await rm(directory, { recursive: true });
    }
    const reasons: string[] = [];
    const target = { warm: (reason: string) => reasons.push(reason) };
    await plugin.frontends?.once?.create({ target } as never).start(new AbortController().signal);
    expect(reasons).toEqual(["frontend started"]);
  });

  it("is named as the README says", async () => {
    const { name } = JSON.parse(await readFile(join(NPM_PLUGIN, "package.json"), "utf8")) as { name: string };
    const readme = await readFile(join(NPM_PLUGIN, "README.md"), "utf8");
    const list = /```yaml\n(plugins:\n[\s\S]*?)```/.exec(readme)?.[1] ?? "";
    expect(parse(list)).toMatchObject({ plugins: { [name]: "marker" } });
    expect(name).toBe(MARKER);
  });
});
