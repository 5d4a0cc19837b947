import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseConfig } from "../../pkg/config/load.ts";
import { Registry } from "../../pkg/plugin/registry.ts";
import { messageOfEvent } from "./message.ts";
import plugin from "./plugin.ts";
import { EVENT_NAMES } from "./selection.ts";
import { parseSecrets, signedHeaders } from "./signature.ts";
import { WEBHOOK_CONFIG, type WebhookConfig } from "./webhook-config.ts";

const README = readFileSync(new URL("README.md", import.meta.url), "utf8");

function block(language: string): string {
  const found = [...README.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "gms"))].map(([, text = ""]) => text);
  expect(found).toHaveLength(1);
  return found[0] ?? "";
}

describe("the README of webhook", () => {
  it("has a valid configuration", () => {
    const registry = new Registry([{ source: "webhook", namespace: "webhook", plugin }]);
    const { plugins } = parseConfig(block("yaml"), "README.md", registry);
    expect((plugins.get("webhook") as WebhookConfig).hooks).toHaveLength(2);
  });

  it("tells of every field, with its default, and of every event", () => {
    for (const [name, schema] of Object.entries(WEBHOOK_CONFIG.properties.hooks.items.properties)) {
      const value = "default" in schema ? `\`${String(schema.default)}\`` : "(required|none)";
      expect(README).toMatch(new RegExp(`^\\| \`${name}\` +\\| ${value} +\\|`, "m"));
    }
    const rows = [...README.matchAll(/^\| `(\w+)` +\| ([^|]*?) +\| /gm)].filter(([, type = ""]) => EVENT_NAMES.includes(type));
    const told = rows.flatMap(([, type = "", parts = ""]) => [
      type,
      ...[...parts.matchAll(/`(\w+)`/g)].map(([, part = ""]) => `${type}.${part}`),
    ]);
    expect(told).toEqual(EVENT_NAMES);
  });

  it("shows a message as it is sent", () => {
    const { type, timestamp, gateway, data } = JSON.parse(block("json")) as {
      type: "hold";
      timestamp: string;
      gateway: string;
      data: { frontend: string; target: string; source: string };
    };
    const { body } = messageOfEvent({ type, at: timestamp, ...data }, gateway);
    expect(body).toBe(JSON.stringify(JSON.parse(block("json"))));
  });

  it("shows how a signature is checked", () => {
    const secret = `whsec_${Buffer.alloc(32, 3).toString("base64")}`;
    const message = { id: "msg_1", body: '{"text":"é"}' };
    const isGenuine = (date: Date, body: string): string => {
      const given = JSON.stringify([secret, signedHeaders(message, parseSecrets(secret, "file"), date), body]);
      const ask = `${block("python")}\nimport json, sys\ns, h, b = json.loads(sys.argv[1])\nprint(is_genuine(s, h, b.encode()))`;
      return execFileSync("python3", ["-c", ask, given], { encoding: "utf8" }).trim();
    };
    expect(isGenuine(new Date(), message.body)).toBe("True");
    expect(isGenuine(new Date(), `${message.body} `)).toBe("False");
    expect(isGenuine(new Date(Date.now() - 3_600_000), message.body)).toBe("False");
  });
});
