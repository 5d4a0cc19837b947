import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { type Help, readHelp } from "./help-text.ts";

export interface ProgramHelp {
  readonly name: string;
  readonly main: Help;
  /** In the order of the program's own list. */
  readonly commands: readonly { readonly name: string; readonly help: Help }[];
}

/** What cmd/NAME says of itself: the program is built as `make` builds it, and asked. */
export async function programHelp(root: string, name: string): Promise<ProgramHelp> {
  const directory = await mkdtemp(join(tmpdir(), "proxygw-help-"));
  try {
    const program = join(directory, `${name}.cjs`);
    await build({
      entryPoints: [join(root, "cmd", name, "main.ts")],
      outfile: program,
      bundle: true,
      platform: "node",
      target: "node20",
      format: "cjs",
      external: ["koffi", "unix-dgram"],
      logLevel: "warning",
    });
    const ask = async (...args: string[]): Promise<Help> => {
      const { stdout } = await promisify(execFile)(process.execPath, [program, ...args, "--help"]);
      return readHelp(stdout);
    };
    const main = await ask();
    const names = main.commands.map(({ term }) => term.split(/[ |]/)[0] ?? "").filter((each) => each !== "help");
    return { name, main, commands: await Promise.all(names.map(async (each) => ({ name: each, help: await ask(each) }))) };
  } finally {
    await rm(directory, { recursive: true });
  }
}
