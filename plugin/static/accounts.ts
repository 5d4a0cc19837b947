import { readFileSync } from "node:fs";
import { Fault } from "../../pkg/fault/fault.ts";

export interface Account {
  readonly uid?: number;
  readonly gid?: number;
  /** What a login would set, where the user is known by name. */
  readonly env: Readonly<Record<string, string>>;
}

interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly shell: string;
}

/**
 * The users and groups of /etc/passwd and /etc/group: passwd(5), group(5). Those of other sources (LDAP and the like) are
 * not known by name, only by number.
 */
export class Accounts {
  static #system: Accounts | undefined;
  readonly #users: readonly User[];
  readonly #groups: readonly { readonly name: string; readonly gid: number }[];

  constructor(passwd: string, group: string) {
    this.#users = rows(passwd, 7).map(([name = "", , uid, gid, , home = "", shell = ""]) => ({
      name,
      uid: Number(uid),
      gid: Number(gid),
      home,
      shell,
    }));
    this.#groups = rows(group, 3).map(([name = "", , gid]) => ({ name, gid: Number(gid) }));
  }

  /** Read once in a turn of the event loop: a configuration is checked within one, with all of its targets. @throws a system error */
  static ofSystem(): Accounts {
    if (this.#system === undefined) {
      this.#system = new Accounts(readFileSync("/etc/passwd", "utf8"), readFileSync("/etc/group", "utf8"));
      setImmediate(() => {
        this.#system = undefined;
      });
    }
    return this.#system;
  }

  /** Names or numbers. A user without a group has its primary one. @throws Fault USER_UNKNOWN, GROUP_UNKNOWN */
  account(user: string | number | undefined, group: string | number | undefined): Account {
    const gid = group === undefined ? undefined : this.#gid(String(group));
    if (user === undefined) return gid === undefined ? { env: {} } : { gid, env: {} };
    const found = this.#user(String(user));
    if (found !== undefined) {
      const { uid, name, home, shell } = found;
      return { uid, gid: gid ?? found.gid, env: { USER: name, LOGNAME: name, HOME: home, SHELL: shell || "/bin/sh" } };
    }
    if (!isNumber(String(user))) {
      throw new Fault(
        "USER_UNKNOWN",
        `there is no user "${user}" in /etc/passwd; a user from elsewhere is given by number, with its group`,
      );
    }
    if (gid === undefined) {
      throw new Fault("GROUP_UNKNOWN", `user ${user} is not in /etc/passwd, so its group is not known; give "group" too`);
    }
    return { uid: Number(user), gid, env: {} };
  }

  #user(text: string): User | undefined {
    return this.#users.find(({ name }) => name === text) ?? this.#users.find(({ uid }) => isNumber(text) && uid === Number(text));
  }

  #gid(text: string): number {
    const found = this.#groups.find(({ name }) => name === text);
    if (found !== undefined) return found.gid;
    if (isNumber(text)) return Number(text);
    throw new Fault("GROUP_UNKNOWN", `there is no group "${text}" in /etc/group; a group from elsewhere is given by number`);
  }
}

function rows(text: string, columns: number): string[][] {
  return text
    .split("\n")
    .map((line) => line.split(":"))
    .filter((row) => row.length >= columns);
}

function isNumber(text: string): boolean {
  return /^[0-9]+$/.test(text);
}
