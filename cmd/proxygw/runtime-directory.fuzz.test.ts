import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe } from "vitest";
import { hasCode } from "../../pkg/fault/fault.ts";
import { collectingLog } from "../../pkg/log/collecting-log.ts";
import { fuzz, fuzzAsync } from "../../test/fuzz/fuzz.ts";
import { isSelf, SELF, stateFiles, withSelf } from "../../test/fuzz/state-file.ts";
import { ownerIn, RuntimeDirectory } from "./runtime-directory.ts";

function ownerOrNobody(text: string): ReturnType<typeof ownerIn> | undefined {
  try {
    return ownerIn(text);
  } catch {
    return undefined;
  }
}

describe("daemon.json", () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "proxygw-owner-"));
  });
  afterAll(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  const texts = stateFiles([
    { identity: SELF, made: false },
    { identity: { ...SELF, startTicks: "1" }, made: true },
    { made: true },
  ]);

  fuzz("names an owner, or nobody", texts, (text) => {
    const owner = ownerOrNobody(withSelf(text));
    if (owner?.identity === undefined) return;
    assert.ok(Number.isSafeInteger(owner.identity.pid) && owner.identity.pid > 1);
    assert.equal(typeof owner.made, "boolean");
  });

  const acquire = async (each: string): Promise<void> => {
    const text = withSelf(each);
    const file = join(directory, "daemon.json");
    mkdirSync(directory, { recursive: true });
    writeFileSync(file, text);
    const runtime = new RuntimeDirectory(directory, collectingLog());
    const owner = ownerOrNobody(text);
    const fault: unknown = await runtime.acquire().catch((error: unknown) => error);
    assert.equal(hasCode(fault, "RUNTIME_DIR_IN_USE"), isSelf(owner?.identity));
    assert.equal(fault === undefined, !isSelf(owner?.identity));
    await runtime.release("stop");
    // what somebody else has left or still has stays
    assert.equal(existsSync(file), isSelf(owner?.identity));
    assert.equal(existsSync(directory), isSelf(owner?.identity) || owner?.made !== true);
  };
  fuzzAsync("keeps nobody out but from a living daemon's directory", texts, acquire, { share: 0.01 });
});
