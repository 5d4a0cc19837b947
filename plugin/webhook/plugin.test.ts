import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { parseConfig } from "../../pkg/config/load.ts";
import { FakeEngine } from "../../pkg/plugin/fake-engine.ts";
import type { EngineEvent } from "../../pkg/plugin/plugin.ts";
import { Registry } from "../../pkg/plugin/registry.ts";
import { paced } from "../../test/pace.ts";
import plugin, { webhookPlugin } from "./plugin.ts";
import { answers, type Receiver, receiver } from "./test-receiver.ts";
import type { WebhookConfig } from "./webhook-config.ts";

const AT = "2026-01-02T03:04:05.678Z";
const WOKEN: EngineEvent = {
  type: "target_state",
  at: AT,
  target: "game",
  from: "warming",
  to: "active",
  frontend: "public-game",
  source: "192.0.2.7:41874",
  took_ms: 812,
};
const STOPPED: EngineEvent = { type: "target_state", at: AT, target: "game", from: "draining", to: "inactive" };
const SECRET = `whsec_${Buffer.alloc(32, 9).toString("base64")}`;

/** As the loader gives it. */
function configured(hooks: unknown): WebhookConfig {
  const text = JSON.stringify({ version: "v1", plugins: { webhook: { hooks } } });
  const registry = new Registry([{ source: "webhook", namespace: "webhook", plugin }]);
  return parseConfig(text, "test.yaml", registry).plugins.get("webhook") as WebhookConfig;
}

async function load(hooks: unknown) {
  const engine = new FakeEngine();
  const loaded = webhookPlugin();
  await loaded.onLoad?.(configured(hooks), engine, "webhook");
  onTestFinished(() => loaded.onUnload?.());
  return { engine, unload: () => loaded.onUnload?.() };
}

/** Waits in real time: the receiver is a real one. */
async function until(what: string, condition: () => boolean, each: () => Promise<void> = () => Promise.resolve()): Promise<void> {
  const end = Date.now() + paced(8000);
  while (!condition()) {
    if (Date.now() > end) throw new Error(`not in time: ${what}`);
    await each();
    await new Promise((wake) => setTimeout(wake, 5));
  }
}

describe("the configuration of webhook", () => {
  const hook = { name: "ops", url: "https://ops.example/x", events: ["target_state"] };

  it("is filled in", () => {
    expect(configured([hook]).hooks[0]).toEqual({ ...hook, timeout: "10s", retries: 10, queue: 1000 });
  });

  it.each([
    [{ ...hook, url: "ops.example" }, "this is not a URL of http or https"],
    [{ ...hook, url: "ftp://ops.example/" }, "this is not a URL of http or https"],
    [{ ...hook, url: "http://ops.example/", ca_file: "/x" }, '"ca_file" is for https only'],
    [{ ...hook, timeout: "5" }, "a unit is missing"],
    [{ ...hook, timeout: "2m" }, '"2m" is not between 100ms and 1m'],
    [{ ...hook, retries: -1 }, "must be >= 0"],
    [{ ...hook, queue: 0 }, "must be >= 1"],
    [{ ...hook, events: [] }, "is an empty list; expected at least one"],
    [{ ...hook, events: ["target_state.activ"] }, 'did you mean "target_state.active"?'],
    [{ ...hook, secret: "whsec_x" }, 'unknown key "secret"'],
    [{ ...hook, secret_file: "secret" }, "secret_file"],
  ])("%j is refused: %s", (wrong, message) => {
    expect(() => configured([wrong])).toThrow(message);
  });

  it("is refused with two hooks of one name, or none", () => {
    expect(() => configured([hook, hook])).toThrow('a second hook with the name "ops"');
    expect(() => configured([])).toThrow("is an empty list");
  });
});

