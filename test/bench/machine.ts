/** What a run was made on, and with which versions. */
import { readFile } from "node:fs/promises";
import { cpus, release, totalmem } from "node:os";
import { execa } from "execa";
import type { Machine } from "./results.ts";

/** A command that tells a version, somewhere in its first lines. */
const VERSIONS: Readonly<Record<string, readonly [string, ...string[]]>> = {
  nft: ["nft", "--version"],
  HAProxy: ["haproxy", "-v"],
  nginx: ["nginx", "-v"],
  socat: ["socat", "-V"],
  systemd: ["systemd-socket-activate", "--version"],
  wrk: ["wrk", "-v"],
  iperf3: ["iperf3", "--version"],
};

export async function machine(): Promise<Machine> {
  const found = await Promise.all(
    Object.entries(VERSIONS).map(async ([name, command]) => [name, await version(...command)] as const),
  );
  const system = await readFile("/etc/os-release", "utf8").catch(() => "");
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown CPU",
    cores: cpus().length,
    memoryGb: totalmem() / 1e9,
    kernel: release(),
    system: /^PRETTY_NAME="?([^"\n]*)/m.exec(system)?.[1] ?? "unknown system",
    versions: { Node: process.version.slice(1), ...Object.fromEntries(found) },
  };
}

async function version(file: string, ...args: string[]): Promise<string> {
  const { all } = await execa(file, args, { reject: false, all: true, timeout: 5000, stdin: "ignore" });
  return /\d+(?:\.\d+)+|\b\d{3}\b/.exec(all)?.[0] ?? "of unknown version";
}
