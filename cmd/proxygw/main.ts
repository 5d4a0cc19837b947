/** The daemon: reads its command line, wires the packages together, and ends with an exit status. */
import { Command } from "commander";
import { ConfigError } from "../../pkg/config/config-error.ts";
import { editorSchema } from "../../pkg/config/editor-schema.ts";
import { loadConfig } from "../../pkg/config/load.ts";
import { messageOf } from "../../pkg/fault/fault.ts";
import { Registry } from "../../pkg/plugin/registry.ts";
import { version } from "../../pkg/version/version.ts";
import { closeInheritedDescriptors } from "../../pkg/process/inherited-descriptors.ts";
import { checkReport } from "./check.ts";
import { configFlaw, refuseUntrusted } from "./config-trust.ts";
import { runDaemon } from "./daemon.ts";
import { registrations } from "./plugins.gen.ts";

const DEFAULT_CONFIG = "/etc/proxygw.yaml";

/** Exit statuses: 0 ended in order, 1 could not run, 2 wrong configuration or command line; nothing was touched then. */
const FAILED = 1;
const MISUSED = 2;

const CONFIG_OPTION = ["--config <file>", "configuration file", DEFAULT_CONFIG] as const;

const program = new Command("proxygw")
  .description("Starts services on demand and routes TCP and UDP traffic to them with nftables.")
  .version(version)
  .option(...CONFIG_OPTION)
  .showHelpAfterError("(a configuration is named with --config FILE; proxygw --help shows what there is)")
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : MISUSED))
  .action(async (options: { config: string }) => {
    const registry = new Registry(registrations);
    await refuseUntrusted(options.config, process.env);
    const config = await loadConfig(options.config, registry);
    closeInheritedDescriptors();
    await runDaemon(options.config, config, registry);
  });

program
  .command("check")
  .description("validate the configuration, say how packets would be held, and exit; touches nothing")
  .option(...CONFIG_OPTION)
  .action(async (_options: unknown, command: Command) => {
    const { config } = command.optsWithGlobals<{ config: string }>();
    const lines = await checkReport(config, await loadConfig(config, new Registry(registrations)));
    const flaw = await configFlaw(config, process.env);
    if (flaw !== undefined) process.stderr.write(`proxygw: the daemon would refuse ${config}: ${flaw}\n`);
    process.stdout.write(`${lines.join("\n")}\n`);
  });

program
  .command("schema")
  .description("print the JSON Schema of the configuration for editors, with the plugins of this build, and exit")
  .action(() => {
    process.stdout.write(`${JSON.stringify(editorSchema(new Registry(registrations)), undefined, 2)}\n`);
  });

program.parseAsync().then(
  () => process.exit(0),
  (error: unknown) => {
    if (error instanceof ConfigError) {
      process.stderr.write(`${error.format()}\n`);
      process.exit(MISUSED);
    }
    process.stderr.write(`proxygw: ${messageOf(error)}\n`);
    process.exit(FAILED);
  },
);
