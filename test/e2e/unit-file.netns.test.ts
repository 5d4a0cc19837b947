/** What systemd says of the unit and its drop-ins. */
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const UNITS = resolve(import.meta.dirname, "../../init/systemd");

describe("proxygw.service", () => {
  let directory: string;
  let unit: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "proxygw-unit-"));
    unit = join(directory, "proxygw.service");
    await cp(join(UNITS, "proxygw.service"), unit);
  });
  afterEach(async () => {
    await rm(directory, { recursive: true });
  });

  // systemd-analyze prints it in tenths; that of the bare unit is the price for running any command
  it.each([
    [undefined, 10],
    ["hardened.conf", 4],
    ["unprivileged.conf", 3],
  ])("with %s is understood, and exposed less than %d", async (dropIn, limit) => {
    if (dropIn !== undefined) {
      await mkdir(`${unit}.d`);
      await cp(join(UNITS, dropIn), join(`${unit}.d`, dropIn));
    }
    const verified = await execa("systemd-analyze", ["verify", "--man=no", unit], { reject: false });
    const complaints = verified.stderr
      .split("\n")
      .filter((line) => line.startsWith("proxygw.service") || line.startsWith(directory));
    // it is not installed here
    expect(complaints.filter((line) => !/Command \/usr\/bin\/proxygw(ctl)? is not executable/.test(line))).toEqual([]);
    const { stdout } = await execa("systemd-analyze", ["security", "--offline=true", "--no-pager", unit]);
    const exposure = Number(/exposure level for proxygw\.service: ([\d.]+)/.exec(stdout)?.[1]);
    expect(exposure).toBeLessThan(limit);
  });
});
