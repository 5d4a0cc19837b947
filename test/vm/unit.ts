/** The unit as it is shipped, installed in the machine as the README says, and what systemd says of it. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { writeFile } from "node:fs/promises";
import { stringify } from "yaml";
import { PYTHON } from "../e2e/on-demand.ts";
import { output, run } from "./machine.ts";

export const UNIT = "proxygw.service";

const CONFIG = "/etc/proxygw.yaml";
export const REPOSITORY = resolve(import.meta.dirname, "../..");
/** Not in a home directory, where a drop-in may forbid the daemon to look. */
export const INSTALLED = "/opt/proxygw";
const INTERPRETER = existsSync("/usr/bin/python3") ? "/usr/bin/python3" : PYTHON;
const SERVICE = `${INSTALLED}/test/e2e/service.py tcp 127.0.0.1 8080`;

/** Idempotent: test files share the machine. */
export async function install(dropIn?: string): Promise<void> {
  const dropIns = `/etc/systemd/system/${UNIT}.d`;
  const steps = [
    `mkdir -p ${INSTALLED}`,
    `mountpoint -q ${INSTALLED} || mount --bind ${REPOSITORY} ${INSTALLED}`,
    `ln -sfn ${INSTALLED}/build/proxygw ${INSTALLED}/build/proxygwctl /usr/bin/`,
    `cp ${INSTALLED}/init/systemd/${UNIT} /etc/systemd/system/`,
    `rm -rf ${dropIns}`,
    dropIn === undefined ? ":" : `install -D -m 644 ${INSTALLED}/init/systemd/${dropIn} ${dropIns}/${dropIn}`,
    "systemctl daemon-reload",
  ];
  await output("sh", "-ec", steps.join("\n"));
}

export async function remove(): Promise<void> {
  await run("systemctl", "stop", UNIT);
  await run("systemctl", "reset-failed", UNIT);
}

export function frontend(name: string, port: number): Record<string, unknown> {
  return { name, kind: "static:on-demand", listen: `0.0.0.0:${String(port)}`, target: "files:http" };
}

/** A service on the machine whose connections stay open, reached through port 8088. */
export function config(change: Record<string, unknown> = {}, options: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    version: "v1",
    plugins: { ctl: { socket: "/run/proxygw/ctl.sock" } },
    targets: [
      {
        name: "files",
        kind: "static:cmd",
        endpoints: [{ name: "http", protocol: "tcp", address: "127.0.0.1:8080" }],
        options: { command: `exec ${INTERPRETER} ${SERVICE}`, ...options },
      },
    ],
    frontends: [frontend("public-files", 8088)],
    ...change,
  };
}

export async function configure(whole: Record<string, unknown>): Promise<void> {
  await writeFile(CONFIG, stringify(whole));
}

/** Gives the daemon's pid. @throws when systemctl start fails */
export async function start(whole = config()): Promise<number> {
  await configure(whole);
  await output("systemctl", "start", UNIT);
  return mainPid();
}

export async function mainPid(): Promise<number> {
  return Number(await property("MainPID"));
}

/** A property of the unit, as systemctl show says it. */
export async function property(name: string): Promise<string> {
  return (await output("systemctl", "show", UNIT, "--property", name, "--value")).trim();
}

export async function state(): Promise<string> {
  return (await run("systemctl", "is-active", UNIT)).stdout;
}

export async function journal(): Promise<string> {
  return output("journalctl", "--no-pager", "-u", UNIT);
}

/** Pids of the service that the target runs, as lines. */
export async function services(): Promise<string> {
  return (await run("pgrep", "-f", SERVICE)).stdout;
}

export async function targetState(): Promise<string | undefined> {
  const { stdout } = await run("proxygwctl", "status");
  if (stdout === "") return undefined;
  return (JSON.parse(stdout) as { targets: { state: string }[] }).targets[0]?.state;
}
