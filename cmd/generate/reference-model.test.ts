import { describe, expect, it } from "vitest";
import { configPage } from "./config-page.ts";
import { literal, prose } from "./mdoc.ts";
import { sectionsOf } from "./reference-model.ts";
import { referenceText } from "./reference-text.ts";

const SCHEMA = {
  description: "The file.",
  required: ["version"],
  properties: {
    version: { const: "v1", description: "Version." },
    log: {
      type: "object",
      title: "mapping",
      description: "What is logged.",
      default: {},
      properties: {
        level: {
          type: "string",
          title: "log level",
          description: "Least severity. Default INFO.",
          default: "INFO",
          examples: ["INFO"],
        },
        ratio: { type: "number", description: "A ratio. Default 1.5.", default: 1.5 },
      },
    },
    targets: {
      type: "array",
      title: "list of targets",
      description: "Services. Default: none.",
      default: [],
      items: {
        description: "A service.",
        required: ["kind"],
        properties: {
          kind: { type: "string", description: "Its kind." },
          listen: { type: ["string", "array"], title: "address", description: "Where | there.", examples: [["a", "b"]] },
          mode: { enum: ["a", "b", "c"], description: "Which. Default: that of the kind." },
        },
        allOf: [
          {
            if: { properties: { kind: { const: "static:cmd" } } },
            then: {
              properties: {
                options: { required: ["command"], properties: { command: { type: "string", description: "Run." } } },
              },
            },
          },
          { if: { properties: { kind: { const: "static:none" } } }, then: { properties: { options: { properties: {} } } } },
        ],
      },
    },
  },
};

describe("sectionsOf", () => {
  const sections = sectionsOf(SCHEMA);

  it("has a section for each mapping that has fields, with the options of each kind", () => {
    expect(sections.map(({ path }) => path)).toEqual(["", "log", "targets[]", "targets[].options (static:cmd)"]);
    expect(sections[3]?.fields).toEqual([{ name: "command", type: "text", isRequired: true, description: "Run." }]);
  });

  it("tells type, default and example of a field, and leads to the section of a mapping", () => {
    expect(sections[0]?.fields).toEqual([
      { name: "version", type: "v1", isRequired: true, description: "Version." },
      { name: "log", type: "mapping", isRequired: false, section: "log", description: "What is logged." },
      {
        name: "targets",
        type: "list of targets",
        isRequired: false,
        section: "targets[]",
        fallback: "none",
        description: "Services.",
      },
    ]);
    expect(sections[1]?.fields).toEqual([
      { name: "level", type: "log level", isRequired: false, fallback: "INFO", description: "Least severity.", example: "INFO" },
      { name: "ratio", type: "number", isRequired: false, fallback: "1.5", description: "A ratio." },
    ]);
    expect(sections[2]?.fields.slice(1)).toEqual([
      {
        name: "listen",
        type: "address, or a list of them",
        isRequired: false,
        description: "Where | there.",
        example: '["a","b"]',
      },
      { name: "mode", type: "a, b or c", isRequired: false, fallback: "that of the kind", description: "Which." },
    ]);
  });

  it("becomes tables whose cells stay cells and whose links lead somewhere", () => {
    const text = referenceText(sections);
    expect(text).toContain('| `listen` | address, or a list of them |  | Where \\| there.<br>Example: `["a","b"]`. |');
    expect(text).toContain("| `targets` | [list of targets](#targets) | none | Services. |");
    expect(text).toContain("## `targets[]`\n");
  });

  it("becomes a manual page", () => {
    const page = configPage(sections);
    expect(page).toContain(".It Ic level\nlog level; default: INFO.\n.br\nLeast severity.");
    expect(page).toContain('.Sx "targets[]" .');
  });
});

describe("mdoc", () => {
  it("takes no text for a macro, and has one sentence in a line", () => {
    expect(prose("One. Two says `so`.\n.Three\\")).toEqual(["One.", "Two says \\fBso\\fR.", "\\&.Three\\e"]);
    expect(literal("a-b…'")).toBe("a\\-b\\[u2026]\\(aq");
  });
});
