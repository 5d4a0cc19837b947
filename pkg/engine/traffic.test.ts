import { describe, expect, it } from "vitest";
import { givenEngine, HOLDING } from "../../test/fixture/engine.ts";
import { FRONTEND_CONFIG } from "../../test/fixture/frontend.ts";
import { ENDPOINT, LISTEN } from "../../test/fixture/target.ts";
import { settle } from "../clock/fake-clock.ts";
import { TARGET_CONFIG } from "../target/open-target.ts";
import { parseAddrPort } from "../value/addr-port.ts";
import { parseCidr } from "../value/cidr.ts";

const WILDCARD = { listen: parseAddrPort("0.0.0.0:81"), endpoint: ENDPOINT };
const ELSEWHERE = parseAddrPort("127.0.0.9:9");

/** Two frontends that lead to one target, and a target that has none. */
const TWO = {
  targets: [
    TARGET_CONFIG,
    { ...TARGET_CONFIG, name: "other", endpoints: [{ name: "x", protocol: "udp" as const, addresses: [ELSEWHERE] }] },
  ],
  frontends: [
    { ...HOLDING, gates: { ...HOLDING.gates, ignore: [parseCidr("192.0.2.7")] } },
    { ...FRONTEND_CONFIG, name: "wild", routes: [WILDCARD] },
  ],
};

async function given() {
  const all = await givenEngine(TWO);
  await all.start();
  await all.engine.warmTarget("backend", "asked to");
  const { dataplane } = all;
  await dataplane.connect("tcp", LISTEN);
  await dataplane.connect("tcp", LISTEN, "192.0.2.7");
  await dataplane.connect("tcp", parseAddrPort("192.0.2.50:81"), "192.0.2.100");
  dataplane.use("backend");
  return all;
}

describe("Engine: traffic", () => {
  it("is in the status when it is asked for, by target and frontend", async () => {
    const { engine } = await given();
    const { targets, frontends } = await engine.status({ traffic: true });
    const packets = { packets_in: 6, bytes_in: 360, packets_out: 3, bytes_out: 180 };
    const none = { packets_in: 0, bytes_in: 0, packets_out: 0, bytes_out: 0 };
    expect(targets?.map(({ traffic }) => traffic)).toEqual([
      { flows: 3, connections: 3, ...packets },
      { flows: 0, connections: 0, ...none },
    ]);
    expect(frontends?.map(({ traffic }) => traffic)).toEqual([
      { flows: 2, connections: 2, packets_in: 4, bytes_in: 240, packets_out: 2, bytes_out: 120 },
      { flows: 1, connections: 1, packets_in: 2, bytes_in: 120, packets_out: 1, bytes_out: 60 },
    ]);
    expect((await engine.status()).targets?.[0]).not.toHaveProperty("traffic");
    await engine.close();
  });

  it("has one look at all flows and counters, however many targets there are", async () => {
    const { engine, dataplane } = await given();
    const calls: string[] = [];
    for (const name of ["eachFlow", "traffic"] as const) {
      const call = dataplane[name].bind(dataplane) as (...all: unknown[]) => Promise<never>;
      dataplane[name] = (...all: unknown[]) => {
        calls.push(name);
        return call(...all);
      };
    }
    await engine.status();
    expect(calls).toEqual([]);
    await engine.status({ traffic: true });
    expect(calls.sort()).toEqual(["eachFlow", "traffic"]);
    await engine.close();
  });

  it("is told flow by flow, with the frontend of each", async () => {
    const { engine, clock } = await given();
    await clock.advance(1500);
    const flows = await engine.flows();
    const same = {
      target: "backend",
      endpoint: "http",
      protocol: "tcp",
      endpoint_address: "127.0.0.1:8080",
      state: "ESTABLISHED",
    };
    expect(flows).toEqual([
      { ...same, frontend: "front", source: "192.0.2.7:20002", listen: "192.0.2.1:80", expires_in_s: 59, ignored: true },
      { ...same, frontend: "front", source: "192.0.2.99:20001", listen: "192.0.2.1:80", expires_in_s: 59 },
      { ...same, frontend: "wild", source: "192.0.2.100:20003", listen: "192.0.2.50:81", expires_in_s: 59 },
    ]);
    expect(await engine.flows("backend")).toEqual(flows);
    expect(await engine.flows("other")).toEqual([]);
    await expect(engine.flows("x")).rejects.toMatchObject({ code: "TARGET_UNKNOWN" });
    await clock.advance(60_000);
    expect(await engine.flows()).toEqual([]);
    await engine.close();
  });

  it("names no frontend for a flow that came directly, or by one that is no more", async () => {
    const { engine, dataplane, apply } = await given();
    for (const flow of dataplane.flows.slice(0, 1)) dataplane.flows.push({ ...flow, destination: ENDPOINT });
    await apply({ ...TWO, frontends: TWO.frontends.slice(0, 1) });
    const flows = await engine.flows("backend");
    expect(flows.map(({ listen, frontend }) => `${listen} ${frontend ?? "-"}`).sort()).toEqual([
      "127.0.0.1:8080 -",
      "192.0.2.1:80 front",
      "192.0.2.1:80 front",
      "192.0.2.50:81 -",
    ]);
    await engine.close();
  });
});

