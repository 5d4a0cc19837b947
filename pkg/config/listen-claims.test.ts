import { describe, expect, it } from "vitest";
import { parseAddrPort } from "../value/addr-port.ts";
import { shown, withFrontends } from "./fake-file.ts";
import { ListenClaims } from "./listen-claims.ts";
import { Report } from "./report.ts";
import { Source } from "./source.ts";
import { YamlDocument } from "./yaml-document.ts";

describe("overlapping listen addresses", () => {
  const two = (a: string, b: string, mode: string): string[] =>
    shown(
      withFrontends(
        `name: a, kind: static:always, listen: ${a}, target: backend:dual`,
        `name: b, kind: static:always, listen: ${b}, target: backend:dual`,
      ) + `dataplane: { wildcard_overlap: ${mode} }\n`,
    );

  it.each([
    ["10.0.0.1:80", "0.0.0.0:80"],
    ["0.0.0.0:80", "10.0.0.1:80"],
    ['"[::]:80"', '"[2001:db8::9]:80"'],
  ])("%s and %s: the wildcard and the address are a matter of configuration", (a, b) => {
    const refused = two(a, b, "refuse");
    expect(refused).toEqual([
      expect.stringMatching(
        /^11:\d+ tcp .* overlaps with .* of frontend "a" \(line 10\); .*"wildcard_overlap: specific-wins" under "dataplane"/,
      ),
    ]);
    expect(two(a, b, "specific-wins")).toEqual([]);
  });

  it("an address of the wildcard's own frontend is not in the way, and hides no other that is", () => {
    expect(two("[10.0.0.1:80, 0.0.0.0:80]", "10.0.0.9:80", "refuse")).toEqual([
      expect.stringMatching(/overlaps with 0.0.0.0:80 of/),
    ]);
    expect(two("10.0.0.9:80", "[10.0.0.1:80, 0.0.0.0:80]", "refuse")).toEqual([
      expect.stringMatching(/overlaps with 10.0.0.9:80 of/),
    ]);
  });

  it("are found without comparing each with each", () => {
    const report = new Report(new YamlDocument(new Source("x", "a: 1")));
    const claims = new ListenClaims(report, "refuse");
    const before = performance.now();
    for (let index = 0; index < 100_000; index++) {
      const host = `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`;
      claims.claim("tcp", parseAddrPort(`${host}:80`), { label: `f${index}`, owner: index, path: [] });
    }
    // 5 thousand million comparisons would take longer
    expect(performance.now() - before).toBeLessThan(5000);
    report.finish();
    claims.claim("tcp", parseAddrPort("0.0.0.0:80"), { label: "all", owner: -1, path: [] });
    expect(() => {
      report.finish();
    }).toThrow(/overlaps with 10.0.0.0:80 of frontend "f0"/);
  });

  it.each(["refuse", "specific-wins"])("the same address twice is refused with %s", (mode) => {
    const message = /^11:\d+ tcp 10.0.0.1:80 is already taken by frontend "a" \(line 10\)/;
    expect(two("10.0.0.1:80", "10.0.0.1:80", mode)).toEqual([expect.stringMatching(message)]);
    expect(two("0.0.0.0:80", "0.0.0.0:80", mode)).toEqual([expect.stringMatching(/already taken/)]);
    expect(two('"[2001:DB8::9]:80"', '"[2001:db8:0::9]:80"', mode)).toEqual([expect.stringMatching(/already taken/)]);
  });
});
