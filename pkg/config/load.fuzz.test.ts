import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { fuzz } from "../../test/fuzz/fuzz.ts";
import { checkLoad, WORDS } from "./load-check.ts";

const VALID = {
  version: "v1",
  log: { output: "stderr", level: "INFO", format: "text" },
  plugins: { ctl: { socket: "/run/x.sock", codec: "json" } },
  dataplane: { table: "gw", masquerade_mark: 4, queue_mark: 8, queue: 3, manage_sysctls: true, wildcard_overlap: "refuse" },
  runtime_dir: "/run/x",
  targets: [
    {
      name: "a",
      kind: "static:cmd",
      idle_timeout: "5m",
      ready: { probe: "http", path: "/x", timeout: "1m" },
      endpoints: [
        { name: "http", protocol: "tcp", addresses: ["192.0.2.1:80", "[2001:db8::1]:80"] },
        { name: "dns", protocol: "udp", address: "127.0.0.1:53" },
      ],
      options: { command: "sleep 1", env: { A: "b" } },
    },
    { name: "b", kind: "static:none" },
  ],
  frontends: [
    {
      name: "x",
      kind: "static:always",
      listen: ["0.0.0.0:80", "[::]:80"],
      target: "a:http",
      flow_timeout: "1m",
      hold: { timeout: "9s" },
      allow: ["::/0"],
      ignore: "10.0.0.0/8",
      wake_limit: "5/1m",
    },
    { name: "y", kind: "static:http", listen: "0.0.0.0:53", target: "a:dns", masquerade: "never", options: { content: "c" } },
  ],
};

/** Smaller ones, each for some parts of the loader: an input made from one of them takes a quarter of the time. */
const PARTS: readonly Record<string, unknown>[] = [
  { version: "v1", ...pick("log", "plugins", "dataplane", "runtime_dir") },
  { version: "v1", targets: VALID.targets },
  {
    version: "v1",
    targets: [{ name: "a", kind: "static:none", endpoints: [{ name: "h", protocol: "tcp", address: "127.0.0.1:80" }] }],
    frontends: [{ ...VALID.frontends[0], target: "a:h", listen: "0.0.0.0:80" }],
  },
  {
    version: "v1",
    dataplane: { wildcard_overlap: "specific-wins" },
    targets: [
      { name: "a", kind: "static:none", endpoints: [{ name: "h", protocol: "tcp", addresses: ["192.0.2.1:80", "[::1]:80"] }] },
    ],
    frontends: [
      { name: "x", kind: "static:http", listen: ["0.0.0.0:80", "[::1]:81"], target: "a:h" },
      { name: "y", kind: "static:always", listen: ["192.0.2.9:80"], target: "a:h", protocol: "tcp" },
    ],
  },
];

function pick(...keys: (keyof typeof VALID)[]): Record<string, unknown> {
  return Object.fromEntries(keys.map((key) => [key, VALID[key]]));
}

const word = fc.oneof(fc.constantFrom(...WORDS), fc.string({ unit: "binary", maxLength: 6 }));
const scalar = fc.oneof(word, fc.integer(), fc.double(), fc.boolean(), fc.constant(null));
const { value: anything } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    scalar,
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(word, tie("value"), { maxKeys: 3 }),
  ),
}));

interface Edit {
  /** Which step to take at each level; taken modulo the number of children. */
  readonly route: number[];
  readonly action: "replace" | "delete" | "rename" | "duplicate";
  readonly value: unknown;
  readonly key: string;
}

const edit: fc.Arbitrary<Edit> = fc.record({
  route: fc.array(fc.nat(), { minLength: 1, maxLength: 6 }),
  action: fc.constantFrom("replace", "delete", "rename", "duplicate"),
  value: anything,
  key: word,
});

function apply(root: unknown, { route, action, value, key }: Edit): void {
  let parent = root as Record<string, unknown>;
  for (const [depth, step] of route.entries()) {
    const keys = Object.keys(parent);
    const chosen = keys[step % Math.max(1, keys.length)];
    if (chosen === undefined) return;
    const child = parent[chosen];
    if (depth < route.length - 1 && typeof child === "object" && child !== null) {
      parent = child as Record<string, unknown>;
      continue;
    }
    if (action === "replace") parent[chosen] = value;
    else if (Array.isArray(parent))
      parent.splice(Number(chosen), action === "duplicate" ? 0 : 1, ...(action === "duplicate" ? [child] : []));
    else {
      if (action !== "duplicate") Reflect.deleteProperty(parent, chosen);
      if (action !== "delete") parent[key] = child;
    }
    return;
  }
}

/** The value with some of its parts exchanged, as a text. */
function changed(value: Record<string, unknown>, edits: readonly Edit[]): string {
  const copy = structuredClone(value);
  for (const each of edits) apply(copy, each);
  return JSON.stringify(copy, undefined, 1);
}

describe("the loader, with documents", () => {
  it.each([VALID, ...PARTS])("takes the document that others are made from: %#", (value) => {
    expect(checkLoad(stringify(value))).toBe("valid");
    expect(checkLoad(JSON.stringify(value, undefined, 1))).toBe("valid");
  });

  const edits = fc.array(edit, { minLength: 1, maxLength: 3 });
  const parts = fc.tuple(fc.constantFrom(...PARTS), edits).map(([value, all]) => changed(value, all));
  fuzz("takes a document with some parts exchanged, or says where it is wrong", parts, (text) => void checkLoad(text), {
    share: 0.3,
  });

  const whole = edits.map((all) => changed(VALID, all));
  fuzz("does so with one that has every field", whole, (text) => void checkLoad(text), { share: 0.02 });

  // every field in turn is what "anything" replaces
  const values = fc.dictionary(word, anything).map((value) => JSON.stringify({ version: "v1", ...value }));
  fuzz("takes any mapping, or says where it is wrong", values, (text) => void checkLoad(text), { share: 0.08 });
});
