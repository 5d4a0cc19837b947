import { expect, it } from "vitest";
import { formatBytes } from "./bytes.ts";

it.each([
  [0, "0 B"],
  [1, "1 B"],
  [1023, "1023 B"],
  [1024, "1.0 KiB"],
  [1536, "1.5 KiB"],
  [102_348, "99.9 KiB"],
  [102_399, "100 KiB"],
  [1_048_063, "1023 KiB"],
  [1_048_575, "1.0 MiB"],
  [5 * 1024 ** 3, "5.0 GiB"],
  [9_007_199_254_740_991, "8.0 PiB"],
  [1e21, "867 EiB"],
])("%d bytes are %s", (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});
