/**
 * Plugin webhook: tells HTTP servers what happens.
 *
 * Owns messages from the event to the receiver's answer, or to their loss. Must not keep anybody waiting: an event is put into a queue,
 * and that is all that the engine sees of it.
 */
import { stat } from "node:fs/promises";
import { hostname } from "node:os";
import type { EngineApi, EngineEvent, Plugin } from "../../pkg/plugin/plugin.ts";
import { parseDuration } from "../../pkg/value/duration.ts";
import { examineHooks } from "./examine.ts";
import { certificatesOf, keysOf } from "./hook-files.ts";
import { Hook } from "./hook.ts";
import { messageOfEvent } from "./message.ts";
import { namesOf } from "./selection.ts";
import { Sender } from "./sender.ts";
import { checkWebhookConfig, type HookConfig, WEBHOOK_CONFIG, type WebhookConfig } from "./webhook-config.ts";

/** What the daemon's end grants messages that wait: less than an onUnload has. */
const FLUSH_MS = 5000;

interface Subscriber {
  readonly events: ReadonlySet<string>;
  readonly hook: Hook;
}

export function webhookPlugin(): Plugin<WebhookConfig> {
  let subscribers: Subscriber[] = [];
  let unsubscribe: (() => void) | undefined;
  return {
    source: "webhook",
    config: WEBHOOK_CONFIG,
    check: checkWebhookConfig,
    examine: examineHooks,

    async onLoad(config: WebhookConfig | undefined, engine: EngineApi): Promise<void> {
      if (config === undefined) return;
      subscribers = await Promise.all(config.hooks.map((each) => subscriber(each, engine)));
      const gateway = hostname();
      unsubscribe = engine.onEvent((event) => {
        publish(event, gateway, subscribers);
      });
    },

    async onUnload(): Promise<void> {
      unsubscribe?.();
      unsubscribe = undefined;
      await Promise.all(subscribers.splice(0).map(({ hook }) => hook.close(FLUSH_MS)));
    },
  };
}

function publish(event: EngineEvent, gateway: string, subscribers: readonly Subscriber[]): void {
  const names = namesOf(event);
  const wanting = subscribers.filter(({ events }) => names.some((each) => events.has(each)));
  for (const { hook } of wanting) hook.push(messageOfEvent(event, gateway));
}

/** @throws Fault WEBHOOK_FILE_UNREADABLE, WEBHOOK_SECRET_INVALID, WEBHOOK_CA_INVALID */
async function subscriber(config: HookConfig, { clock, log }: EngineApi): Promise<Subscriber> {
  const url = new URL(config.url);
  const own = log.with({ hook: config.name, host: url.host });
  const keys = await keysOf(config);
  if (config.secret_file !== undefined && ((await stat(config.secret_file)).mode & 0o004) !== 0) {
    own.warn("everybody on this machine can read the secret", {
      file: config.secret_file,
      try: `chmod o-r ${config.secret_file}`,
    });
  }
  const ca = await certificatesOf(config);
  const sender = new Sender({ url, keys, ca, timeoutMs: parseDuration(config.timeout), clock });
  own.info("sending webhooks", { events: config.events, signed: keys.length > 0 });
  const hook = new Hook({
    capacity: config.queue,
    retries: config.retries,
    clock,
    log: own,
    post: (message, signal) => sender.post(message, signal),
    random: Math.random,
  });
  return { events: new Set(config.events), hook };
}

export default webhookPlugin();
