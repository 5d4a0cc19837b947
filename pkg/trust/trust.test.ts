import { constants, Stats } from "node:fs";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findFlaw, flawOf, type Trusted, trustedUsers } from "./trust.ts";

describe("findFlaw", () => {
  let base: string;
  let file: string;
  let trusted: Trusted;

  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), "proxygw-trust-"));
    await mkdir(join(base, "etc"), { mode: 0o755 });
    file = join(base, "etc/file");
    await writeFile(file, "");
    await chmod(file, 0o640);
    trusted = await trustedUsers();
  });
  afterEach(async () => {
    await rm(base, { recursive: true });
  });

  it("finds none in a file of the user's own, or root's", async () => {
    expect(await findFlaw(file, trusted)).toBeUndefined();
    expect(await findFlaw("/etc/passwd", trusted)).toBeUndefined();
    expect(await findFlaw(join(base, "missing/file"), trusted)).toBeUndefined();
    expect(await findFlaw(join(file, "below"), trusted)).toBeUndefined();
  });

  it("finds a file, and a directory, that everybody can write to", async () => {
    await chmod(file, 0o646);
    expect(await findFlaw(file, trusted)).toEqual({ what: `everybody can write to ${file}`, remedy: `chmod o-w ${file}` });
    await chmod(file, 0o644);
    await chmod(join(base, "etc"), 0o777);
    expect((await findFlaw(file, trusted))?.remedy).toBe(`chmod o-w ${join(base, "etc")}`);
    await chmod(join(base, "etc"), 0o1777);
    expect(await findFlaw(file, trusted)).toBeUndefined();
  });

  it("takes the way that symbolic links lead", async () => {
    await mkdir(join(base, "open"), { mode: 0o755 });
    await symlink("../etc", join(base, "open/way"));
    await symlink(join(base, "open/way/file"), join(base, "link"));
    expect(await findFlaw(join(base, "link"), trusted)).toBeUndefined();
    await chmod(join(base, "open"), 0o777);
    expect((await findFlaw(join(base, "link"), trusted))?.what).toBe(`everybody can write to ${join(base, "open")}`);
    await chmod(join(base, "open"), 0o755);
    await chmod(file, 0o602);
    expect((await findFlaw(join(base, "link"), trusted))?.what).toBe(`everybody can write to ${file}`);
    await symlink("loop", join(base, "loop"));
    expect(await findFlaw(join(base, "loop"), trusted)).toBeUndefined();
  });

  it("minds what is neither file nor directory to nobody", async () => {
    expect(await findFlaw("/dev/null", trusted)).toBeUndefined();
    expect(await findFlaw("/dev/stdin", trusted)).toBeUndefined();
  });

  it.each([
    ["belongs to the user 4242", 4242, 0, 0o644],
    ["everybody can write to /x", 0, 0, 0o646],
    ["the group 7 can write to /x", 0, 7, 0o664],
    ["the group 7 can write to /x", 1000, 7, 0o664],
    [undefined, 0, 0, 0o664],
    [undefined, 0, 5, 0o664],
    // a group of that user's own
    [undefined, 1000, 1000, 0o664],
    [undefined, 1000, 7, 0o644],
  ])("finds that %s, of user %i and group %i with mode %o", (what, uid, gid, mode) => {
    const status = Object.assign(new Stats(), { uid, gid, mode: constants.S_IFREG | mode });
    const found = flawOf("/x", status, { users: new Set([0, 1000]), groups: new Set([0, 5]) });
    if (what === undefined) expect(found).toBeUndefined();
    else expect(found?.what).toContain(what);
  });
});
