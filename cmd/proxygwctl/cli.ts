import { Command, CommanderError } from "commander";
import type { Clock } from "../../pkg/clock/clock.ts";
import { Method } from "../../pkg/ctl/method.ts";
import { Fault, hasCode, messageOf } from "../../pkg/fault/fault.ts";
import { version } from "../../pkg/version/version.ts";
import { ask, type Endpoint } from "./client.ts";
import { reloadLines } from "./reload-lines.ts";

/** What the program needs of its surroundings. */
export interface Surroundings {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  readonly clock: Clock;
  /** Aborts on Ctrl-C. */
  readonly interrupt: AbortSignal;
  /** @throws Fault with a message that names the file */
  readonly readConfig: (path: string) => Promise<Endpoint>;
}

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;

const STATUS_TIMEOUT_MS = 5000;

const HELP = `
The daemon's configuration says which socket to use and how to speak on it (plugins.ctl).

Exit status:
  0    done
  1    not done: the reason is on standard error
  2    wrong usage, or a wrong configuration: nothing was changed
  130  interrupted; the daemon goes on with the request

Examples:
  proxygwctl status
  proxygwctl warm backend
  proxygwctl --config ./proxygw.yaml stop public-http`;

/** Runs the program with `args` (without interpreter and script) and returns its exit status. */
export async function run(args: readonly string[], surroundings: Surroundings): Promise<number> {
  try {
    await program(surroundings).parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    // commander has said what there is to say
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
    if (surroundings.interrupt.aborted) return EXIT_INTERRUPTED;
    const isConfig = hasCode(error, "CONFIG_INVALID");
    surroundings.stderr(isConfig ? `${messageOf(error)}\n` : `proxygwctl: ${messageOf(error)}\n`);
    return isConfig ? EXIT_USAGE : EXIT_FAILED;
  }
}

function program({ stdout, stderr, clock, interrupt, readConfig }: Surroundings): Command {
  const command = new Command("proxygwctl")
    .description("Shows and steers a running proxygw.")
    .option("--config <file>", "configuration file of the daemon", "/etc/proxygw.yaml")
    .version(version, "--version", "print the version and exit")
    .helpOption("-h, --help", "print this help and exit")
    .helpCommand(false)
    .addHelpText("after", HELP)
    .showHelpAfterError("(proxygwctl --help shows what there is)")
    .configureOutput({
      writeOut: stdout,
      writeErr: stderr,
      outputError: (text, write) => {
        write(text.replace(/^error: /, "proxygwctl: "));
      },
    })
    .exitOverride();

  const askFor = async (method: number, body: unknown, timeoutMs?: number): Promise<unknown> => {
    const endpoint = await readConfig(command.opts<{ config: string }>().config);
    return ask(endpoint, { method, body, timeoutMs }, clock, interrupt);
  };

  command
    .command("status")
    .description("print the state of all targets and frontends as JSON")
    .action(async () => {
      const status = await askFor(Method.statusRequest, {}, STATUS_TIMEOUT_MS);
      stdout(`${JSON.stringify(status ?? {}, null, 2)}\n`);
    });

  command
    .command("reload")
    .description("have the daemon read its configuration again, and print what changed")
    .action(async () => {
      const { lines, isWhole } = reloadLines(await askFor(Method.reloadRequest, {}));
      stdout(`${lines.join("\n")}\n`);
      if (!isWhole) throw new Fault("RELOAD_INCOMPLETE", "not everything of the new configuration could be brought up");
    });

  const steering = [
    ["warm", "target", "start a target, and wait until it is ready", Method.warmTargetRequest],
    ["start", "frontend", "start a frontend, so that it takes clients", Method.startFrontendRequest],
    ["stop", "frontend", "stop a frontend, so that it takes no more clients", Method.stopFrontendRequest],
  ] as const;
  command
    .command("drain")
    .description("stop a target that no flow is alive on, and wait until it has stopped")
    .argument("<name>", "name of the target")
    .option("--force", "also when flows are alive: they are cut")
    .action(async (target: string, { force = false }: { force?: boolean }) => {
      await askFor(Method.drainTargetRequest, force ? { name: target, force } : { name: target });
    });
  for (const [name, what, description, method] of steering) {
    command
      .command(name)
      .description(description)
      .argument("<name>", `name of the ${what}`)
      .action(async (target: string) => {
        await askFor(method, { name: target });
      });
  }
  return command;
}
