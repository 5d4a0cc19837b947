import assert from "node:assert/strict";
import fc from "fast-check";
import { describe } from "vitest";
import { codecOf } from "../../pkg/ctl/codecs.ts";
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
const body = fc.oneof(anything, fc.record({ name, force: anything, more: anything }, { requiredKeys: [] }));
const number = (most: number): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 4, arbitrary: fc.nat(24) }, { weight: 1, arbitrary: fc.nat(most) }, { weight: 1, arbitrary: anything });
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
}

function expected(raw: RawPacket): Expected {
  // -0 is a 0 like any other
  const id = isUnsigned(raw["id"], 0xffff_ffff) ? raw["id"] + 0 : 0;
  const refusal = { id, method: undefined, calls: [] };
  const method = raw["method"];
  if (!isUnsigned(raw["id"], 0xffff_ffff) || !isUnsigned(method, 0xffff)) return refusal;
  if (method === Method.empty) return { id, method: Method.empty, calls: [] };
  if (method === Method.statusRequest) return { id, method: Method.statusResponse, calls: ["status"] };
  if (method === Method.reloadRequest) return { id, method: Method.reloadResponse, calls: ["reload"] };
  const own = new Map(Object.entries((raw["body"] ?? {}) as Readonly<Record<string, unknown>>));
  const wanted = own.get("name");
  const call = OPERATIONS.get(method);
  if (call === undefined || typeof wanted !== "string" || wanted === "") return refusal;
  const calls = [call(wanted, own.get("force") === true)];
  return { id, method: wanted.startsWith("unknown") ? undefined : method + 1, calls };
}

function isUnsigned(value: unknown, most: number): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= most;
}

describe.each(CODECS)("a request in %s", (codecName) => {
  const codec = codecOf(codecName);

  fuzzAsync("asks the engine for what stands in it, and is answered with its id", fields, async (raw) => {
    const engine = new FakeEngine();
    const { id, method, calls } = expected(raw);
    const reader = new PacketReader(codec, 10_000);
    reader.write(await answer(engine, codec, raw));
    const response = reader.read() ?? {};
    assert.ok(reader.idle || codecName === "json");
    assert.deepEqual(engine.calls, calls);
    assert.equal(response["id"], id);
    assert.equal(response["method"], method ?? Method.error);
    if (method !== undefined) return;
    const { msg } = response["body"] as { msg: unknown };
    assert.ok(typeof msg === "string" && msg !== "");
  });
});
