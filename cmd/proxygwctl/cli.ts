import { Argument, Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { ALL_EVENTS, isEventType } from "../../pkg/ctl/event-type.ts";
import { Method } from "../../pkg/ctl/method.ts";
import { CODECS, type CodecName } from "../../pkg/ctl/packet.ts";
import { Fault, hasCode, messageOf } from "../../pkg/fault/fault.ts";
import { parseDuration } from "../../pkg/value/duration.ts";
import { version } from "../../pkg/version/version.ts";
import { SCRIPTS, type Shell, SHELLS } from "./completion-scripts.ts";
import { DEFAULT_CONFIG, findEndpoint } from "./endpoint.ts";
import { reloadLines } from "./reload-lines.ts";
import { Interruption, Session, type Surroundings } from "./session.ts";
import { type Format, FORMATS, showFlows, showStatus, type StatusOptions } from "./show.ts";
import { steer, type SteerOptions } from "./steer.ts";

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;

/** Milliseconds between two looks of the live screen. */
const INTERVAL_MS = 2000;
const SHORTEST_INTERVAL_MS = 200;

const HELP = `
The daemon's configuration says which socket to use and how to speak on it (plugins.ctl). With --socket it is not read;
where you may not read it, a usual socket is used. Colours are left out when NO_COLOR is set.

Exit status:
  0    done
  1    not done: the reason is on standard error
  2    wrong usage, or a wrong configuration: nothing was changed
  130  interrupted (Ctrl-C); the daemon goes on with the request
  129, 143  ended by SIGHUP, SIGTERM

Examples:
  proxygwctl status
  proxygwctl status -o json --traffic backend
  proxygwctl warm --timeout 1m backend database
  proxygwctl watch --events target_state,refusal
  proxygwctl --config ./proxygw.yaml stop public-http`;

/** Runs the program with `args` (without interpreter and script) and returns its exit status. */
export async function run(args: readonly string[], surroundings: Surroundings): Promise<number> {
  try {
    const program = commands(surroundings);
    // not one of commander's: it would take the line's own options for its own
    if (args[0] === "__complete") await (await import("./complete.ts")).complete(program, args.slice(1), surroundings);
    else await program.parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    // commander has said what there is to say
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
    if (error instanceof Interruption) return error.status;
    if (surroundings.interrupt.aborted) return EXIT_INTERRUPTED;
    const isConfig = hasCode(error, "CONFIG_INVALID") || hasCode(error, "CONFIG_FORBIDDEN");
    surroundings.stderr(isConfig ? `${messageOf(error)}\n` : `proxygwctl: ${messageOf(error)}\n`);
    return isConfig || hasCode(error, "NO_TERMINAL") ? EXIT_USAGE : EXIT_FAILED;
  }
}

function commands(surroundings: Surroundings): Command {
  const { stdout, stderr, files } = surroundings;
  const program = new Command("proxygwctl")
    .description("Shows and steers a running proxygw.")
    .option("--config <file>", "configuration file of the daemon", DEFAULT_CONFIG)
    .option("--socket <path>", "control socket of the daemon, whatever the configuration says")
    .addOption(new Option("--codec <codec>", "how to speak on the socket").choices(CODECS))
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

  const session = new Session(surroundings, () => {
    const { config, ...options } = program.opts<{ config: string; socket?: string; codec?: CodecName }>();
    const isNamed = program.getOptionValueSource("config") !== "default";
    return findEndpoint(isNamed ? { ...options, config } : options, files);
  });
  addShowing(program, session);
  addSteering(program, session);
  addLive(program, session);
  program
    .command("completion")
    .description("print what makes a shell complete commands, options and names; how to load it is in its first line")
    .addArgument(new Argument("<shell>", "which shell").choices(SHELLS))
    .action((shell: Shell) => {
      stdout(SCRIPTS[shell]);
    });
  for (const command of program.commands) {
    command.showHelpAfterError(`(proxygwctl ${command.name()} --help shows what there is)`);
  }
  return program;
}

function formatOption(): Option {
  return new Option("-o, --output <format>", "how to print it; default: table on a terminal, else json").choices(FORMATS);
}

function addShowing(program: Command, session: Session): void {
  program
    .command("status")
    .description("print the state of all targets and frontends")
    .argument("[name...]", "only these targets and frontends, and the frontends of these targets")
    .addOption(formatOption())
    .option("--traffic", "with flows, connections and bytes, for which the daemon looks at all flows (default: in a table)")
    .option("--no-traffic", "without")
    .action((names: string[], options: StatusOptions) => showStatus(session, names, options));
  program
    .command("flows")
    .description("print the flows that are alive: who talks to whom")
    .argument("[target]", "only those of this target")
    .addOption(formatOption())
    .action((target: string | undefined, { output }: { output?: Format }) => showFlows(session, target, output));
}

function addSteering(program: Command, session: Session): void {
  const waiting = (command: Command, what: string): Command =>
    command
      .option("--wait", `until ${what} (this is the default)`)
      .option("--no-wait", "only until the daemon has begun; what fails after that is in the status")
      .option("--timeout <duration>", "how long to wait, such as 30s: after that, exit status 1; the daemon goes on", duration);
  waiting(program.command("warm"), "it is ready")
    .description("start a target, and wait until it is ready")
    .argument("<target...>", "name of the target; several are started at the same time")
    .action((names: string[], options: SteerOptions) => steer(session, "warm", names, options));
  waiting(program.command("drain"), "it has stopped")
    .description("stop a target that no flow is alive on, and wait until it has stopped")
    .argument("<target...>", "name of the target; several are stopped at the same time")
    .option("--force", "also when flows are alive: they are cut")
    .action((names: string[], options: SteerOptions) => steer(session, "drain", names, options));
  program
    .command("start")
    .description("start a frontend, so that it takes clients")
    .argument("<frontend...>", "name of the frontend")
    .action((names: string[]) => steer(session, "start", names, {}));
  program
    .command("stop")
    .description("stop a frontend, so that it takes no more clients")
    .argument("<frontend...>", "name of the frontend")
    .action((names: string[]) => steer(session, "stop", names, {}));
  program
    .command("reload")
    .description("have the daemon read its configuration again, and print what changed")
    .action(async () => {
      const body = await session.ask({ method: Method.reloadRequest, body: {}, timeoutMs: undefined });
      const { lines, isWhole } = reloadLines(body);
      session.print(lines);
      if (!isWhole) throw new Fault("RELOAD_INCOMPLETE", "not everything of the new configuration could be brought up");
    });
}

function addLive(program: Command, session: Session): void {
  program
    .command("watch")
    .description("print what happens as it happens, one line each, until Ctrl-C")
    .argument("[name...]", "only what is about these targets and frontends")
    .addOption(new Option("-o, --output <format>", "how to print it").choices(["text", "json"]).default("text"))
    .option(
      "--events <types>",
      `only these, as a list with commas: ${ALL_EVENTS.join(", ")}; default: all but transaction`,
      eventList,
    )
    .action(async (names: string[], options: { output?: "text" | "json"; events?: string[] }) => {
      await (await import("./watch.ts")).watch(session, names, options);
    });
  program
    .command("top")
    .description("show the targets on a live screen; q leaves it")
    .addOption(new Option("--interval <duration>", "between two looks").argParser(interval).default(INTERVAL_MS, "2s"))
    .action(async (options: { interval: number }) => {
      await (await import("./top.ts")).top(session, options);
    });
}

function duration(text: string): number {
  try {
    const ms = parseDuration(text);
    if (ms > 0) return ms;
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error));
  }
  throw new InvalidArgumentError('expected more than nothing, such as "30s"');
}

function interval(text: string): number {
  const ms = duration(text);
  if (ms < SHORTEST_INTERVAL_MS) throw new InvalidArgumentError("200ms is the shortest");
  return ms;
}

function eventList(text: string): string[] {
  const types = text.split(",").map((each) => each.trim());
  const unknown = types.find((each) => !isEventType(each));
  if (unknown !== undefined) throw new InvalidArgumentError(`there is no event "${unknown}"; there are ${ALL_EVENTS.join(", ")}`);
  return types;
}
