import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe } from "vitest";
import { FakeClock } from "../../pkg/clock/fake-clock.ts";
import { collectingLog } from "../../pkg/log/collecting-log.ts";
import { systemCommands } from "../../pkg/process/runner.ts";
import { fuzz } from "../../test/fuzz/fuzz.ts";
import { isSelf, SELF, stateFiles, withSelf } from "../../test/fuzz/state-file.ts";
import { CommandRecord, recordIn, type Recorded } from "./command-record.ts";

describe("command.json", () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "proxygw-record-"));
  });
  afterAll(() => {
    rmSync(directory, { recursive: true });
  });

  const commands = systemCommands();
  const texts = stateFiles([
    { identity: SELF, options: { command: "sleep 1", env: { A: "b" } } },
    { identity: { ...SELF, startTicks: "1" }, options: {} },
    { pid: SELF.pid },
    [["net/ipv4/ip_forward", "0"]],
  ]);

  /** undefined: it is refused. */
  const recorded = (text: string): Recorded | undefined => {
    try {
      return recordIn(text);
    } catch {
      return undefined;
    }
  };

  fuzz("names the process that was written down and no other, or none", texts, (text) => {
    const record = recorded(withSelf(text));
    if (record === undefined) return;
    const { pid, startTicks, bootId } = record.identity;
    // to kill(2), 0 and negative numbers are groups, and 1 is the machine
    assert.ok(Number.isSafeInteger(pid) && pid > 1);
    assert.ok(typeof startTicks === "string" && typeof bootId === "string");
    assert.equal(commands.adopt(record.identity, new FakeClock()) !== undefined, isSelf(record.identity));
    // whatever was recorded, comparing it with other options is no more than that
    assert.equal(record.isOf({ command: "another" }), false);
  });

  const read = (text: string): void => {
    const path = join(directory, "command.json");
    writeFileSync(path, text);
    const log = collectingLog();
    const record = new CommandRecord(path).read(log);
    assert.deepEqual(record?.identity, recorded(text)?.identity);
    assert.deepEqual(log.messages(), record === undefined ? ["ignoring a damaged record of a command"] : []);
  };
  fuzz("is ignored with a warning where it names none", texts, read, { share: 0.01 });
});
