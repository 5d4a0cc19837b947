import { describe, expect, it } from "vitest";
import { findQueue } from "./queue-table.ts";

const TABLE = [
  "    5  10432   167 2   256     3     4      177  1",
  " 1234 3349799026     0 2   128     0     0        0  1",
  "",
].join("\n");

describe("findQueue", () => {
  it("reads the line of the queue asked for", () => {
    expect(findQueue(TABLE, 5)).toEqual({ number: 5, port: 10_432, held: 167, overflowed: 3 });
    expect(findQueue(TABLE, 1234)).toEqual({ number: 1234, port: 3_349_799_026, held: 0, overflowed: 0 });
  });

  it.each([
    ["a queue that is not there", TABLE, 12],
    ["an empty table", "", 0],
    ["a line that ends too early", "    5  10432", 5],
  ])("finds nothing for %s", (_, table, number) => {
    expect(findQueue(table, number)).toBeUndefined();
  });
});
