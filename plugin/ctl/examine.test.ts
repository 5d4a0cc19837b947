import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Capability } from "../../pkg/process/capabilities.ts";
import { examineSocket } from "./examine.ts";

describe("examineSocket", () => {
  let directory = "";
  beforeEach(async () => {
    directory = await mkdtemp("/tmp/proxygw-examine-");
  });
  afterEach(() => rm(directory, { recursive: true }));

  async function run(
    config: { socket?: string; group?: string } | undefined,
    isRunning = false,
    capabilities: readonly Capability[] = ["CAP_CHOWN"],
  ): Promise<string[]> {
    const runtimeDir = join(directory, "made/at-start");
    const found = await examineSocket(config, { capabilities: new Set(capabilities), isRunning, runtimeDir });
    return found.map(({ id, severity }) => `${severity} ${id}`);
  }

  it("is content with a place where a socket can be, or with none", async () => {
    expect(await run(undefined)).toEqual([]);
    expect(await run({ socket: join(directory, "ctl.sock"), group: "root" })).toEqual([]);
  });

  it("does not miss the runtime directory, which the daemon makes", async () => {
    expect(await run({ socket: join(directory, "made/at-start/ctl.sock") })).toEqual([]);
    expect(await run({ socket: join(directory, "made/ctl.sock") })).toEqual([]);
    expect(await run({ socket: join(directory, "made/at-start/below/ctl.sock") })).toEqual(["error ctl-socket"]);
    expect(await run({ socket: join(directory, "made/at/ctl.sock") })).toEqual(["error ctl-socket"]);
  });

  it("finds what is in the way", async () => {
    const file = join(directory, "file");
    await writeFile(file, "");
    expect(await run({ socket: file })).toEqual(["error ctl-socket"]);
    expect(await run({ socket: join(directory, "none/ctl.sock") })).toEqual(["error ctl-socket"]);
    expect(await run({ socket: join(directory, "ctl.sock"), group: "no-such-group" })).toEqual(["error ctl-group"]);
    await chmod(directory, 0o777);
    expect(await run({ socket: join(directory, "ctl.sock") })).toEqual(["error ctl-socket"]);
  });

  it("wants the capability to give the socket to a group, but for the daemon's own", async () => {
    const socket = join(directory, "ctl.sock");
    const groups = (await readFile("/etc/group", "utf8")).trim().split("\n");
    const own = new Set([...(process.getgroups?.() ?? []), process.getgid?.()].map(String));
    const named = (isOwn: boolean): string =>
      groups.map((line) => line.split(":")).find(([, , gid = ""]) => own.has(gid) === isOwn)?.[0] ?? "";
    expect(await run({ socket, group: named(false) }, false, [])).toEqual(["error ctl-privileges"]);
    expect(await run({ socket, group: named(true) }, false, [])).toEqual([]);
    expect(await run({ socket }, false, [])).toEqual([]);
  });

  it("does not mind the daemon itself", async () => {
    const socket = join(directory, "ctl.sock");
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    expect(await run({ socket }, true)).toEqual([]);
    expect(await run({ socket }, false)).toEqual(["error ctl-socket"]);
    server.close();
  });
});
