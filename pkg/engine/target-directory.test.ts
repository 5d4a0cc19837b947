import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryDirectory } from "../../test/fixture/engine.ts";
import { collectingLog } from "../log/collecting-log.ts";
import { TARGET_CONFIG } from "../target/open-target.ts";
import { formerDirectories, removeTargetsDirectory, TargetDirectory } from "./target-directory.ts";

const FORMER = {
  name: "backend",
  kind: { namespace: "test", name: "scripted" },
  endpoints: TARGET_CONFIG.endpoints,
  options: { command: "true" },
};

async function given(name = "backend") {
  const runtimeDir = await temporaryDirectory();
  const log = collectingLog();
  return { runtimeDir, log, directory: new TargetDirectory(runtimeDir, name, log) };
}

describe("TargetDirectory", () => {
  it("is nowhere until the service is to start, and then says whose it is, to root only", async () => {
    const { runtimeDir, directory, log } = await given();
    expect(directory.path).toBe(join(runtimeDir, "targets", "backend"));
    expect(readdirSync(runtimeDir)).toEqual([]);
    await directory.prepare({ ...TARGET_CONFIG, ...FORMER });
    expect(statSync(directory.path).mode & 0o777).toBe(0o700);
    expect(statSync(join(directory.path, "target.json")).mode & 0o777).toBe(0o600);
    expect(readdirSync(directory.path)).toEqual(["target.json"]);
    expect([...(await formerDirectories(runtimeDir, log))]).toEqual([[directory.path, FORMER]]);
  });

  it("says with each start what it is by then", async () => {
    const { runtimeDir, directory, log } = await given();
    await directory.prepare(FORMER);
    const other = { ...FORMER, kind: { namespace: "test", name: "other" } };
    await directory.prepare(other);
    expect((await formerDirectories(runtimeDir, log)).get(directory.path)).toEqual(other);
  });

  it("leaves a record that says so already alone, and writes it again once somebody removed it", async () => {
    const { runtimeDir, directory, log } = await given();
    await directory.prepare(FORMER);
    const file = join(directory.path, "target.json");
    const first = statSync(file).ino;
    await directory.prepare({ ...TARGET_CONFIG, ...FORMER });
    expect(statSync(file).ino).toBe(first);
    rmSync(directory.path, { recursive: true });
    await directory.prepare(FORMER);
    expect([...(await formerDirectories(runtimeDir, log))]).toEqual([[directory.path, FORMER]]);
  });

  it("starts all the same when that could not be written down", async () => {
    const { directory, log } = await given();
    // a directory in the place of the file
    mkdirSync(join(directory.path, "target.json", "x"), { recursive: true });
    await directory.prepare(FORMER);
    expect(log.messages("warn")).toEqual([
      "could not write down whose directory it is; should the daemon die, its service could only be found by name",
    ]);
  });

  it("warns when it can't be made: the service is started all the same", async () => {
    const { runtimeDir, directory, log } = await given();
    writeFileSync(join(runtimeDir, "targets"), "");
    await directory.prepare(FORMER);
    expect(log.messages("warn")).toEqual([expect.stringContaining("could not write down whose directory it is")]);
  });

  it("goes without what its handler left, and never fails", async () => {
    const { runtimeDir, directory, log } = await given();
    await directory.remove();
    await directory.prepare(FORMER);
    await directory.remove();
    expect(existsSync(directory.path)).toBe(false);
    await directory.prepare(FORMER);
    writeFileSync(join(directory.path, "output"), "last words");
    await directory.remove();
    expect(readdirSync(directory.path)).toEqual(["output"]);
    await removeTargetsDirectory(runtimeDir);
    expect([...(await formerDirectories(runtimeDir, log))]).toEqual([[directory.path, undefined]]);
    expect(log.entries).toEqual([]);
  });

  it("is gone with the last one", async () => {
    const { runtimeDir, directory } = await given();
    await directory.prepare(FORMER);
    await directory.remove();
    await removeTargetsDirectory(runtimeDir);
    await removeTargetsDirectory(runtimeDir);
    expect(readdirSync(runtimeDir)).toEqual([]);
  });

  it("has a name that is a file name, and no other target's, whatever the target is called", async () => {
    const names = ["plain-name_1", "..", ".", "a/b", "a b", "", "Ünïcode", "x".repeat(100), "x".repeat(101), "x".repeat(300)];
    const { runtimeDir, log } = await given();
    const directories = names.map((name) => new TargetDirectory(runtimeDir, name, log));
    await Promise.all(directories.map((each, at) => each.prepare({ ...FORMER, name: names[at] ?? "" })));
    const made = readdirSync(join(runtimeDir, "targets"));
    expect(made).toHaveLength(names.length);
    expect(made.filter((each) => names.includes(each)).sort()).toEqual(["plain-name_1", "x".repeat(100)]);
    expect(made.every((each) => /^[\w-]{1,100}$|^\.[0-9a-f]{32}$/.test(each))).toBe(true);
    const found = await formerDirectories(runtimeDir, log);
    expect(directories.map(({ path }) => found.get(path)?.name)).toEqual(names);
  });
});

describe("formerDirectories", () => {
  it("finds none where there is no directory", async () => {
    const { runtimeDir, log } = await given();
    expect(await formerDirectories(runtimeDir, log)).toEqual(new Map());
    expect(log.entries).toEqual([]);
  });

  it.each([
    ["torn", '{"name":"backend","kind":{"namespace":"te'],
    ["empty", ""],
    ["null", "null"],
    ["a text", '"backend"'],
    ["without a name", JSON.stringify({ ...FORMER, name: undefined })],
    ["without a kind", JSON.stringify({ ...FORMER, kind: undefined })],
    ["with half a kind", JSON.stringify({ ...FORMER, kind: { namespace: "test" } })],
    ["with a kind in one text", JSON.stringify({ ...FORMER, kind: "test:scripted" })],
    ["with endpoints that are no list", JSON.stringify({ ...FORMER, endpoints: {} })],
  ])("takes a record that is %s for none, with a warning", async (_how, text) => {
    const { runtimeDir, directory, log } = await given();
    mkdirSync(directory.path, { recursive: true });
    writeFileSync(join(directory.path, "target.json"), text);
    expect([...(await formerDirectories(runtimeDir, log))]).toEqual([[directory.path, undefined]]);
    expect(log.entries).toMatchObject([
      {
        level: "warn",
        message: "ignoring a damaged record of a target",
        fields: { file: join(directory.path, "target.json") },
      },
    ]);
  });

  it("takes no notice of a half-written record, nor of files in between", async () => {
    const { runtimeDir, directory, log } = await given();
    await directory.prepare(FORMER);
    writeFileSync(join(directory.path, "target.json.new"), "{");
    writeFileSync(join(runtimeDir, "targets", "stray"), "");
    const found = await formerDirectories(runtimeDir, log);
    expect(found.get(directory.path)).toEqual(FORMER);
    expect(found.get(join(runtimeDir, "targets", "stray"))).toBeUndefined();
    expect(log.entries).toEqual([]);
    expect(readFileSync(join(directory.path, "target.json"), "utf8")).toBe(JSON.stringify(FORMER));
  });
});