describe("the webhook plugin", () => {
  let directory: string;
  let secretFile: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "proxygw-webhook-"));
    secretFile = join(directory, "secret");
    await writeFile(secretFile, `${SECRET}\n`, { mode: 0o600 });
  });
  afterEach(async () => {
    await rm(directory, { recursive: true });
  });

  function bodies({ received }: Receiver): Record<string, unknown>[] {
    return received.map(({ body }) => JSON.parse(body) as Record<string, unknown>);
  }

  it("does nothing without configuration", async () => {
    const engine = new FakeEngine();
    const loaded = webhookPlugin();
    await loaded.onLoad?.(undefined, engine, "webhook");
    expect(engine.listeners.size).toBe(0);
    await loaded.onUnload?.();
  });

  it("sends to each hook what it asks for", async () => {
    await using one = await receiver([answers.status(200)]);
    await using other = await receiver([answers.status(200)]);
    const { engine, unload } = await load([
      { name: "one", url: `${one.url}/token`, events: ["target_state.active"], secret_file: secretFile },
      { name: "other", url: other.url, events: ["target_state", "target_state.active", "reload.failed"] },
    ]);
    engine.emit(WOKEN);
    engine.emit({ type: "reload", at: AT, report: {} });
    engine.emit(STOPPED);
    await until("all are there", () => one.received.length === 1 && other.received.length === 2);
    const { type, timestamp, gateway, data } = bodies(one)[0] ?? {};
    expect({ type, timestamp }).toEqual({ type: "target_state", timestamp: AT });
    expect(gateway).toMatch(/./);
    expect(data).toEqual({
      target: "game",
      from: "warming",
      to: "active",
      frontend: "public-game",
      source: "192.0.2.7:41874",
      took_ms: 812,
    });
    expect(one.received[0]?.headers["webhook-signature"]).toMatch(/^v1,/);
    expect(other.received[0]?.headers["webhook-signature"]).toBeUndefined();
    expect(bodies(other).map((each) => (each["data"] as { to: string }).to)).toEqual(["active", "inactive"]);
    await unload();
    expect(engine.listeners.size).toBe(0);
    const told = JSON.stringify(engine.log.entries);
    expect(told).toContain("sending webhooks");
    for (const secret of [SECRET, SECRET.slice(6), "token"]) expect(told).not.toContain(secret);
  });

  it("tries again with the same id, and with the time of each attempt", async () => {
    await using server = await receiver([answers.status(500), answers.reset, answers.status(200)]);
    const { engine } = await load([{ name: "ops", url: server.url, events: ["target_state"], secret_file: secretFile }]);
    engine.emit(WOKEN);
    const delivered = (): boolean => engine.log.messages("info").includes("webhooks are delivered again");
    await until("it is delivered", delivered, () => engine.clock.advance(1000));
    const ids = server.received.map(({ headers }) => headers["webhook-id"]);
    expect(new Set(ids).size).toBe(1);
    expect(ids).toHaveLength(3);
    const [first, , third] = server.received.map(({ headers }) => Number(headers["webhook-timestamp"]));
    expect(third).toBeGreaterThan(first ?? 0);
  });

  it("returns at once from an event, however long the receiver takes, and at the end gives it up", async () => {
    await using server = await receiver([answers.hang]);
    const { engine, unload } = await load([{ name: "ops", url: server.url, events: ["target_state"], queue: 10, timeout: "1m" }]);
    const begun = performance.now();
    for (let count = 0; count < 2000; count++) engine.emit(WOKEN);
    expect(performance.now() - begun).toBeLessThan(paced(1000));
    await until("the receiver has one", () => server.received.length === 1);
    let isOver = false;
    const over = Promise.resolve(unload()).then(() => (isOver = true));
    await until(
      "it is over",
      () => isOver,
      () => engine.clock.advance(1000),
    );
    await over;
    const lost = engine.log.entries.filter(({ message }) => message === "webhooks were lost");
    expect(lost.reduce((sum, { fields }) => sum + Number(fields["lost"]), 0)).toBe(2000);
    expect(engine.clock.sleeping).toBe(0);
  });

  it("sends at the end what is still waiting", async () => {
    await using server = await receiver([answers.status(200)]);
    const { engine, unload } = await load([{ name: "ops", url: server.url, events: ["target_state"] }]);
    for (let count = 0; count < 20; count++) engine.emit(STOPPED);
    await unload();
    expect(server.received).toHaveLength(20);
  });

  it("warns of a secret that everybody can read", async () => {
    await chmod(secretFile, 0o644);
    const hook = { name: "ops", url: "https://ops.example/", events: ["hold"], secret_file: secretFile };
    expect((await load([hook])).engine.log.messages("warn")).toEqual(["everybody on this machine can read the secret"]);
    await chmod(secretFile, 0o640);
    expect((await load([hook])).engine.log.messages("warn")).toEqual([]);
  });

  it("says which file cannot be used", async () => {
    const hook = { name: "ops", url: "https://ops.example/", events: ["hold"] };
    await expect(load([{ ...hook, secret_file: join(directory, "none") }])).rejects.toMatchObject({
      code: "WEBHOOK_FILE_UNREADABLE",
      message: `cannot read ${join(directory, "none")}`,
    });
    await expect(load([{ ...hook, ca_file: secretFile }])).rejects.toMatchObject({ code: "WEBHOOK_CA_INVALID" });
    const broken = join(directory, "broken");
    await writeFile(broken, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    await expect(load([{ ...hook, ca_file: broken }])).rejects.toMatchObject({ code: "WEBHOOK_CA_INVALID" });
    await writeFile(broken, "hunter2");
    await expect(load([{ ...hook, secret_file: broken }])).rejects.toMatchObject({ code: "WEBHOOK_SECRET_INVALID" });
  });
});