describe("Engine: status", () => {
  it("is of the names that are asked for, and of the frontends of targets", async () => {
    const { engine } = await given();
    const names = async (...wanted: string[]): Promise<unknown> => {
      const { targets, frontends } = await engine.status({ names: wanted });
      return [targets?.map(({ name }) => name), frontends?.map(({ name }) => name)];
    };
    expect(await names("backend")).toEqual([["backend"], ["front", "wild"]]);
    expect(await names("wild", "other")).toEqual([["other"], ["wild"]]);
    expect(await names()).toEqual([undefined, undefined]);
    await expect(names("front", "fron")).rejects.toMatchObject({
      code: "TARGET_UNKNOWN",
      message: 'there is no target and no frontend "fron"; there are "backend", "other", "front", "wild"',
    });
    await engine.close();
  });

  it("says since when, who wants a target up, and when it is due", async () => {
    const { engine, clock, noted, start, apply } = await givenEngine({ frontends: [HOLDING] });
    await start();
    const target = async () => (await engine.status()).targets?.[0];
    const at = (): string => clock.date().toISOString();
    const made = at();
    await clock.advance(5000);
    expect(await target()).toMatchObject({ since: made, idle_timeout_ms: 60_000 });
    expect(await target()).not.toHaveProperty("idle_due");
    const want = noted.frontend().target.want();
    noted.frontend().target.want();
    expect(await target()).not.toHaveProperty("wanted_by");
    await engine.warmTarget("backend", "asked to");
    want.release();
    expect(await target()).toMatchObject({ since: at(), wanted_by: ["front"] });
    expect(await target()).not.toHaveProperty("idle_due");
    await engine.stopFrontend("front");
    await settle();
    const due = new Date(clock.date().getTime() + 60_000).toISOString();
    await clock.advance(10_000);
    expect(await target()).toMatchObject({ idle_due: due });
    expect(await target()).not.toHaveProperty("wanted_by");
    await clock.advance(50_000);
    expect(await target()).toMatchObject({ state: "inactive", since: due, wakes: 1, drains: 1 });
    expect(await target()).not.toHaveProperty("failures");
    await apply({ targets: [{ ...TARGET_CONFIG, kind: { namespace: "test", name: "lasting" } }], frontends: [] });
    expect(await target()).toMatchObject({ kind: "test:lasting", wakes: 1, drains: 1 });
    await engine.close();
  });

  it("counts failures, and no drain for them", async () => {
    const { engine, noted, start } = await givenEngine();
    await start();
    noted.target().warmFailure = new Error("no such file");
    await engine.warmTarget("backend", "asked to").catch(() => undefined);
    expect((await engine.status()).targets?.[0]).toMatchObject({ failures: 1 });
    expect((await engine.status()).targets?.[0]).not.toHaveProperty("wakes");
    await engine.close();
  });
});
