import { existsSync } from "node:fs";
import { lstat, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv } from "ajv";
import { describe, expect, it } from "vitest";
import { codecOf } from "../../pkg/ctl/codecs.ts";
import { Method } from "../../pkg/ctl/method.ts";
import { groupId } from "../../pkg/listen/group.ts";
import { Registry } from "../../pkg/plugin/registry.ts";
import { FakeEngine } from "../../pkg/plugin/fake-engine.ts";
import plugin, { ctlPlugin, type CtlConfig } from "./plugin.ts";
import { TestClient } from "./test-client.ts";

interface Place extends AsyncDisposable {
  readonly directory: string;
  readonly path: string;
}

async function place(): Promise<Place> {
  const directory = await mkdtemp(join(tmpdir(), "ctl-"));
  return {
    directory,
    path: join(directory, "sock"),
    async [Symbol.asyncDispose]() {
      await rm(directory, { recursive: true });
    },
  };
}

interface Loaded extends AsyncDisposable {
  readonly engine: FakeEngine;
  unload(): Promise<void>;
}

async function load(config: CtlConfig | undefined): Promise<Loaded> {
  const engine = new FakeEngine();
  const loaded = ctlPlugin();
  await loaded.onLoad?.(config, engine, "ctl");
  const unload = async (): Promise<void> => {
    await loaded.onUnload?.();
  };
  return { engine, unload, [Symbol.asyncDispose]: unload };
}

async function expectAnswer(path: string, codec: "json" | "cbor" = "json"): Promise<void> {
  await using client = (await TestClient.connect(path, codecOf(codec))).read();
  expect(await client.ask(1, Method.statusRequest)).toEqual({ id: 1, method: 3, body: { closed: false } });
}

/** Binds a socket at `path` and leaves its file behind, as a daemon that was killed does. */
async function staleSocket(path: string): Promise<void> {
  const server = createServer();
  server.listen(`${path}.bound`);
  await once(server, "listening");
  await rename(`${path}.bound`, path);
  server.close();
  await once(server, "close");
}

async function foreignServer(path: string): Promise<Server> {
  const server = createServer();
  server.listen(path);
  await once(server, "listening");
  return server;
}

describe("ctl plugin: configuration", () => {
  const check = new Ajv().compile(plugin.config ?? {});

  it.each([{}, { socket: "/run/x.sock" }, { codec: "cbor", group: "adm" }])("accepts %j", (config) => {
    expect(check(config)).toBe(true);
  });

  it.each([
    { socket: "run/x.sock" },
    { socket: "/run/" },
    { socket: "" },
    { codec: "xml" },
    { group: "" },
    { mode: 0o666 },
    null,
  ])("refuses %j", (config) => {
    expect(check(config)).toBe(false);
  });

  it("registers as ctl", () => {
    expect(new Registry([{ source: "ctl", namespace: "ctl", plugin }]).registrations).toHaveLength(1);
  });

  it("opens no socket without configuration", async () => {
    await using loaded = await load(undefined);
    expect(loaded.engine.log.entries).toEqual([
      { level: "debug", message: "no control socket", fields: { reason: "the configuration has no plugins.ctl" } },
    ]);
  });
});

