import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, normalize } from "node:path";
import { afterAll, beforeAll, describe } from "vitest";
import { fuzz, fuzzAsync } from "../../../test/fuzz/fuzz.ts";
import { stateFiles } from "../../../test/fuzz/state-file.ts";
import { collectingLog } from "../../log/collecting-log.ts";
import { parseState, Sysctls } from "./sysctl.ts";

const IPV6 = "net/ipv6/conf/eth0.7/accept_ra";
const KEYS = [
  "net/ipv4/ip_forward",
  IPV6,
  "net/ipv4/conf",
  "net/ipv4/",
  "net/ipv4/conf/../../../kernel/core_pattern",
  "kernel/x\0",
];
const state = (...former: readonly (readonly [string, string])[]): unknown => ({ place: "here", former });
const TEXTS = stateFiles([
  state(["net/ipv4/ip_forward", "0"], ["net/ipv4/conf/all/route_localnet", "0"], [IPV6, "1"]),
  ...KEYS.map((key) => state([key, "1"])),
  state(["net/ipv4/ip_forward", "|/bin/sh"]),
  { place: "elsewhere", former: [["net/ipv4/ip_forward", "0"]] },
  [["net/ipv4/ip_forward", "0"]],
]);

/** undefined: it is refused. */
function parsed(text: string): ReturnType<typeof parseState> | undefined {
  try {
    return parseState(text);
  } catch {
    return undefined;
  }
}

describe("sysctls.json", () => {
  let root: string;
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), "proxygw-former-"));
    mkdirSync(join(root, "net/ipv4/conf/all"), { recursive: true });
    writeFileSync(join(root, "net/ipv4/ip_forward"), "1\n");
  });
  afterAll(() => {
    rmSync(root, { recursive: true });
  });

  fuzz("holds former values of settings for packets alone, or is refused", TEXTS, (text) => {
    for (const [key, value] of parsed(text)?.former ?? []) {
      assert.equal(normalize(key), key);
      assert.ok(key.startsWith("net/ipv4/") || key.startsWith("net/ipv6/"));
      assert.ok(!key.includes("\0") && key.split("/").length <= 5);
      assert.ok(Number.isSafeInteger(Number(value)) && value.trim() === value && value !== "");
    }
  });

  const recover = async (text: string): Promise<void> => {
    const stateFile = join(root, "sysctls.json");
    writeFileSync(stateFile, text);
    const own = parsed(text);
    const log = collectingLog();
    const sysctls = new Sysctls({ log, manage: true, root, stateFile, place: () => Promise.resolve("here") });
    await sysctls.recover();
    const key = "net/ipv4/ip_forward";
    assert.equal(sysctls.changed(key), own?.place === "here" && own.former.some(([each]) => each === key));
    await sysctls.restore();
    const warnings = log.messages("warn").length;
    assert.equal(warnings, own === undefined ? 1 : 0);
    assert.ok(!existsSync(stateFile));
    assert.deepEqual(readdirSync(root), ["net"]);
  };
  fuzzAsync("is put back, or ignored with a warning, and keeps no daemon from its start", TEXTS, recover, { share: 0.01 });
});
