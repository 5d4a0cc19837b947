import assert from "node:assert/strict";
import fc from "fast-check";
import { describe } from "vitest";
import { codecOf } from "../../pkg/ctl/codecs.ts";
import { ALL_EVENTS } from "../../pkg/ctl/event-type.ts";
import { Method } from "../../pkg/ctl/method.ts";
import { CODECS, type RawPacket } from "../../pkg/ctl/packet.ts";
import { PacketReader } from "../../pkg/ctl/reader.ts";
import { fuzzAsync } from "../../test/fuzz/fuzz.ts";
import { answer } from "./answer.ts";
import { FakeEngine } from "../../pkg/plugin/fake-engine.ts";

const NAMES = ["a", "unknown", "", "__proto__", "toString", 0, null, ["a"], { name: "a" }];
const name = fc.oneof(fc.constantFrom<unknown>(...NAMES), fc.string({ unit: "binary", maxLength: 4 }));
const anything = fc.oneof(
  name,
  fc.integer(),
  fc.double(),
  fc.boolean(),
  fc.constant(null),
  fc.uint8Array({ maxLength: 4 }),
  fc.array(name, { maxLength: 3 }),
);
const events = fc.array(fc.oneof({ weight: 9, arbitrary: fc.constantFrom<unknown>(...ALL_EVENTS) }, name), { maxLength: 3 });
const body = fc.oneof(
  anything,
  fc.record({ name, force: anything, more: anything }, { requiredKeys: [] }),
  fc.record({ names: anything, traffic: anything, target: name, events: fc.oneof(events, anything) }, { requiredKeys: [] }),
);
const number = (most: number): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 4, arbitrary: fc.nat(28) }, { weight: 1, arbitrary: fc.nat(most) }, { weight: 1, arbitrary: anything });
const fields = fc.record({ id: number(0xffff_ffff), method: number(0xffff), body, more: anything }, { requiredKeys: [] });

/** What requests come down to, by their method. */
const OPERATIONS: ReadonlyMap<unknown, (name: string, force: boolean) => string> = new Map([
  [Method.warmTargetRequest, (target: string) => `warm ${target}: asked for over the control socket`],
  [
    Method.drainTargetRequest,
    (target: string, force: boolean) => `drain ${target}${force ? " by force" : ""}: asked for over the control socket`,
  ],
  [Method.startFrontendRequest, (frontend: string) => `start ${frontend}`],
  [Method.stopFrontendRequest, (frontend: string) => `stop ${frontend}`],
]);

interface Expected {
  readonly id: number;
  /** undefined: an error. */
  readonly method: number | undefined;
  /** What the engine is asked for: nothing that does not stand in the packet itself. */
  readonly calls: readonly string[];
  readonly subscribes?: boolean;
}

function expected(raw: RawPacket): Expected {
  // -0 is a 0 like any other
  const id = isUnsigned(raw["id"], 0xffff_ffff) ? raw["id"] + 0 : 0;
  const refusal = { id, method: undefined, calls: [] };
  const method = raw["method"];
  if (!isUnsigned(raw["id"], 0xffff_ffff) || !isUnsigned(method, 0xffff)) return refusal;
  if (method === Method.empty) return { id, method: Method.empty, calls: [] };
  const own = new Map(Object.entries((raw["body"] ?? {}) as Readonly<Record<string, unknown>>));
  if (method === Method.statusRequest) {
    const calls = statusCalls(own.get("names"), own.get("traffic"));
    return calls === undefined ? refusal : { id, method: Method.statusResponse, calls };
  }
  if (method === Method.flowsRequest) {
    const target = own.get("target");
    if (target !== undefined && !isName(target)) return refusal;
    return { id, method: Method.flowsResponse, calls: [`flows ${target ?? "of all"}`] };
  }
  if (method === Method.subscribeRequest) {
    const wanted = own.get("events") ?? ["reload"];
    const isFine = own.get("events") !== null && Array.isArray(wanted) && wanted.length > 0 && wanted.every(isEvent);
    return isFine ? { id, method: Method.subscribeResponse, calls: [], subscribes: true } : refusal;
  }
  if (method === Method.reloadRequest) return { id, method: Method.reloadResponse, calls: ["reload"] };
  const wanted = own.get("name");
  const call = OPERATIONS.get(method);
  if (call === undefined || !isName(wanted)) return refusal;
  const calls = [call(wanted, own.get("force") === true)];
  return { id, method: wanted.startsWith("unknown") ? undefined : method + 1, calls };
}

/** undefined: refused. */
function statusCalls(names: unknown, traffic: unknown): string[] | undefined {
  if (names === undefined && traffic === undefined) return ["status"];
  if (names !== undefined && !(Array.isArray(names) && names.every(isName))) return undefined;
  if (traffic !== undefined && typeof traffic !== "boolean") return undefined;
  return [`status ${JSON.stringify({ names, traffic })}`];
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function isEvent(value: unknown): boolean {
  return ALL_EVENTS.some((each) => each === value);
}

function isUnsigned(value: unknown, most: number): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= most;
}

describe.each(CODECS)("a request in %s", (codecName) => {
  const codec = codecOf(codecName);

  fuzzAsync("asks the engine for what stands in it, and is answered with its id", fields, async (raw) => {
    const engine = new FakeEngine();
    const { id, method, calls, subscribes = false } = expected(raw);
    let subscribed = false;
    const reader = new PacketReader(codec, 10_000);
    reader.write(await answer(engine, codec, raw, () => (subscribed = true)));
    const response = reader.read() ?? {};
    assert.ok(reader.idle || codecName === "json");
    assert.deepEqual(engine.calls, calls);
    assert.equal(subscribed, subscribes);
    assert.equal(response["id"], id);
    assert.equal(response["method"], method ?? Method.error);
    if (method !== undefined) return;
    const { msg } = response["body"] as { msg: unknown };
    assert.ok(typeof msg === "string" && msg !== "");
  });
});
