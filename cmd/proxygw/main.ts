/** The daemon: reads its command line, wires the packages together, and ends with an exit status. */
import { existsSync } from "node:fs";
import { Command, Option } from "commander";
import { ConfigError } from "../../pkg/config/config-error.ts";
import { suggestion } from "../../pkg/config/nearest.ts";
import { editorSchema } from "../../pkg/config/editor-schema.ts";
import { namedSchemas } from "../../pkg/config/named-schemas.ts";
import { useCompiled } from "../../pkg/config/validate.ts";
import { messageOf } from "../../pkg/fault/fault.ts";
import { Registry } from "../../pkg/plugin/registry.ts";
import { version } from "../../pkg/version/version.ts";
import { closeInheritedDescriptors } from "../../pkg/process/inherited-descriptors.ts";
import { adviceOn } from "./advice.ts";
import { checkReport } from "./check.ts";
import { answerWith, fileOfThread, readFirstConfig } from "./config-thread.ts";
import { configFlaw, refuseUntrusted } from "./config-trust.ts";
import { runDaemon } from "./daemon.ts";
import { type Format, FORMATS, runDoctor } from "./doctor.ts";
import { registrations } from "./plugins.gen.ts";
import { compiledSchemas } from "./validators.gen.ts";

const DEFAULT_CONFIG = "/etc/proxygw.yaml";

/** Exit statuses: 0 ended in order, 1 could not run, 2 wrong configuration or command line; nothing was touched then. */
const FAILED = 1;
const MISUSED = 2;

const CONFIG_OPTION = ["--config <file>", "configuration file", DEFAULT_CONFIG] as const;

const HELP = `
Without a command it runs the daemon, in the foreground, until SIGTERM or Ctrl-C.

Exit status:
  0  ended in order, or the configuration is valid
  1  could not start, or could not stop cleanly: the reason is on standard error
  2  wrong configuration or command line; nothing was touched

Examples:
  proxygw check
  sudo proxygw --config ./proxygw.yaml
  sudo proxygw doctor`;

const DOCTOR_HELP = `
Exit status:
  0  nothing that stops it
  1  something that will stop or break it
  2  wrong usage, or a wrong configuration`;

const program = new Command("proxygw")
  .description("Starts services on demand and routes TCP and UDP traffic to them with nftables.")
  .version(version, "-V, --version", "print the version and exit")
  .option(...CONFIG_OPTION)
  .helpOption("-h, --help", "print this help and exit")
  .helpCommand(false)
  .addHelpText("after", HELP)
  .showHelpAfterError("(a configuration is named with --config FILE; proxygw --help shows what there is)")
  .configureOutput({
    outputError: (text, write) => {
      write(text.replace(/^error: /, "proxygw: "));
    },
  })
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : MISUSED))
  .action(async (options: { config: string }, { args: [unknown] }: Command) => {
    if (unknown !== undefined) {
      const names = program.commands.map((each) => each.name());
      program.error(`proxygw: there is no command "${unknown}"${suggestion(unknown, "commands", names)}`);
    }
    const registry = new Registry(registrations);
    await refuseUntrusted(options.config, process.env);
    const config = await readFirstConfig(options.config, registry);
    closeInheritedDescriptors();
    await runDaemon(options.config, config, registry);
  });

program
  .command("check")
  .description("validate the configuration, say how packets would be held, and exit; touches nothing")
  .option(...CONFIG_OPTION)
  .action(async (_options: unknown, command: Command) => {
    const { config } = command.optsWithGlobals<{ config: string }>();
    const read = await readFirstConfig(config, new Registry(registrations));
    const lines = await checkReport(config, read);
    const flaw = await configFlaw(config, process.env);
    if (flaw !== undefined) process.stderr.write(`proxygw: the daemon would refuse ${config}: ${flaw}\n`);
    for (const each of adviceOn(read)) process.stderr.write(`proxygw: ${config}: ${each}\n`);
    process.stdout.write(`${lines.join("\n")}\n`);
  });

program
  .command("schema")
  .description("print the JSON Schema of the configuration for editors, with the plugins of this build, and exit")
  .action(() => {
    process.stdout.write(`${JSON.stringify(editorSchema(new Registry(registrations)), undefined, 2)}\n`);
  });

program
  .command("doctor")
  .description("look at this machine, and what the configuration needs of it; say what is in the way, and what would do")
  .option(...CONFIG_OPTION)
  .addOption(new Option("-o, --output <format>", "how the findings are printed").choices(FORMATS).default("table"))
  .option("--json", "the same as --output json")
  .addHelpText("after", DOCTOR_HELP)
  .action(async (options: { output: Format; json?: true }, command: Command) => {
    const { config } = command.optsWithGlobals<{ config: string }>();
    // a machine on which nothing is configured yet can be looked at all the same
    const isNamed = [command, program].some((each) => each.getOptionValueSource("config") === "cli");
    const file = isNamed || existsSync(config) ? config : undefined;
    const { output, status } = await runDoctor(
      file,
      new Registry(registrations),
      options.json === true ? "json" : options.output,
    );
    // a pipe may not take all of it at once
    await new Promise((written) => process.stdout.write(output, written));
    process.exitCode = status;
  });

useCompiled(namedSchemas(registrations), compiledSchemas);
// Only now, since commands would take it over. A command that is mistyped would be too many arguments in commander's words.
program.allowExcessArguments();

const file = fileOfThread();
if (file === undefined) {
  program.parseAsync().then(
    () => process.exit(),
    (error: unknown) => {
      if (error instanceof ConfigError) {
        process.stderr.write(`${error.format()}\n`);
        process.exit(MISUSED);
      }
      process.stderr.write(`proxygw: ${messageOf(error)}\n`);
      process.exit(FAILED);
    },
  );
} else {
  void answerWith(file, new Registry(registrations));
}
