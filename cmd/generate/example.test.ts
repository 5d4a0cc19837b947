import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Ajv } from "ajv";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { loadConfig, parseConfig } from "../../pkg/config/load.ts";
import { Registry } from "../../pkg/plugin/registry.ts";
import { registrations } from "../proxygw/plugins.gen.ts";

const CONFIGS = join(import.meta.dirname, "../../configs");
const EXAMPLE = join(CONFIGS, "proxygw.example.yaml");
const DEFAULT = join(CONFIGS, "proxygw.default.yaml");

describe("configs/proxygw.default.yaml", () => {
  it("does nothing but to open the control socket to a group", async () => {
    const config = await loadConfig(DEFAULT, new Registry(registrations));
    expect([config.targets, config.frontends, config.onShutdown]).toEqual([[], [], "stop"]);
    expect(config.plugins.get("ctl")).toMatchObject({ socket: "/run/proxygw/ctl.sock", group: "proxygw" });
  });

  it("has an example to begin with, which is valid once the marks are away", async () => {
    const text = (await readFile(DEFAULT, "utf8")).replaceAll(/^# ?(?=targets:|frontends:| {2,})/gm, "");
    const config = parseConfig(text, DEFAULT, new Registry(registrations));
    expect([config.targets, config.frontends].map((each) => each.length)).toEqual([1, 1]);
  });
});

describe("configs/proxygw.example.yaml", () => {
  it("is valid, and means what its comments say", async () => {
    const config = await loadConfig(EXAMPLE, new Registry(registrations));
    expect(config).toMatchObject({
      log: { output: "stderr", level: 0, format: "text" },
      targets: [
        {
          name: "backend",
          kind: { namespace: "static", name: "cmd" },
          idleTimeoutMs: 300_000,
          endpoints: [{ name: "http", protocol: "tcp", addresses: [{ family: "ipv4", address: "127.0.0.1", port: 8080 }] }],
          options: { command: "python3 -m http.server 8080 --bind 127.0.0.1" },
        },
      ],
      frontends: [
        {
          name: "public-http",
          kind: { namespace: "static", name: "always" },
          protocol: "tcp",
          flowTimeoutMs: 60_000,
          masquerade: "auto",
          target: "backend",
          endpoint: "http",
        },
      ],
    });
    expect(config.plugins.get("ctl")).toMatchObject({ socket: "/run/proxygw.sock", codec: "json" });
  });

  it.each([
    ["proxygw.schema.json", EXAMPLE],
    ["proxygw.schema.json", DEFAULT],
    ["plugin.schema.json", join(CONFIGS, "../plugin.yaml")],
  ])("editors' schema %s takes %s", async (schema, file) => {
    const validate = new Ajv({ strict: false, allErrors: true }).compile(
      JSON.parse(await readFile(join(CONFIGS, schema), "utf8")) as object,
    );
    validate(parse(await readFile(file, "utf8")));
    expect(validate.errors).toBeNull();
  });

  it("the schema tells the default in a field's description, and in the field", async () => {
    const schema: unknown = JSON.parse(await readFile(join(CONFIGS, "proxygw.schema.json"), "utf8"));
    expect(contradictions(schema, "")).toEqual([]);
  });

  it("the schema describes every field", async () => {
    const schema: unknown = JSON.parse(await readFile(join(CONFIGS, "proxygw.schema.json"), "utf8"));
    expect(undescribed(schema, "")).toEqual([]);
  });
});

/** Paths of what has a plain default that its description contradicts. */
function contradictions(schema: unknown, path: string): string[] {
  if (typeof schema !== "object" || schema === null) return [];
  const { description, default: fallback } = schema as { description?: unknown; default?: unknown };
  const [, said] = typeof description === "string" ? (/Default ([^ ]+)\.$/.exec(description) ?? []) : [];
  const isSame =
    said === undefined ||
    fallback === undefined ||
    said === fallback ||
    said === JSON.stringify(fallback) ||
    Number(said) === fallback;
  const inner = Object.entries(schema).flatMap(([key, value]: [string, unknown]) => contradictions(value, `${path}/${key}`));
  return isSame ? inner : [path, ...inner];
}

/** Paths of properties that no description explains; those within an `if` only test a value. */
function undescribed(schema: unknown, path: string): string[] {
  if (typeof schema !== "object" || schema === null) return [];
  return Object.entries(schema).flatMap(([key, value]: [string, unknown]) => {
    if (key === "if") return [];
    const own =
      key === "properties"
        ? Object.entries(value as Record<string, object>).flatMap(([name, each]) =>
            "description" in each ? [] : [`${path}/${name}`],
          )
        : [];
    return [...own, ...undescribed(value, `${path}/${key}`)];
  });
}
