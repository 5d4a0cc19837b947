import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { collectingLog } from "../../pkg/log/collecting-log.ts";
import { RuntimeDirectory } from "./runtime-directory.ts";

function given(path: string, log = collectingLog()): RuntimeDirectory {
  return new RuntimeDirectory(path, log);
}

describe("RuntimeDirectory", () => {
  let base: string;
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), "proxygw-runtime-"));
  });
  afterEach(() => {
    rmSync(base, { recursive: true });
  });

  it("is one daemon's alone, and gone after it", async () => {
    const path = join(base, "deep", "run");
    const first = given(path);
    await first.acquire();
    await expect(given(path).acquire()).rejects.toMatchObject({
      code: "RUNTIME_DIR_IN_USE",
      message: expect.stringContaining(`pid ${process.pid}`) as string,
    });
    await first.release("stop");
    await first.release("stop");
    expect(existsSync(path)).toBe(false);
    await given(path).acquire();
  });

  it("is taken over from a daemon that died, and still taken away at the end", async () => {
    const path = join(base, "run");
    await given(path).acquire();
    const file = join(path, "daemon.json");
    writeFileSync(file, readFileSync(file, "utf8").replace(/"startTicks":"\d+"/, '"startTicks":"1"'));
    const next = given(path);
    await next.acquire();
    await next.release("stop");
    expect(existsSync(path)).toBe(false);
  });

  it("leaves a directory that was there, and one that is not empty", async () => {
    const there = join(base, "there");
    mkdirSync(there);
    writeFileSync(join(there, "daemon.json"), "{torn");
    const directory = given(there);
    await directory.acquire();
    await directory.release("stop");
    expect(existsSync(there)).toBe(true);
  });

  it.each(["{torn", "null", '{"identity":null}', '{"identity":{"pid":-1}}'])(
    "does not take %s for an owner, and says so",
    async (text) => {
      const log = collectingLog();
      const file = join(base, "daemon.json");
      writeFileSync(file, text);
      await given(base, log).acquire();
      expect(log.entries).toMatchObject([{ level: "warn", fields: { file } }]);
    },
  );

  it("finds nothing wrong with a directory that is new", async () => {
    const log = collectingLog();
    await given(join(base, "run"), log).acquire();
    expect(log.entries).toEqual([]);
  });

  it("is refused where other users could put something into it", async () => {
    const path = join(base, "run");
    mkdirSync(path);
    chmodSync(path, 0o777);
    await expect(given(path).acquire()).rejects.toMatchObject({
      code: "RUNTIME_DIR_UNUSABLE",
      message: expect.stringContaining(`everybody can write to ${path}; try: chmod o-w ${path}`) as string,
    });
    expect(readdirSync(path)).toEqual([]);
  });

  it("says what is wrong with the path", async () => {
    writeFileSync(join(base, "file"), "");
    await expect(given(join(base, "file")).acquire()).rejects.toMatchObject({ code: "RUNTIME_DIR_UNUSABLE" });
  });

  it("is left as it is for the next daemon when all is kept, which takes it away at its end", async () => {
    const path = join(base, "run");
    const first = given(path);
    await first.acquire();
    const file = join(path, "daemon.json");
    const owner = readFileSync(file, "utf8");
    await first.release("keep");
    await first.release("stop");
    expect(readFileSync(file, "utf8")).toBe(owner);
    writeFileSync(file, owner.replace(/"startTicks":"\d+"/, '"startTicks":"1"'));
    const next = given(path);
    await next.acquire();
    await next.release("stop");
    expect(existsSync(path)).toBe(false);
  });
});
