import { describe, expect, it } from "vitest";
import { Accounts } from "./accounts.ts";
import { examineCommand, programOf } from "./cmd-examine.ts";
import type { CmdOptions } from "./cmd-options.ts";

const ACCOUNTS = new Accounts("games:x:4001:4001::/:/bin/sh\n", "games:x:4001:\n");
const ALL = new Set(["CAP_SETUID", "CAP_SETGID", "CAP_KILL"] as const);

async function run(
  options: Partial<CmdOptions>,
  capabilities: ReadonlySet<typeof ALL extends Set<infer T> ? T : never> = ALL,
): Promise<string[]> {
  const whole: CmdOptions = { command: "exec sh", env: {}, stop_signal: "SIGINT", stop_timeout: "5s", ...options };
  const examination = { capabilities, isRunning: false, runtimeDir: "/run/proxygw" };
  const found = await examineCommand("web", whole, examination, ACCOUNTS, { PATH: "/usr/bin:/bin" });
  return found.map(({ id, severity }) => `${severity} ${id}`);
}

describe("examineCommand", () => {
  it("is content with what can be started", async () => {
    expect(await run({ user: "games" })).toEqual([]);
    expect(await run({ command: "cd / && nowhere-to-be-found" })).toEqual([]);
    expect(await run({ command: "./sh", cwd: "/bin" })).toEqual([]);
  });

  it("misses programs, directories and privileges", async () => {
    expect(await run({ command: "exec nowhere-to-be-found --now" })).toEqual(["error command-missing"]);
    expect(await run({ command: "/etc/passwd" })).toEqual(["error command-missing"]);
    expect(await run({ env: { PATH: "/nowhere" } })).toEqual(["error command-missing"]);
    expect(await run({ cwd: "/nowhere" })).toEqual(["error command-directory"]);
    expect(await run({ cwd: "/etc/passwd" })).toEqual(["error command-directory"]);
    expect(await run({ user: "games" }, new Set(["CAP_SETUID"]))).toEqual(["error command-privileges"]);
    expect(await run({ user: process.geteuid?.() ?? 0, group: 0 }, new Set())).toEqual([]);
  });

  it.each([
    ["python3 -m http.server", "python3"],
    ["  exec /srv/game/server -p 1", "/srv/game/server"],
    ["serve", "serve"],
    ["while :; do serve; done", undefined],
    ["cd /srv && serve", undefined],
    ["A=1 serve", undefined],
    ["serve; other", undefined],
    ["$HOME/serve", undefined],
    ["'my serve'", undefined],
    ["exec -a name serve", undefined],
  ])("%s begins with %s", (command, program) => {
    expect(programOf(command)).toBe(program);
  });
});
