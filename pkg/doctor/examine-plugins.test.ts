import { describe, expect, it } from "vitest";
import { FakeClock } from "../clock/fake-clock.ts";
import type { Finding } from "../plugin/finding.ts";
import { Registry } from "../plugin/registry.ts";
import { examinePlugins } from "./examine-plugins.ts";
import { configOf } from "../../test/fixture/machine.ts";

const CONFIG = configOf('  - { name: near, kind: "static:always", listen: 0.0.0.0:8088, target: here:http }');
const EXAMINATION = { capabilities: new Set<never>(), isRunning: false, runtimeDir: "/run/proxygw" };

function run(examine: () => Promise<Finding[]>, clock = new FakeClock()): Promise<Finding[]> {
  const registry = new Registry([{ source: "x", namespace: "x", plugin: { source: "x", examine } }]);
  return examinePlugins(CONFIG, registry, EXAMINATION, clock);
}

describe("examinePlugins", () => {
  it("has what plugins find, and goes on without those that fail", async () => {
    const found: Finding = { id: "x", severity: "note", what: "y" };
    expect(await run(() => Promise.resolve([found]))).toEqual([found]);
    const failed = [{ id: "not-looked-at", severity: "warning", where: 'plugin "x"' }];
    expect(await run(() => Promise.reject(new Error("broken")))).toMatchObject(failed);
    expect(
      await run(() => {
        throw new Error("broken");
      }),
    ).toMatchObject(failed);
  });

  it("waits for nobody for ever", async () => {
    const clock = new FakeClock();
    const answer = run(() => new Promise<Finding[]>(() => undefined), clock);
    await clock.advance(3000);
    expect(await answer).toMatchObject([{ id: "not-looked-at", what: expect.stringContaining("3000 ms") as string }]);
  });
});
