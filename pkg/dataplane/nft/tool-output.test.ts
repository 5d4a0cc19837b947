import { describe, expect, it } from "vitest";
import type { ToolRunner } from "../../process/process.ts";
import { Nft } from "./nft.ts";
import { nftFault, parseExpires, parseNftVersion, parsePackets } from "./nft-output.ts";

describe("what nft prints", () => {
  it.each([
    ["Error: Could not process rule: No such file or directory\nget element …", "NFT_NOT_FOUND"],
    ["Error: Could not process rule: File exists\n", "NFT_EXISTS"],
    ["Error: Could not process rule: Operation not permitted\n", "NFT_NOT_PERMITTED"],
    ["netlink: Error: cache initialization failed: Operation not permitted\n", "NFT_NOT_PERMITTED"],
    ["Error: Could not process rule: Operation not supported\n", "NFT_NOT_SUPPORTED"],
    ["Error: Could not process rule: Interrupted system call\n", "NFT_INTERRUPTED"],
    ["/dev/stdin:3:1-5: Error: syntax error, unexpected string\n", "NFT_FAILED"],
    ["", "NFT_FAILED"],
    ["netlink: Error:  \n", "NFT_FAILED"],
  ])("%j is %s", (stderr, code) => {
    expect(nftFault(stderr, "do it")).toMatchObject({
      code,
      message: expect.stringMatching(/^nft could not do it: ./) as string,
    });
  });

  it("tells versions apart", () => {
    expect(parseNftVersion("nftables v1.0.6 (Lester Gooch #5)\n")).toEqual([1, 0, 6]);
    expect(parseNftVersion("nftables v1.1 (x)")).toEqual([1, 1, 0]);
    expect(parseNftVersion("nft: unknown option")).toBeUndefined();
    expect(parseNftVersion(`nftables v${"9".repeat(400)}.0.6`)).toBeUndefined();
  });

  it.each([
    ["elements = { tcp . 10.0.0.1 . 80 expires 364d23h59m59s996ms }", 31_535_999_996],
    ["elements = { tcp . 10.0.0.1 . 80 timeout 2m expires 1m500ms }", 60_500],
    ["elements = { tcp . ::1 . 80 expires 8ms }", 8],
    ["elements = { tcp . ::1 . 80 }", undefined],
    [`elements = { tcp . ::1 . 80 expires ${"9".repeat(400)}d }`, undefined],
  ])("%s", (text, ms) => {
    expect(parseExpires(text)).toBe(ms);
  });

  it("reads counters", () => {
    expect(parsePackets("elements = { tcp . 80 counter packets 17 bytes 1020 }")).toBe(17);
    expect(parsePackets("")).toBe(0);
    expect(parsePackets("counter packets 18446744073709551615 bytes 1")).toBe(2 ** 64);
    expect(parsePackets(`counter packets ${"9".repeat(400)} bytes 1`)).toBeLessThan(Infinity);
  });

  it.each([
    [1, 2],
    [4, 5],
    [9, 5],
  ])("asks again when a transaction interrupted it %i times: %i questions", async (interruptions, questions) => {
    let asked = 0;
    const tools: ToolRunner = {
      run: () => {
        asked++;
        return Promise.resolve(
          asked <= interruptions
            ? { exitCode: 1, stdout: "", stderr: "Error: Could not process rule: Interrupted system call\n" }
            : { exitCode: 0, stdout: "elements = { tcp . ::1 . 80 expires 8ms }", stderr: "" },
        );
      },
    };
    const outcome = await new Nft(tools).expires("t", "active6", "tcp . ::1 . 80").catch((error: unknown) => error);
    expect(asked).toBe(questions);
    if (interruptions < questions) expect(outcome).toBe(8);
    else expect(outcome).toMatchObject({ code: "NFT_INTERRUPTED" });
  });
});
