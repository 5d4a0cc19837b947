import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import * as client from "prom-client";
import { parseConfig } from "../../pkg/config/load.ts";
import { FakeEngine } from "../../pkg/plugin/fake-engine.ts";
import { Registry } from "../../pkg/plugin/registry.ts";
import { Exposition } from "./exposition.ts";
import { METRICS_CONFIG } from "./metrics-config.ts";
import plugin from "./plugin.ts";

const README = readFileSync(new URL("README.md", import.meta.url), "utf8");

describe("the README of metrics", () => {
  it("has a valid configuration", () => {
    const registry = new Registry([{ source: "metrics", namespace: "metrics", plugin }]);
    const [, text = ""] = /^```yaml\n(version: v1\n.*?)^```/ms.exec(README) ?? [];
    expect(parseConfig(text, "README.md", registry).plugins.get("metrics")).toEqual({ listen: "127.0.0.1:9469", timeout: "5s" });
  });

  it("tells of every field", () => {
    for (const name of Object.keys(METRICS_CONFIG.properties)) expect(README).toMatch(new RegExp(`^\\| \`${name}\` `, "m"));
  });

  it("tells of every metric and its type, and of no other", async () => {
    const told = [...README.matchAll(/^\| `(proxygw_\w+)` +\| (\w+) +\|/gm)].map(([, name = "", type = ""]) => `${name} ${type}`);
    const text = await new Exposition(client, new FakeEngine(), 5000).text();
    const there = [...text.matchAll(/^# TYPE (proxygw_\w+ \w+)$/gm)].map(([, each = ""]) => each);
    expect(told.sort()).toEqual(there.sort());
  });

  it("names process metrics that are there", async () => {
    const text = await new Exposition(client, new FakeEngine(), 5000).text();
    const names = [...README.matchAll(/`((?:process|nodejs)_\w+)`/g)].map(([, name = ""]) => name);
    expect(names.length).toBeGreaterThan(3);
    for (const name of names) expect(text).toContain(`# TYPE ${name} `);
  });
});
