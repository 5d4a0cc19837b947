import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { ConfigError } from "./config-error.ts";
import { fakeRegistry } from "./fake-registry.ts";
import { parseConfig } from "./load.ts";
import type { Config } from "./types.ts";

const registry = fakeRegistry();

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
const VALID_TEXT = stringify(VALID);

/** Texts that mean something to some part of the loader. */
const WORDS = [
  ..."version v1 log level plugins targets frontends endpoints name kind protocol address addresses listen target options".split(
    " ",
  ),
  ...[
    "5m",
    "0s",
    "0",
    "tcp",
    "udp",
    "a",
    "http",
    "a:http",
    "static:cmd",
    "static:always",
    "static:none",
    "ctl",
    "<<",
    "__proto__",
  ],
  ...["0.0.0.0:80", "[::]:80", "[::1]:53", "127.0.0.1:53", "constructor", "toString", "specific-wins", "", " ", "\u0000", "😀"],
];
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

/** Loads `text`: it must be a configuration that keeps its promises, or a ConfigError whose problems are places in the text. */
function check(text: string): void {
  let config: Config;
  try {
    config = parseConfig(text, "fuzz.yaml", registry);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const lines = text.split("\n");
    expect(error.problems.length).toBeGreaterThan(0);
    for (const { line, column, message, excerpt } of error.problems) {
      expect(line).toBeGreaterThanOrEqual(1);
      expect(line).toBeLessThanOrEqual(lines.length);
      expect(column).toBeGreaterThanOrEqual(1);
      expect(column).toBeLessThanOrEqual((lines[line - 1] ?? "").length + 1);
      expect(message + excerpt).not.toMatch(/undefined|\[object|NaN,/);
    }
    expect(error.format()).toContain("fuzz.yaml:");
    return;
  }
  const endpoints = new Map(
    config.targets.flatMap((each) => each.endpoints.map((inner) => [`${each.name}:${inner.name}`, inner])),
  );
  for (const { target, endpoint, protocol, routes } of config.frontends) {
    const goal = endpoints.get(`${target}:${endpoint}`);
    expect(goal?.protocol).toBe(protocol);
    expect(routes.length).toBeGreaterThan(0);
    for (const route of routes) {
      expect(route.listen.family).toBe(route.endpoint.family);
      expect(goal?.addresses).toContainEqual(route.endpoint);
    }
  }
}

describe("the loader throws nothing but ConfigError", () => {
  it("takes the document that the others are made from", () => {
    expect(parseConfig(VALID_TEXT, "fuzz.yaml", registry).frontends).toHaveLength(2);
  });

  it("for any text", () => {
    fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 60 }), check), { numRuns: 500 });
  });

  it("for any row of YAML's marks and the loader's words", () => {
    const mark = fc.constantFrom(
      ...Array.from("[]{},:-?&*!|>'\"%@`#~.\n\t "),
      ": ",
      "- ",
      "\n  ",
      "&a ",
      "*a",
      "<<: ",
      "---\n",
      "...\n",
      "!!str ",
    );
    const text = fc.array(fc.oneof(mark, word), { maxLength: 40 }).map((each) => each.join(""));
    fc.assert(fc.property(text, check), { numRuns: 1000 });
  });

  it("for any value", () => {
    const text = fc.dictionary(word, anything).map((value) => JSON.stringify({ version: "v1", ...value }));
    fc.assert(fc.property(text, check), { numRuns: 500 });
  });

  it("for a document with some parts exchanged", () => {
    const document = fc.array(edit, { minLength: 1, maxLength: 4 }).map((edits) => {
      const copy = structuredClone(VALID);
      for (const each of edits) apply(copy, each);
      return JSON.stringify(copy, undefined, 1);
    });
    fc.assert(fc.property(document, check), { numRuns: 1000 });
  });

  it("for a text with some parts cut, doubled or put in", () => {
    const at = fc.nat({ max: VALID_TEXT.length });
    const cut = fc.tuple(at, fc.nat({ max: 20 }), fc.oneof(fc.constant(""), word, fc.constant("\n")));
    const text = fc
      .array(cut, { minLength: 1, maxLength: 3 })
      .map((cuts) =>
        cuts.reduce((all, [start, length, put]) => all.slice(0, start) + put + all.slice(start + length), VALID_TEXT),
      );
    fc.assert(fc.property(text, check), { numRuns: 1000 });
  });
});
