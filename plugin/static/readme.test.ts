import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseConfig } from "../../pkg/config/load.ts";
import { Registry } from "../../pkg/plugin/registry.ts";
import plugin from "./plugin.ts";

const README = readFileSync(new URL("README.md", import.meta.url), "utf8");
const EXAMPLES = [...README.matchAll(/^```yaml\n(.*?)^```/gms)].map(([, text = ""]) => text);

describe("the README of static", () => {
  it("shows every kind", () => {
    const kinds = [...Object.keys(plugin.targets), ...Object.keys(plugin.frontends)];
    for (const kind of kinds) expect(EXAMPLES.join("")).toContain(`kind: static:${kind}\n`);
  });

  it.each(EXAMPLES.map((text) => [/name: (\S+)/.exec(text)?.[1], text]))(
    "has a valid configuration of %s",
    (_name, text = "") => {
      const registry = new Registry([{ source: "static", namespace: "static", plugin }]);
      const config = parseConfig(text, "README.md", registry);
      expect(config.frontends).toHaveLength(1);
    },
  );

  it("tells of every option", () => {
    const kinds = [...Object.values(plugin.targets), ...Object.values(plugin.frontends)];
    const options = kinds.flatMap((kind) => Object.keys(kind.options["properties"] ?? {}));
    expect(options.length).toBeGreaterThan(10);
    for (const option of options) expect(README).toMatch(new RegExp(`^\\| \`${option}\``, "m"));
  });
});
