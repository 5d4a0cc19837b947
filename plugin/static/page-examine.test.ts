import { describe, expect, it } from "vitest";
import type { Capability } from "../../pkg/process/capabilities.ts";
import { configOf } from "../../test/fixture/machine.ts";
import { examinePage } from "./page-examine.ts";

describe("examinePage", () => {
  const [page] = configOf(
    '  - { name: page, kind: "static:http", listen: ["10.0.1.1:1", "10.0.1.1:60000"], target: there:http }',
  ).frontends;
  const run = (...capabilities: Capability[]): Promise<unknown[]> | undefined =>
    page && examinePage(page, { capabilities: new Set(capabilities), isRunning: false, runtimeDir: "/run/proxygw" });

  it("wants the capability for low ports, and says which these are", async () => {
    expect(await run("CAP_NET_ADMIN")).toEqual([
      {
        id: "page-privileges",
        severity: "error",
        what: "serving its page on port 1 takes CAP_NET_BIND_SERVICE",
        where: 'frontend "page"',
        remedy: "run proxygw as root, or with that capability",
      },
    ]);
    expect(await run("CAP_NET_BIND_SERVICE")).toEqual([]);
  });
});
