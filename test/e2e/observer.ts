/**
 * observer.ts CONFIG: the engine on the kernel, with a plugin that says on standard output what a plugin can know, as lines of JSON:
 * {event} as they come, and an answer to each line of standard input: {ready} to none, {status} to `status`, {flows} to `flows`,
 * {done} to `gates`, `warm TARGET` and `drain TARGET`. Ends in order at the end of input.
 */
import { createInterface } from "node:readline";
import { registrations } from "../../cmd/proxygw/plugins.gen.ts";
import { systemClock } from "../../pkg/clock/clock.ts";
import { loadConfig } from "../../pkg/config/load.ts";
import { needsOf } from "../../pkg/config/needs.ts";
import { NftDataplane } from "../../pkg/dataplane/nft/driver.ts";
import { systemHost } from "../../pkg/dataplane/nft/system-host.ts";
import { Engine } from "../../pkg/engine/engine.ts";
import { createLogger } from "../../pkg/log/logger.ts";
import type { EngineApi, Plugin } from "../../pkg/plugin/plugin.ts";
import { Registry } from "../../pkg/plugin/registry.ts";
import { systemCommands, systemTools } from "../../pkg/process/runner.ts";

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

let api: EngineApi | undefined;
const observer: Plugin = {
  source: "observer",
  onLoad: (_config, engine) => {
    api = engine;
    engine.onEvent((event) => {
      say({ event });
    });
  },
};

const [file = ""] = process.argv.slice(2);
const registry = new Registry([...registrations, { source: "observer", namespace: "observer", plugin: observer }]);
const config = await loadConfig(file, registry);
const log = createLogger(config.log);
const tools = systemTools();
const engine = new Engine({
  config,
  needs: needsOf(config, (address) => address.startsWith("127.") || address === "::1"),
  registry,
  dataplane: new NftDataplane({
    config: config.dataplane,
    runtimeDir: config.runtimeDir,
    tools,
    clock: systemClock,
    host: systemHost,
    log,
  }),
  clock: systemClock,
  log,
  commands: systemCommands(),
  tools,
  reload: () => Promise.reject(new Error("not here")),
});
await engine.start(new AbortController().signal);
say({ ready: true });

async function answer(line: string): Promise<object> {
  if (api === undefined) throw new Error("the plugin was not loaded");
  const [what, target = ""] = line.split(" ");
  if (what === "status") return { status: await api.status({ traffic: true }) };
  if (what === "flows") return { flows: await api.flows() };
  if (what === "gates") await engine.reportGates();
  if (what === "warm") await api.warmTarget(target, "asked to");
  if (what === "drain") await api.drainTarget(target, "asked to", true);
  return { done: line };
}

for await (const line of createInterface({ input: process.stdin })) say(await answer(line));
await engine.close();
await log.close();
