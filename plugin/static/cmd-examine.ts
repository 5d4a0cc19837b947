import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Examination, Finding } from "../../pkg/plugin/finding.ts";
import type { Accounts } from "./accounts.ts";
import type { CmdOptions } from "./cmd-options.ts";

const SHELL = "/bin/sh";

/** What would keep the command of target `name` from being started on this machine. */
export async function examineCommand(
  name: string,
  options: CmdOptions,
  { capabilities }: Examination,
  accounts: Accounts,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Finding[]> {
  const where = `target "${name}"`;
  const findings: Finding[] = [];
  const { uid } = accounts.account(options.user, options.group);
  const missing = (["CAP_SETUID", "CAP_SETGID", "CAP_KILL"] as const).filter((each) => !capabilities.has(each));
  if (uid !== undefined && uid !== process.geteuid?.() && missing.length > 0) {
    const what = `running its command as user ${options.user ?? uid}, and stopping it, takes ${missing.join(", ")}`;
    findings.push({ id: "command-privileges", severity: "error", what, where, remedy: "run proxygw as root, or leave out user" });
  }
  const { cwd = "/" } = options;
  const directory = await stat(cwd).catch(() => undefined);
  if (directory?.isDirectory() !== true) {
    const what = `its working directory ${cwd} does not exist, or is no directory`;
    findings.push({ id: "command-directory", severity: "error", what, where, remedy: `mkdir -p ${cwd}, or correct cwd` });
  }
  const path = options.env["PATH"] ?? env["PATH"] ?? "";
  for (const program of [SHELL, programOf(options.command)]) {
    if (program === undefined || (await isThere(program, cwd, path))) continue;
    const what = program.includes("/")
      ? `${program}, which its command runs, is not there or not executable`
      : `${program}, which its command runs, is in no directory of PATH (${path})`;
    findings.push({
      id: "command-missing",
      severity: "error",
      what,
      where,
      remedy: "install it, or correct the command; under systemd PATH is shorter than a person's: name the whole path",
    });
  }
  return findings;
}

/**
 * The program that a command begins with; undefined where the shell does something before, or it is the shell's own word: only a
 * shell could tell then.
 */
export function programOf(command: string): string | undefined {
  const [, word, end] = /^\s*(?:exec\s+)?([A-Za-z0-9_./+-]+)(\s|$)/.exec(command) ?? [];
  return word === undefined || end === undefined || word.startsWith("-") || SHELL_WORDS.has(word) ? undefined : word;
}

/** Reserved words and builtins of POSIX shells (XCU 2.4, 2.14, 1.6). */
const SHELL_WORDS: ReadonlySet<string> = new Set(
  (
    ". : alias bg bind break builtin case cd command continue declare do done echo elif else esac eval exec exit export false fg fi for " +
    "function getopts hash if in jobs kill let local printf pwd read readonly return set shift source test then time times trap true " +
    "type ulimit umask unalias unset until wait while"
  ).split(" "),
);

async function isThere(program: string, cwd: string, path: string): Promise<boolean> {
  const candidates = program.includes("/")
    ? [resolve(cwd, program)]
    : path.split(":").map((folder) => join(folder === "" ? "." : folder, program));
  for (const candidate of candidates) {
    const isProgram = await stat(candidate).then(
      (status) => status.isFile(),
      () => false,
    );
    if (!isProgram) continue;
    const isExecutable = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isExecutable) return true;
  }
  return false;
}
