import { getHeapStatistics } from "node:v8";
import { describe, expect, it } from "vitest";
import { settleHeap } from "./heap.ts";

describe("settleHeap", () => {
  it("gives back what the start needed", async () => {
    const garbage = new WeakRef(Array.from({ length: 200_000 }, (_, at) => ({ at })));
    // what a WeakRef was made for lives at least until the next turn
    await new Promise((resolve) => setImmediate(resolve));
    const before = getHeapStatistics().used_heap_size;
    settleHeap();
    expect(garbage.deref()).toBeUndefined();
    expect(getHeapStatistics().used_heap_size).toBeLessThan(before - 1_000_000);
  });
});
