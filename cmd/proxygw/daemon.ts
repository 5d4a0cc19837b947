/** One run of the daemon, from a valid configuration to the end. */
import { systemClock } from "../../pkg/clock/clock.ts";
import { ConfigError } from "../../pkg/config/config-error.ts";
import { needsOf } from "../../pkg/config/needs.ts";
import type { Config, Ending } from "../../pkg/config/types.ts";
import { NftDataplane } from "../../pkg/dataplane/nft/driver.ts";
import { systemHost } from "../../pkg/dataplane/nft/system-host.ts";
import { Engine } from "../../pkg/engine/engine.ts";
import { Fault, messageOf } from "../../pkg/fault/fault.ts";
import type { Log } from "../../pkg/log/log.ts";
import { createLogger, type Logger } from "../../pkg/log/logger.ts";
import { createNotifier } from "../../pkg/notify/notify.ts";
import { watch, watchdogLimit } from "../../pkg/notify/watchdog.ts";
import type { ReloadReport } from "../../pkg/plugin/plugin.ts";
import type { Registry } from "../../pkg/plugin/registry.ts";
import { Progress, watchedTools } from "../../pkg/progress/progress.ts";
import { systemCommands, systemTools } from "../../pkg/process/runner.ts";
import { version } from "../../pkg/version/version.ts";
import { adviceOn } from "./advice.ts";
import { readConfig } from "./config-thread.ts";
import { refuseUntrusted } from "./config-trust.ts";
import { settleHeap } from "./heap.ts";
import { isLocal } from "./own-address.ts";
import { RuntimeDirectory } from "./runtime-directory.ts";
import { outliveUnexpected } from "./unexpected.ts";

/** How often systemd's status line is brought up to date, if it changed, the table is looked after and gates are reported. */
const REPORT_MS = 5000;
/** How long looking after the table may take; it gets in line behind all changes, and ends also when they fail. */
const VERIFY_LIMIT_MS = 120_000;

/** The signals that end it, and how: undefined is as on_shutdown has it. SIGUSR2 is for an update, SIGQUIT for a removal. */
const ENDINGS: Readonly<Partial<Record<NodeJS.Signals, Ending | undefined>>> = {
  SIGTERM: undefined,
  SIGINT: undefined,
  SIGUSR2: "keep",
  SIGQUIT: "stop",
};

/** `file`: what `config` was read from. Resolves after a clean stop. @throws what kept it from starting, or from stopping cleanly */
export async function runDaemon(file: string, config: Config, registry: Registry): Promise<void> {
  const logger = createLogger(config.log);
  advise(config, logger);
  const stop = stopSignal(logger);
  const unguard = outliveUnexpected(logger);
  // until there is an engine to reload: a signal without a listener would end the process
  let onHangUp = (): void => undefined;
  process.on("SIGHUP", () => {
    onHangUp();
  });
  const tools = systemTools();
  const progress = new Progress(systemClock);
  const notifier = createNotifier(process.env, logger, { tools });
  const runtimeDirectory = new RuntimeDirectory(config.runtimeDir, logger);
  let ending: Ending = "stop";
  try {
    const begun = systemClock.now();
    await runtimeDirectory.acquire();
    const reload = async (): Promise<ReloadReport> => {
      notifier.reloading();
      try {
        return await reloadFrom(file, registry, engine, logger);
      } finally {
        notifier.reloaded(statusLine(engine));
      }
    };
    const engine: Engine = new Engine({
      config,
      needs: needsOf(config, isLocal),
      registry,
      dataplane: new NftDataplane({
        config: config.dataplane,
        runtimeDir: config.runtimeDir,
        tools: watchedTools(tools, progress),
        clock: systemClock,
        host: systemHost,
        log: logger,
      }),
      clock: systemClock,
      log: logger,
      commands: systemCommands(),
      tools,
      reload,
      ending: () => endingOf(stop),
    });
    onHangUp = () => {
      logger.reopen();
      // the failure is logged where it happens
      engine.reload().catch(() => undefined);
    };
    try {
      await engine.start(stop);
    } catch (error) {
      // asked to stop while starting: everything is released, and that is what was asked for
      if (stop.aborted && error === stop.reason) {
        ending = engine.ending;
        return;
      }
      throw error;
    }
    logger.info("ready", {
      version,
      targets: config.targets.length,
      frontends: config.frontends.length,
      took_ms: Math.round(systemClock.now() - begun),
    });
    notifier.ready(statusLine(engine));
    settleHeap();
    const limit = watchdogLimit(process.env, process.pid);
    if (limit !== undefined)
      void watch(limit, { notifier, clock: systemClock, log: logger, stuck: () => progress.overdue() }, stop);
    await untilStopped(stop, async () => {
      notifier.status(statusLine(engine));
      await progress.within(VERIFY_LIMIT_MS, "changes of the packet path", () => engine.verify());
      await engine.reportGates();
    });
    ending = engine.ending;
    logger.info("stopping", { reason: stopReason(stop), on_shutdown: ending });
    notifier.stopping();
    await engine.close();
    logger.info("stopped");
  } finally {
    await runtimeDirectory.release(ending);
    await notifier.close();
    await logger.close();
    unguard();
  }
}

function advise(config: Config, log: Log): void {
  for (const each of adviceOn(config)) log.warn(each);
}

/**
 * Reads the file again and brings the engine there. @throws Fault CONFIG_INVALID (the message is the report, of several lines),
 *   LOG_UNWRITABLE, or of the engine; nothing changed then
 */
async function reloadFrom(file: string, registry: Registry, engine: Engine, logger: Logger): Promise<ReloadReport> {
  const former = engine.config.log;
  try {
    await refuseUntrusted(file, process.env);
    const config = await readConfig(file, registry);
    logger.configure(config.log);
    const report = await engine.apply(config, needsOf(config, isLocal)).catch((error: unknown) => {
      logger.configure(former);
      throw error;
    });
    logger.info("configuration reloaded", { file, ...report });
    advise(config, logger);
    return report;
  } catch (error) {
    logger.error("the configuration was not reloaded, and nothing changed", { file, error: messageOf(error) });
    throw error instanceof ConfigError ? new Fault("CONFIG_INVALID", error.format()) : error;
  }
}

/**
 * Aborts at one of ENDINGS' signals; the first one counts. The listeners stay: a library that also listens takes a process without any of its own for
 * one that wants to be killed.
 */
function stopSignal(log: Log): AbortSignal {
  const abort = new AbortController();
  for (const signal of Object.keys(ENDINGS) as NodeJS.Signals[]) {
    process.on(signal, () => {
      if (abort.signal.aborted) log.warn("already stopping, and waiting for what is to be stopped", { signal });
      abort.abort(new Fault("STOPPED", signal));
    });
  }
  return abort.signal;
}

function stopReason(stop: AbortSignal): NodeJS.Signals | "" {
  return stop.reason instanceof Fault ? (stop.reason.message as NodeJS.Signals) : "";
}

function endingOf(stop: AbortSignal): Ending | undefined {
  const signal = stopReason(stop);
  return signal === "" ? undefined : ENDINGS[signal];
}

async function untilStopped(stop: AbortSignal, each: () => Promise<void>): Promise<void> {
  for (;;) {
    await systemClock.sleep(REPORT_MS, stop).catch(() => undefined);
    if (stop.aborted) return;
    await each();
  }
}

function statusLine(engine: Engine): string {
  const { targets, active, frontends, running } = engine.summary();
  return `${active} of ${targets} targets active, ${running} of ${frontends} frontends running`;
}
