import { describe, expect, it } from "vitest";
import type { Finding } from "../../pkg/plugin/finding.ts";
import { reportLines, styleFor } from "./doctor-report.ts";

const FINDINGS: Finding[] = [
  { id: "no-route", severity: "error", what: "there is no route", where: 'frontend "a"', remedy: "ip route add" },
  { id: "x", severity: "warning", what: "one two three four five six seven eight nine ten eleven twelve" },
  { id: "y", severity: "ok", what: "fine" },
];
const PLAIN = { isUnicode: false, hasColour: false, width: undefined };

describe("reportLines", () => {
  it("aligns, and closes with what it comes to", () => {
    expect(reportLines("this machine", FINDINGS, PLAIN)).toEqual([
      "this machine",
      'x no-route  frontend "a": there is no route',
      "            -> ip route add",
      "! x         one two three four five six seven eight nine ten eleven twelve",
      "+ y         fine",
      "1 error, 1 warning",
    ]);
    expect(reportLines("", FINDINGS.slice(1), PLAIN).at(-1)).toBe("nothing that stops it; 1 warning");
    expect(reportLines("", [], PLAIN).at(-1)).toBe("nothing that stops it");
  });

  it("breaks lines for a terminal, but not what is to be copied", () => {
    const remedy = "a command that is much longer than the terminal is wide, and is copied";
    const lines = reportLines("", [{ id: "x", severity: "note", what: "word ".repeat(20).trim(), remedy }], {
      ...PLAIN,
      width: 50,
    });
    expect(lines.filter((line) => !line.includes(remedy)).every((line) => line.length <= 50)).toBe(true);
    expect(lines.filter((line) => line.startsWith("     word")).length).toBeGreaterThan(0);
    expect(lines).toContain(`     -> ${remedy}`);
  });

  it("has colours and signs where they can be seen", () => {
    const lines = reportLines("", FINDINGS, { isUnicode: true, hasColour: true, width: undefined });
    expect(lines[1]).toMatch(/^\u001b\[31m✗\u001b\[0m \u001b\[1mno-route\u001b\[0m {2}/);
    expect(lines[2]).toContain("→ ip route add");
  });
});

describe("styleFor", () => {
  it.each([
    [{ LANG: "C.UTF-8" }, 80, { isUnicode: true, hasColour: true, width: 80 }],
    [{ LANG: "C.UTF-8", LC_ALL: "C" }, 80, { isUnicode: false, hasColour: true, width: 80 }],
    [{ LANG: "en_US.utf8", NO_COLOR: "1" }, 80, { isUnicode: true, hasColour: false, width: 80 }],
    [{ NO_COLOR: "", TERM: "dumb" }, 80, { isUnicode: false, hasColour: false, width: 80 }],
    [{}, undefined, { isUnicode: false, hasColour: false, width: undefined }],
  ])("%j, %s columns", (env, columns, style) => {
    expect(styleFor(env, columns)).toEqual(style);
  });
});
