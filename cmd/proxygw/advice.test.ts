import { describe, expect, it } from "vitest";
import { parseConfig } from "../../pkg/config/load.ts";
import { fakeRegistry } from "../../pkg/config/fake-registry.ts";
import { adviceOn } from "./advice.ts";

describe("adviceOn", () => {
  const config = (idleTimeout: string): ReturnType<typeof parseConfig> =>
    parseConfig(`version: v1\ntargets: [{ name: web, kind: static:none, idle_timeout: ${idleTimeout} }]`, "file", fakeRegistry());

  it("warns of an idle_timeout that no conversation outlives", () => {
    expect(adviceOn(config("1ms"))).toEqual([expect.stringMatching(/^target "web": an idle_timeout of 1ms stops the service/)]);
  });

  it("has nothing to say about a short one that may be meant", () => {
    expect(adviceOn(config("100ms"))).toEqual([]);
  });
});
