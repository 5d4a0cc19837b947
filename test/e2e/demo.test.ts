/** The demonstration, which checks each of its steps itself. */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { paced } from "../pace.ts";

const DEMO = resolve(import.meta.dirname, "../demo/demo.sh");

const traces = async (): Promise<string[]> => [
  (await execa("ip", ["netns", "list"])).stdout,
  (await execa("ip", ["-brief", "link"])).stdout,
  (await execa("nft", ["list", "ruleset"])).stdout,
  await readFile("/proc/sys/net/ipv4/ip_forward", "utf8"),
];

describe("the demonstration", () => {
  // it checks times that people see: nobody looks at one in an emulated machine
  it.skipIf(process.env["VM"] !== undefined)(
    "does what it says within 30 s, in plain text, and leaves nothing behind",
    async () => {
      const before = await traces();
      const begun = performance.now();
      const { exitCode, stdout, stderr } = await execa("bash", [DEMO], { reject: false, stdin: "ignore" });
      const took = performance.now() - begun;

      expect(stderr).toBe("");
      expect(exitCode).toBe(0);
      expect(took).toBeLessThan(paced(30_000));
      expect(stdout).not.toContain("\u001b");
      expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(120);
      const steps = [
        /^ +\d+ ms {2}client {3}HTTP 200 after \d{3,5} ms, the time that the service needed to start$/m,
        /^ +\d+ ms {2}service {2}its own log: "request from 192\.0\.2\.2"/m,
        /target web +state: active\n +last_wake +source: 192\.0\.2\.2:\d+ {2}frontend: public-http {2}took_ms: \d+$/m,
        /^ +\d+ ms {2}gateway {2}the service is stopped, \d+ ms after the last request/m,
        /^ +\d+ ms {2}client {3}its answer is there after \d+ ms/m,
        /^ +\d+ ms {2}gateway {2}ended after \d+ ms/m,
      ];
      let at = 0;
      for (const step of steps) {
        const found = step.exec(stdout.slice(at));
        expect(found, `${String(step)} in ${stdout}`).not.toBeNull();
        at += found?.index ?? 0;
      }
      expect(await traces()).toEqual(before);
    },
    paced(45_000),
  );

  it("says what to do when it is not run by root", async () => {
    const { exitCode, stdout, stderr } = await execa("bash", [DEMO], { reject: false, uid: 65_534, gid: 65_534, cwd: "/" });
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toBe("The demonstration makes network namespaces, which takes root: sudo make demo");
  });
});
