import { describe, expect, it } from "vitest";
import { fixture, warmFixture } from "./fixture.ts";
import { figure, goals } from "./goals.ts";
import { HAPROXY, PLAIN, PROXYGW } from "./names.ts";
import { withSection } from "./published.ts";
import { report, summaryTable } from "./report.ts";
import type { Results } from "./results.ts";
import { svg } from "./svg.ts";

const { date, command, short, machine, seconds, failures, ...parts } = fixture();
const bare: Results = { date, command, short, machine, seconds, failures };

describe("goals", () => {
  it("are told of what was measured only", () => {
    expect(goals(bare)).toEqual([]);
    expect(goals({ ...bare, idle: parts.idle })).toHaveLength(2);
  });

  it("are met or not, each by itself", () => {
    const notMet = goals(fixture()).flatMap(({ what, measured, met }) => (met ? [] : [`${what}: ${measured}`]));
    expect(notMet).toEqual(["10,000 targets: ready: 4,000 ms", "1000 targets woken in a second: answered: 999"]);
  });

  it("take ratios round by round", () => {
    const warm = warmFixture({ [PLAIN]: [100, 10], [PROXYGW]: [96, 9.6], [HAPROXY]: [50, 5] });
    const [first] = goals({ ...bare, warm });
    expect(first).toEqual({ what: "throughput, 1 stream, of plain routing", limit: "≥ 0.97", measured: "0.96", met: false });
  });

  it("mind drains that come too early as well as those that come late", () => {
    const idle = { lateMs: { short: [-150, 20], long: [], silent: [] } };
    expect(goals({ ...bare, idle }).map(({ met }) => met)).toEqual([false, true]);
  });
});

describe("figure", () => {
  it.each([
    [0.0456, "0.05"],
    [12.34, "12.3"],
    [345.6, "346"],
    [1234567.8, "1,234,568"],
    [-1500, "-1,500"],
    [NaN, "–"],
  ])("%d is written %s", (value, text) => {
    expect(figure(value)).toBe(text);
  });
});

describe("report", () => {
  it("has what was measured, with the machine and the command", () => {
    const text = report(fixture());
    for (const part of ["Warm path", "Cold path", "Scale", "Storms", "Idle precision", "Goals"])
      expect(text).toContain(`## ${part}\n`);
    expect(text).toContain("`make bench`, warm 12.5 s");
    expect(text).toContain("A <CPU>, 2 cores");
    expect(text).toMatch(/\| proxygw +\| 73\.5 +\| 49\.0 – 98\.0 +\| 0\.98 +\| 1\.96 +\|/);
    expect(text).toContain("999 of 1000 (1 ETIMEDOUT)");
  });

  it("leaves out what was not", () => {
    const text = report({ ...bare, short: true, idle: parts.idle });
    expect(text).not.toContain("Warm path");
    expect(text).toContain("Only tried");
  });

  it("tells what could not be measured, and has the goals of the rest", () => {
    const warm = warmFixture({ [PLAIN]: [100], [PROXYGW]: [98] });
    const text = report({ ...bare, warm, failures: ["warm: HAProxy, out from round 1 of 1 on: it ended with 1"] });
    expect(text).toContain("## Not measured\n\n- warm: HAProxy, out from round 1 of 1 on: it ended with 1\n");
    expect(goals({ ...bare, warm }).map(({ what }) => what.replace(/.* of /, ""))).toEqual(Array(4).fill("plain routing"));
  });

  it("has no ratio for what a contender cannot do", () => {
    const warm = { ...warmFixture(), udp: { [PLAIN]: [10], [PROXYGW]: [9] } };
    expect(report({ ...bare, warm })).toMatch(/\| proxygw +\| 9\.00 +\| 9\.00 – 9\.00 +\| 0\.90 +\| – +\|/);
    expect(summaryTable(warm)).toMatch(/\| HAProxy .*\| – +\|$/m);
  });

  it("makes tables whose columns are equally wide", () => {
    const widths = summaryTable(warmFixture())
      .split("\n")
      .map((line) => line.length);
    expect(new Set(widths).size).toBe(1);
  });
});

describe("picture", () => {
  it("shows each contender, longest where it is most", () => {
    const text = svg(warmFixture());
    const widths = [...text.matchAll(/<rect class="(own|other)"[^>]* width="(\d+)"/g)].map(([, style, width]) => [
      style,
      Number(width),
    ]);
    expect(widths.slice(0, 3)).toEqual([
      ["other", 150],
      ["own", 147],
      ["other", 75],
    ]);
    expect(text.match(/98 %/g)).toHaveLength(3);
  });

  it("stays within its frame, and well-formed, whatever is measured", () => {
    const text = svg(warmFixture({ [PLAIN]: [1], "a <b> & c": [1000], none: [0] }));
    expect(text).toContain("a &lt;b> &amp; c");
    expect(Math.max(...[...text.matchAll(/ width="(\d+)" height="18"/g)].map(([, width]) => Number(width)))).toBeLessThanOrEqual(
      180,
    );
  });
});

describe("generated part of a page", () => {
  const page = "before\n<!-- made by make bench-docs: -->\nold\n<!-- end of what was made -->\nafter\n";

  it("is replaced, and nothing else", () => {
    const once = withSection(page, "new", "page.md");
    expect(once).toBe("before\n<!-- made by make bench-docs: -->\n\nnew\n\n<!-- end of what was made -->\nafter\n");
    expect(withSection(once, "new", "page.md")).toBe(once);
  });

  it("must be marked", () => {
    expect(() => withSection("nothing here", "new", "page.md")).toThrow(/page\.md has no/);
  });
});
