import { describe, expect, it } from "vitest";
import { NONE_KIND } from "./none-target.ts";

describe("static:none", () => {
  it("does nothing, unless the start was called off", async () => {
    const target = NONE_KIND.create({} as never);
    await target.warm(new AbortController().signal);
    await target.drain();
    const reason = new Error("called off");
    await expect(target.warm(AbortSignal.abort(reason))).rejects.toBe(reason);
    await target.close();
    await target.close();
  });

  it("has nothing to let go of when it is to be kept, and nothing to find again", async () => {
    const target = NONE_KIND.create({} as never);
    await target.warm(new AbortController().signal);
    await target.detach?.();
    expect("adopt" in target).toBe(false);
  });
});
