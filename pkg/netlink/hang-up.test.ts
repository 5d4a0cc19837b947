import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { watchForHangUp } from "./hang-up.ts";

describe("watchForHangUp", () => {
  let directory = "";
  let path = "";
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "hang-up-"));
    path = join(directory, "pipe");
    execFileSync("mkfifo", [path]);
  });
  afterAll(() => {
    rmSync(directory, { recursive: true });
  });

  function pipe(): { reader: number; writer: number } {
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return { reader, writer: openSync(path, constants.O_WRONLY) };
  }

  it("tells when the reader has gone, and not before", async () => {
    const { reader, writer } = pipe();
    let hasHungUp: () => void = () => undefined;
    const hungUp = new Promise<void>((resolve) => (hasHungUp = resolve));
    let told = 0;
    const end = await watchForHangUp(writer, () => {
      told++;
      hasHungUp();
    });
    // several turns of the event loop
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
    expect(told).toBe(0);
    closeSync(reader);
    await hungUp;
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
    expect(told).toBe(1);
    end();
    closeSync(writer);
  });

  it("tells at once where nobody reads", async () => {
    const { reader, writer } = pipe();
    closeSync(reader);
    let told = 0;
    const end = await watchForHangUp(writer, () => told++);
    expect(told).toBe(1);
    end();
    closeSync(writer);
  });

  it("tells nothing once the watch is ended", async () => {
    const { reader, writer } = pipe();
    let told = 0;
    const end = await watchForHangUp(writer, () => told++);
    end();
    end();
    closeSync(reader);
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
    expect(told).toBe(0);
    closeSync(writer);
  });

  it("does not watch what is no pipe", async () => {
    const file = openSync("/dev/null", "w");
    const end = await watchForHangUp(file, () => expect.unreachable());
    end();
    closeSync(file);
  });
});
