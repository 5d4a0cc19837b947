import { describe, expect, it } from "vitest";
import { Generation } from "./generation.ts";

function setUp() {
  const kernel = { generation: 7 };
  const generation = new Generation();
  generation.open({ generation: () => kernel.generation });
  generation.looked(7);
  return { kernel, generation };
}

describe("Generation", () => {
  it.each([
    ["no transaction", 0, 0, false],
    ["an own one", 1, 0, false],
    ["somebody else's", 0, 1, true],
    ["an own one and somebody else's", 2, 0, true],
    ["an own one after somebody else's", 1, 1, true],
  ])("%s", async (_what, during, before, foreign) => {
    const { kernel, generation } = setUp();
    kernel.generation += before;
    await generation.own(() => {
      kernel.generation += during;
      return Promise.resolve();
    });
    expect(generation.isForeign()).toBe(foreign);
    generation.looked(kernel.generation);
    expect(generation.isForeign()).toBe(false);
  });

  it("goes round with the kernel's number, and says at first that it has seen nothing", async () => {
    const { kernel, generation } = setUp();
    kernel.generation = 0xffffffff;
    expect(generation.isForeign()).toBe(true);
    generation.looked(kernel.generation);
    await generation.own(() => {
      kernel.generation = 0;
      return Promise.resolve();
    });
    expect(generation.isForeign()).toBe(false);
    await expect(new Generation().own(() => Promise.resolve("done"))).resolves.toBe("done");
    expect(() => new Generation().isForeign()).toThrow(expect.objectContaining({ code: "RULESET_FAILED" }) as Error);
  });
});
