import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { examineSocket } from "./examine.ts";

describe("examineSocket", () => {
  let directory = "";
  beforeEach(async () => {
    directory = await mkdtemp("/tmp/proxygw-examine-");
  });
  afterEach(() => rm(directory, { recursive: true }));

  async function run(config: { socket?: string; group?: string } | undefined, isRunning = false): Promise<string[]> {
    const found = await examineSocket(config, { capabilities: new Set(["CAP_CHOWN"]), isRunning });
    return found.map(({ id, severity }) => `${severity} ${id}`);
  }

  it("is content with a place where a socket can be, or with none", async () => {
    expect(await run(undefined)).toEqual([]);
    expect(await run({ socket: join(directory, "ctl.sock"), group: "root" })).toEqual([]);
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

  it("does not mind the daemon itself", async () => {
    const socket = join(directory, "ctl.sock");
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    expect(await run({ socket }, true)).toEqual([]);
    expect(await run({ socket }, false)).toEqual(["error ctl-socket"]);
    server.close();
  });
});
