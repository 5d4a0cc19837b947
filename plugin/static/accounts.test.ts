import { describe, expect, it } from "vitest";
import { Accounts } from "./accounts.ts";

const accounts = new Accounts(
  "root:x:0:0:root:/root:/bin/bash\n# a comment\ngames:x:5:60:games:/usr/games:\n+::::::\n1000:x:7:8::/:/bin/sh\n",
  "root:x:0:\ngames:x:60:\nvideo:x:44:games\n",
);

describe("accounts", () => {
  it.each([
    [undefined, undefined, { env: {} }],
    [undefined, "video", { gid: 44, env: {} }],
    [undefined, 1234, { gid: 1234, env: {} }],
    ["games", undefined, { uid: 5, gid: 60, env: { USER: "games", LOGNAME: "games", HOME: "/usr/games", SHELL: "/bin/sh" } }],
    ["games", "video", { uid: 5, gid: 44 }],
    ["5", undefined, { uid: 5, gid: 60 }],
    [5, undefined, { uid: 5, gid: 60 }],
    // a name comes before a number
    ["1000", undefined, { uid: 7, gid: 8 }],
    [4242, "video", { uid: 4242, gid: 44, env: {} }],
  ])("of user %s and group %s", (user, group, expected) => {
    expect(accounts.account(user, group)).toMatchObject(expected);
  });

  it.each([
    ["nobody-here", undefined, "USER_UNKNOWN"],
    ["games", "nobody-here", "GROUP_UNKNOWN"],
    // whose group nobody knows
    [4242, undefined, "GROUP_UNKNOWN"],
    ["", undefined, "USER_UNKNOWN"],
  ])("refuses user %s with group %s", (user, group, code) => {
    expect(() => accounts.account(user, group)).toThrow(expect.objectContaining({ code }) as Error);
  });

  it("are those of the system", () => {
    expect(Accounts.ofSystem().account("root", undefined)).toMatchObject({ uid: 0, gid: 0, env: { HOME: "/root" } });
  });

  it("are read once in a turn of the event loop, and anew in the next", async () => {
    const accounts = Accounts.ofSystem();
    expect(Accounts.ofSystem()).toBe(accounts);
    await new Promise((resolve) => setImmediate(resolve));
    expect(Accounts.ofSystem()).not.toBe(accounts);
  });
});
