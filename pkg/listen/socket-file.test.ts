import { chmod, mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { listenAt, removeSocketFile } from "./socket-file.ts";

describe("the directory of the control socket", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "proxygw-ctl-"));
  });
  afterEach(async () => {
    await rm(directory, { recursive: true });
  });

  it("must keep other users from replacing the socket", async () => {
    const path = join(directory, "ctl.sock");
    await chmod(directory, 0o777);
    const server = createServer();
    await expect(listenAt(server, { path, gid: undefined, noun: "control socket" })).rejects.toMatchObject({
      code: "SOCKET_FAILED",
      message: expect.stringContaining(`other users could replace it, since everybody can write to ${directory}`) as string,
    });
    expect(await readdir(directory)).toEqual([]);
    // as /tmp is
    await chmod(directory, 0o1777);
    await removeSocketFile(await listenAt(server, { path, gid: undefined, noun: "control socket" }));
    server.close();
  });
});
