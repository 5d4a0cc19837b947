import { execFileSync } from "node:child_process";
import { constants } from "node:fs";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ConfigError } from "./config-error.ts";
import { fakeRegistry } from "./fake-registry.ts";
import { loadConfig } from "./load.ts";
import { readText } from "./read-text.ts";

describe("readText", () => {
  let directory = "";
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "read-text-"));
  });
  afterAll(() => rm(directory, { recursive: true }));

  const file = async (content: string | Buffer): Promise<string> => {
    const path = join(directory, "file.yaml");
    await writeFile(path, content);
    return path;
  };

  it("reads text, also from what is not a regular file", async () => {
    expect(await readText(await file("ä: 1\n"))).toBe("ä: 1\n");
    expect(await readText("/dev/null")).toBe("");
  });

  it("reads pipes, but does not wait for somebody who writes to them", async () => {
    const path = join(directory, "pipe");
    execFileSync("mkfifo", [path]);
    await expect(readText(path)).rejects.toThrow(/pipe: nobody writes to this pipe; name a regular file/);

    // a reader of our own, so that the writer can open it
    const reader = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const writer = await open(path, "w");
    const text = readText(path);
    await writer.write("version: ");
    await writer.write("v1\n");
    await writer.close();
    expect(await text).toBe("version: v1\n");

    // what is left in it by a writer who has gone
    const another = await open(path, "w");
    await another.write("version: v2\n");
    await another.close();
    expect(await readText(path)).toBe("version: v2\n");
    await reader.close();
  });

  it("reads up to 8 MiB", async () => {
    expect((await readText(await file("x".repeat(8 * 1024 * 1024)))).length).toBe(8 * 1024 * 1024);
    await expect(readText(await file("x".repeat(8 * 1024 * 1024 + 1)))).rejects.toThrow(
      /file.yaml: the file is larger than 8 MiB/,
    );
    await expect(readText("/dev/zero")).rejects.toThrow(/larger than 8 MiB/);
  });

  it.each([
    ["none.yaml", /none.yaml: there is no such file; create it, or name another one with --config/],
    [".", /this is a directory/],
    ["file.yaml/x", /a part of this path is not a directory/],
    ["a\0b", /the file can't be read/],
  ])("says why it can't read %j", async (name, message) => {
    await file("");
    await expect(readText(`${directory}/${name}`)).rejects.toThrow(message);
    await expect(readText(`${directory}/${name}`)).rejects.toBeInstanceOf(ConfigError);
  });

  it("says so when no file is named", async () => {
    await expect(readText("")).rejects.toThrow(/no file is named/);
  });

  it("says in which line text that is not UTF-8 is", async () => {
    await expect(readText(await file(Buffer.from("a: 1\nb: \xe4\n", "latin1")))).rejects.toThrow(/not UTF-8 text \(line 2\)/);
    await expect(readText(await file(Buffer.from("\ufeffversion: v1", "utf16le")))).rejects.toThrow(/not UTF-8 text \(line 1\)/);
  });

  it("is what a configuration is loaded through", async () => {
    expect((await loadConfig(await file("version: v1"), fakeRegistry())).runtimeDir).toBe("/run/proxygw");
    await expect(loadConfig(join(directory, "none"), fakeRegistry())).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  });
});
