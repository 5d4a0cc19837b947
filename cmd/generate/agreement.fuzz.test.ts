/** The schema that editors go by, and the loader: nothing that the loader takes is a mistake to an editor. */
import assert from "node:assert/strict";
import { Ajv } from "ajv";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fuzz } from "../../test/fuzz/fuzz.ts";
import { editorSchema } from "../../pkg/config/editor-schema.ts";
import { parseConfig } from "../../pkg/config/load.ts";
import { Registry } from "../../pkg/plugin/registry.ts";
import { registrations } from "../proxygw/plugins.gen.ts";

const registry = new Registry(registrations);
const accepts = new Ajv({ strict: false }).compile(editorSchema(registry));

function loads(value: unknown): boolean {
  try {
    parseConfig(JSON.stringify(value), "fuzz.yaml", registry);
    return true;
  } catch {
    return false;
  }
}

/** For each field some values, most of them right: whole files that the loader takes are not rare then. */
const some = <T>(...values: T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
const any = fc.oneof(
  some<unknown>("", "x", "5m", "0s", 0, 1, 1.5, -1, true, [], {}, "/x", "a:b", "tcp", ["::/0"]),
  fc.string({ maxLength: 4 }),
);
const field = (...right: unknown[]): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 30, arbitrary: some(...right) }, { weight: 1, arbitrary: any });
const mapping = (
  required: Record<string, fc.Arbitrary<unknown>>,
  optional: Record<string, fc.Arbitrary<unknown>>,
): fc.Arbitrary<unknown> => fc.record({ ...required, ...optional }, { requiredKeys: Object.keys(required) });

const duration = field("5m", "1h30m", "1.5h", "300ms", "90s");
const blocks = field("10.0.0.0/8", "::1", [], ["10.0.0.0/8", "2001:db8::/32"], ["192.0.2.1"]);
const target = mapping(
  {
    name: field("a"),
    kind: field("static:cmd"),
    options: mapping(
      { command: field("sleep 1", "x y") },
      {
        cwd: field("/", "/srv"),
        env: field({}, { A: "b" }),
        user: field(0, "0", "root"),
        group: field("root", 0),
        stop_signal: field("SIGTERM", "term"),
        stop_timeout: field("0s", "5s"),
      },
    ),
    endpoints: fc
      .tuple(
        mapping(
          { name: field("http"), protocol: field("tcp") },
          {
            address: field("127.0.0.1:80", "[2001:db8::1]:80"),
            addresses: field(["192.0.2.1:80", "[2001:db8::1]:80"], ["192.0.2.1:80"]),
          },
        ),
      )
      .map((all) => [...all]),
  },
  {
    idle_timeout: duration,
    ready: mapping(
      {},
      { probe: field("tcp", "http", "none", "command"), path: field("/", "/x?y"), command: field("true"), timeout: duration },
    ),
  },
);
const frontend = mapping(
  {
    name: field("x"),
    kind: field("static:on-demand", "static:always", "static:http"),
    listen: field("0.0.0.0:81", ["0.0.0.0:81"], "[::]:81", ["0.0.0.0:81", "[::]:81"]),
    target: field("a:http"),
  },
  {
    protocol: field("tcp"),
    flow_timeout: duration,
    masquerade: field("auto", "always", "never"),
    hold: mapping({}, { timeout: duration, max_flows: field(1, 1024, 16384) }),
    allow: blocks,
    deny: blocks,
    ignore: blocks,
    wake_limit: field("5/1m", "1/1s"),
    options: field({}, { content: "x" }, { status: 503, content_type: "text/html", endpoint: "/x" }),
  },
);
const config = mapping(
  { version: field("v1") },
  {
    log: mapping({}, { output: field("stderr", "/x"), level: field("info", "INFO+2", "DEBUG"), format: field("json") }),
    plugins: mapping({}, { ctl: mapping({}, { socket: field("/run/x.sock"), codec: field("cbor"), group: field("root") }) }),
    dataplane: mapping(
      {},
      {
        table: field("gw"),
        queue: field(0, 65535),
        masquerade_mark: field(4, 0x80000000),
        manage_sysctls: field(true, false),
        wildcard_overlap: field("refuse", "specific-wins"),
        fastpath: field("auto", "on", "flowtable", "off"),
      },
    ),
    runtime_dir: field("/run/x"),
    on_shutdown: field("keep", "stop"),
    targets: fc.tuple(target).map((all) => [...all]),
    frontends: fc.oneof(
      { weight: 1, arbitrary: some<unknown>([]) },
      { weight: 2, arbitrary: fc.tuple(frontend).map((all) => [...all]) },
    ),
  },
);

describe("the schema for editors", () => {
  it("is made from files of which the loader takes many", () => {
    const samples = fc.sample(config, { numRuns: 500, seed: 1 });
    const taken = samples.filter(loads).length;
    expect(taken).toBeGreaterThan(25);
    expect(taken).toBeLessThan(475);
  });

  fuzz(
    "takes what the loader takes",
    config,
    (value) => {
      if (!loads(value)) return;
      assert.ok(accepts(value), JSON.stringify({ value, errors: accepts.errors }));
    },
    { share: 0.03 },
  );
});
