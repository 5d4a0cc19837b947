import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Ajv } from "ajv";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { parseConfig } from "../../pkg/config/load.ts";
import { configSchema } from "../../pkg/config/schema.ts";
import { Registry } from "../../pkg/plugin/registry.ts";
import { registrations } from "../proxygw/plugins.gen.ts";

const ROOT = join(import.meta.dirname, "../..");
const DOCUMENTS = [
  "README.md",
  "ARCHITECTURE.md",
  "CONTRIBUTING.md",
  ...readdirSync(join(ROOT, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];
const read = (name: string): string => readFileSync(join(ROOT, name), "utf8");

const README = read("README.md");
const EXAMPLES = [...README.matchAll(/^```yaml\n(version: v1\n.*?)^```/gms)].map(([, text = ""]) => text);

interface Fields {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Fields>>;
  readonly items?: Fields;
}

function fieldsOf(schema: Fields): string[] {
  const own = Object.entries(schema.properties ?? {}).flatMap(([name, each]) => [name, ...fieldsOf(each)]);
  return [...own, ...(schema.items === undefined ? [] : fieldsOf(schema.items))];
}

/** The name that a link to a heading uses. */
function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w\s-]/g, "")
    .trim()
    .replaceAll(" ", "-");
}

describe("the schema for editors", () => {
  const validate = new Ajv({ strict: false }).compile(JSON.parse(read("configs/proxygw.schema.json")) as object);
  const documents = [...DOCUMENTS, ...readdirSync(join(ROOT, "plugin")).map((each) => `plugin/${each}/README.md`)];
  const all = documents.flatMap((name) =>
    [...read(name).matchAll(/^```yaml\n(version: v1\n.*?)^```/gms)].map(
      ([, text = ""], index) => [`${name} ${index + 1}`, text] as const,
    ),
  );

  it.each(all)("takes the example in %s", (_name, text) => {
    validate(parse(text));
    expect(validate.errors).toBeNull();
  });
});

describe("README.md", () => {
  it("has examples", () => {
    expect(EXAMPLES.length).toBeGreaterThan(3);
  });

  it.each(EXAMPLES.map((text) => [/- name: (\S+)/.exec(text)?.[1], text]))(
    "has a valid configuration of %s",
    (_name, text = "") => {
      const config = parseConfig(text, "README.md", new Registry(registrations));
      expect(config.frontends).toHaveLength(1);
    },
  );

  it("tells of every field of the configuration, and of no other", () => {
    const reference = README.slice(README.indexOf("## Configuration"), README.indexOf("## Kinds"));
    const told = [...reference.matchAll(/^\| `(\w+)`/gm)].map(([, name = ""]) => name);
    expect([...new Set(told)].sort()).toEqual([...new Set(fieldsOf(configSchema))].sort());
  });
});

describe.each(DOCUMENTS)("%s", (name) => {
  const text = read(name);

  it("links to what is there", () => {
    for (const [, link = ""] of text.matchAll(/\]\((?!https?:)([^)]+)\)/g)) {
      const [path = "", heading] = link.split("#");
      const file = path === "" ? name : join(dirname(name), path);
      expect(existsSync(join(ROOT, file)), link).toBe(true);
      if (heading === undefined) continue;
      const written = read(file);
      const headings = [...written.matchAll(/^#+ (.*)$/gm)].map(([, each = ""]) => anchor(each));
      const names = [...written.matchAll(/<a (?:id|name)="([^"]*)"/g)].map(([, each = ""]) => each);
      expect([...headings, ...names], link).toContain(heading);
    }
  });
});