describe("ctl plugin: the socket file", () => {
  it.each([0o000, 0o022, 0o077])("has mode 0660 with umask %o, and leaves nothing else behind", async (mask) => {
    await using at = await place();
    const before = process.umask(mask);
    try {
      await using loaded = await load({ socket: at.path });
      expect((await stat(at.path)).mode & 0o7777).toBe(0o660);
      expect(await readdir(at.directory)).toEqual(["sock"]);
      await expectAnswer(at.path);
      await loaded.unload();
      expect(await readdir(at.directory)).toEqual([]);
    } finally {
      process.umask(before);
    }
  });

  it("speaks the codec that is configured", async () => {
    await using at = await place();
    await using loaded = await load({ socket: at.path, codec: "cbor" });
    await expectAnswer(at.path, "cbor");
    expect(loaded.engine.log.entries).toEqual([
      { level: "info", message: "control socket open", fields: { socket: at.path, codec: "cbor" } },
    ]);
  });

  it.runIf(process.getuid?.() === 0)("belongs to the group that is configured", async () => {
    await using at = await place();
    const loaded = await load({ socket: at.path, group: "daemon" });
    const found = await stat(at.path);
    expect([found.uid, found.gid, found.mode & 0o7777]).toEqual([0, await groupId("daemon"), 0o660]);
    await loaded.unload();
  });

  it("refuses a group that does not exist", async () => {
    await using at = await place();
    await expect(load({ socket: at.path, group: "no-such-group" })).rejects.toMatchObject({
      code: "GROUP_UNKNOWN",
      message: 'there is no group "no-such-group" in /etc/group; create it with: groupadd --system no-such-group',
    });
    expect(await readdir(at.directory)).toEqual([]);
  });

  it("reads the group file exactly", async () => {
    await using at = await place();
    await writeFile(at.path, "root:x:0:\nstaff2:x:51:a,b\nstaff:x:50:\nbroken\nodd:x:minus:\n");
    expect(await groupId("staff", at.path)).toBe(50);
    for (const name of ["sta", "broken", "odd", "x", "a"]) {
      await expect(groupId(name, at.path)).rejects.toMatchObject({ code: "GROUP_UNKNOWN" });
    }
    await expect(groupId("staff", `${at.path}.gone`)).rejects.toMatchObject({ code: "GROUP_UNKNOWN" });
  });

  it("replaces what a dead daemon left", async () => {
    await using at = await place();
    await staleSocket(at.path);
    expect((await lstat(at.path)).isSocket()).toBe(true);
    await using loaded = await load({ socket: at.path });
    await expectAnswer(at.path);
    expect(loaded.engine.calls).toEqual(["status"]);
  });

  it("refuses a socket on which somebody listens, and leaves it alone", async () => {
    await using at = await place();
    await using first = await load({ socket: at.path });
    await expect(load({ socket: at.path })).rejects.toMatchObject({
      code: "SOCKET_IN_USE",
      message: expect.stringContaining(`${at.path} cannot be opened: a process listens on it`) as string,
    });
    await expectAnswer(at.path);
    expect(first.engine.calls).toEqual(["status"]);
    expect(await readdir(at.directory)).toEqual(["sock"]);
  });

  it("refuses what is not a socket, and leaves it alone", async () => {
    await using at = await place();
    const file = join(at.directory, "file");
    await writeFile(file, "precious");
    await mkdir(at.path);
    await symlink(file, join(at.directory, "link"));
    await expect(load({ socket: at.path })).rejects.toThrow("it is a directory and not a socket");
    await expect(load({ socket: file })).rejects.toThrow("it is a file and not a socket");
    await expect(load({ socket: join(at.directory, "link") })).rejects.toThrow("it is a symbolic link and not a socket");
    expect(await readFile(file, "utf8")).toBe("precious");
    expect((await readdir(at.directory)).sort()).toEqual(["file", "link", "sock"]);
  });

  it("says which directory is missing", async () => {
    await using at = await place();
    await expect(load({ socket: join(at.directory, "a/b.sock") })).rejects.toMatchObject({
      code: "SOCKET_FAILED",
      message: expect.stringContaining(`the directory ${join(at.directory, "a")} does not exist; create it`) as string,
    });
    await writeFile(at.path, "");
    await expect(load({ socket: join(at.path, "b.sock") })).rejects.toMatchObject({ code: "SOCKET_FAILED" });
  });

  it("takes the longest path that a socket can have, and refuses a longer one", async () => {
    await using at = await place();
    const longest = join(at.directory, "x".repeat(98 - at.directory.length - 1));
    await using loaded = await load({ socket: longest });
    await expectAnswer(longest);
    expect(loaded.engine.calls).toEqual(["status"]);
    await expect(load({ socket: `${longest}x` })).rejects.toThrow("the path is 99 bytes long, and a socket's can be 98 at most");
  });

  it("leaves alone at the end what another daemon has put there", async () => {
    await using at = await place();
    const loaded = await load({ socket: at.path });
    await rm(at.path);
    const other = await foreignServer(at.path);
    await loaded.unload();
    expect((await lstat(at.path)).isSocket()).toBe(true);
    other.close();
    await once(other, "close");
  });

  it("does not mind at the end that its file is gone", async () => {
    await using at = await place();
    const loaded = await load({ socket: at.path });
    await rm(at.path);
    await loaded.unload();
    await loaded.unload();
    expect(existsSync(at.path)).toBe(false);
  });
});
