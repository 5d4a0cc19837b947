/** A disk without room: for the log, for what the daemon keeps in its runtime directory. */
import { mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { visit } from "./clients.ts";
import { Daemon, until } from "./daemon.ts";
import { onDemand, onDemandElsewhere, quick, serve } from "./on-demand.ts";
import { BACKEND, CLIENT, GATEWAY, Topology } from "./topology.ts";

/** A small file system. */
class Disk implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async mount(path: string, options: string): Promise<Disk> {
    await mkdir(path);
    await execa("mount", ["-t", "tmpfs", "-o", options, "disk", path]);
    return new Disk(path);
  }

  /** Until there is no room, nor a name for another file. */
  async fill(): Promise<void> {
    await writeFile(join(this.path, "ballast"), Buffer.alloc(1024 * 1024)).catch(() => undefined);
    for (let index = 0; ; index++) {
      try {
        await writeFile(join(this.path, `ballast${String(index)}`), "");
      } catch {
        return;
      }
    }
  }

  async clear(): Promise<void> {
    for (const name of await readdir(this.path)) if (name.startsWith("ballast")) await rm(join(this.path, name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // what a daemon that was just ended had open may take a moment
    await execa("umount", ["--lazy", this.path]);
  }
}

describe("a full disk", () => {
  let topology: Topology;
  let daemon: Daemon;

  beforeEach(async () => {
    topology = await Topology.create();
    daemon = await Daemon.prepare(topology, onDemand());
  });
  afterEach(async () => {
    await daemon[Symbol.asyncDispose]();
    await topology[Symbol.asyncDispose]();
  });

  async function served(): Promise<void> {
    expect((await visit(topology, "client", GATEWAY, 8088)).answer).toBe(CLIENT);
    await until("it is active", async () => (await daemon.targetState()) === "active");
  }

  it("for the log: the daemon goes on, says so on standard error, and writes what it kept once there is room", async () => {
    await using disk = await Disk.mount(join(daemon.directory, "disk"), "size=64k,nr_inodes=20");
    await symlink("disk/log", join(daemon.directory, "log"));
    await daemon.restart();
    const log = (): Promise<string> => readFile(join(disk.path, "log"), "utf8");
    // the end may be half a line
    const wakes = async (): Promise<number> => (await log()).match(/"to":"active"/g)?.length ?? 0;
    await disk.fill();
    let served = 0;
    const wake = async (): Promise<void> => {
      expect((await visit(topology, "client", GATEWAY, 8088)).answer).toBe(CLIENT);
      await until("it is active", async () => (await daemon.targetState()) === "active");
      await daemon.drain();
      served++;
    };
    // there is room to the end of a page that was begun
    for (let size = -1; size < (await log()).length;) {
      size = (await log()).length;
      await wake();
      await wake();
    }
    expect(await wakes()).toBeLessThan(served);
    await disk.clear();
    await until("the rest is written", async () => (await wakes()) === served);
    expect((await daemon.log()).filter(({ msg }) => String(msg).includes("lost"))).toEqual([]);
    const ended = daemon.ended();
    expect(await daemon.stop()).toBe(0);
    expect((await ended).stderr).toMatch(/level=ERROR msg="the log file cannot be written.*no space left/);
  });

  it("for the runtime directory: commands run all the same, and their output is logged again once there is room", async () => {
    await daemon.configure(onDemand({ command: `echo I am here; ${quick("tcp", "127.0.0.1:8080")}` }));
    await using disk = await Disk.mount(join(daemon.directory, "run"), "size=64k,nr_inodes=20");
    await daemon.restart();
    await disk.fill();
    await served();
    await daemon.drain();
    const told = (await daemon.log()).map(({ msg }) => String(msg));
    expect(told.filter((each) => each.startsWith("the command's output goes nowhere"))).toHaveLength(1);
    expect(told.filter((each) => each.startsWith("could not write down which process"))).toHaveLength(1);
    expect(told).not.toContain("I am here");
    await disk.clear();
    await served();
    await until("its output is logged", async () => (await daemon.log()).some(({ msg }) => msg === "I am here"));
    expect(await daemon.stop()).toBe(0);
    expect(await readdir(disk.path)).toEqual([]);
  });

  it("at the start: refused in words, with nothing left behind", async () => {
    await using disk = await Disk.mount(join(daemon.directory, "run"), "size=64k,nr_inodes=20");
    await disk.fill();
    const { exitCode, stderr } = await daemon.attempt();
    expect([exitCode, stderr]).toEqual([1, expect.stringMatching(/the runtime directory .* cannot be used .*no space left/)]);
    expect(await topology.shell("gateway", "nft list ruleset")).toBe("");
    await disk.clear();
    expect(await readdir(disk.path)).toEqual([]);
  });

  it("for the former values of sysctls: none is changed, and the start is refused in words", async () => {
    // room for one file
    await using disk = await Disk.mount(join(daemon.directory, "run"), "size=4k");
    await daemon.configure(onDemandElsewhere([`${BACKEND}:8080`]));
    const { exitCode, stderr } = await daemon.attempt();
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /the former values of sysctls cannot be written to .*, and without that none is changed.*no space left/,
    );
    expect(await topology.shell("gateway", "cat /proc/sys/net/ipv4/ip_forward; nft list ruleset")).toBe("0");
    expect(await readdir(disk.path)).toEqual([]);
    await execa("mount", ["-o", "remount,size=64k", disk.path]);
    await serve(topology, "backend", `${BACKEND}:8080`);
    await daemon.restart();
    expect((await visit(topology, "client", GATEWAY, 8088)).answer).toBe(CLIENT);
  });
});
