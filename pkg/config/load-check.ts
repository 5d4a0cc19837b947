import assert from "node:assert/strict";
import { ConfigError } from "./config-error.ts";
import { parseCtlConfig } from "./ctl-config.ts";
import { fakeRegistry } from "./fake-registry.ts";
import { parseConfig } from "./load.ts";
import type { Config } from "./types.ts";

const registry = fakeRegistry();

/** For tests: texts that mean something to some part of the loader. */
export const WORDS: readonly string[] = [
  ..."version v1 log level plugins targets frontends endpoints name kind protocol address addresses listen target options".split(
    " ",
  ),
  ...["5m", "0s", "0", "tcp", "udp", "a", "http", "a:http", "static:cmd", "static:always", "static:none", "static:broken", "ctl"],
  ...["<<", "__proto__", "constructor", "toString", "prototype", "specific-wins", "", " ", "\u0000", "😀", "explode", "/sbin"],
  ...["0.0.0.0:80", "[::]:80", "[::1]:53", "127.0.0.1:53", "10.0.0.0/8", "::/0", "9".repeat(400), "1e400"],
];

/** Loads `text`: it must be a configuration that keeps its promises, or a ConfigError whose problems are places in the text. */
export function checkLoad(text: string): "valid" | "invalid" {
  let config: Config;
  try {
    config = parseConfig(text, "fuzz.yaml", registry);
  } catch (error) {
    // a plugin's schema that is none is the plugin's fault, and said to be
    if (error instanceof Error && "code" in error && error.code === "PLUGIN_SCHEMA_INVALID") return "invalid";
    checkError(error, text);
    return "invalid";
  }
  checkConfig(config);
  return "valid";
}

/** As checkLoad, for what proxygwctl reads. */
export function checkCtlConfig(text: string): void {
  try {
    const { socket, codec } = parseCtlConfig(text, "fuzz.yaml");
    assert.ok(typeof socket === "string" && socket !== "");
    assert.ok(["json", "cbor"].includes(codec));
  } catch (error) {
    checkError(error, text);
  }
}

function checkError(error: unknown, text: string): void {
  if (!(error instanceof ConfigError)) throw error;
  const lines = text.split("\n");
  assert.ok(error.problems.length > 0);
  for (const { line, column, message, excerpt } of error.problems) {
    assert.ok(line >= 1 && line <= lines.length, `line ${line} of ${lines.length}`);
    const length = (lines[line - 1] ?? "").length;
    assert.ok(column >= 1 && column <= length + 1, `column ${column} of ${length}`);
    assert.doesNotMatch(message + excerpt, /undefined|\[object|NaN,/);
    // what a terminal would act on
    assert.doesNotMatch(message + excerpt, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
    assert.ok(message.length < 2000, "a message that nobody reads to its end");
    const key = /^unknown key "(\w+)"/.exec(message)?.[1];
    const marked = Array.from(lines[line - 1] ?? "")
      .slice(column - 1)
      .join("");
    if (key !== undefined)
      assert.ok(/^["']?(\w+)/.exec(marked)?.[1] === key, `the key ${key} is not at ${line}:${column}: ${marked}`);
  }
  assert.ok(error.format().includes("fuzz.yaml:"));
}

function checkConfig(config: Config): void {
  assert.ok(Number.isSafeInteger(config.log.level));
  const names = new Set<string>();
  for (const { name, idleTimeoutMs, ready, endpoints } of config.targets) {
    assert.ok(name !== "" && !names.has(name));
    names.add(name);
    for (const ms of [idleTimeoutMs, ready.timeoutMs]) assert.ok(Number.isFinite(ms) && ms > 0);
    for (const { addresses } of endpoints) {
      for (const { port } of addresses) assert.ok(Number.isInteger(port) && port > 0 && port < 65_536);
    }
  }
  const endpoints = new Map(
    config.targets.flatMap((each) => each.endpoints.map((inner) => [`${each.name}:${inner.name}`, inner])),
  );
  for (const { target, endpoint, protocol, routes, hold, flowTimeoutMs } of config.frontends) {
    const goal = endpoints.get(`${target}:${endpoint}`);
    assert.ok(goal !== undefined);
    assert.equal(goal.protocol, protocol);
    for (const ms of [flowTimeoutMs, hold.timeoutMs]) assert.ok(Number.isFinite(ms) && ms > 0);
    assert.ok(Number.isInteger(hold.maxFlows) && hold.maxFlows > 0);
    assert.ok(routes.length > 0);
    for (const route of routes) {
      assert.equal(route.listen.family, route.endpoint.family);
      assert.ok(goal.addresses.includes(route.endpoint));
    }
  }
}
