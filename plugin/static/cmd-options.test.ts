import { Ajv } from "ajv";
import { describe, expect, it } from "vitest";
import { Accounts } from "./accounts.ts";
import { checkCmdOptions, CMD_OPTIONS, parseSignal, parseStopTimeout } from "./cmd-options.ts";
import type { CmdOptions } from "./cmd-options.ts";

const validate = new Ajv({ useDefaults: true, allowUnionTypes: true, strict: true }).compile(CMD_OPTIONS);

describe("options of static:cmd", () => {
  it("have defaults", () => {
    const options = { command: "true" };
    expect(validate(options)).toBe(true);
    expect(options).toEqual({ command: "true", env: {}, stop_signal: "SIGINT", stop_timeout: "5s" });
  });

  it.each([
    {},
    { command: "" },
    { command: " \n" },
    { command: "a\0b" },
    { command: 5 },
    { command: "true", cwd: "relative" },
    { command: "true", env: { "A=B": "x" } },
    { command: "true", env: { "": "x" } },
    { command: "true", env: { PORT: 80 } },
    { command: "true", user: -1 },
    { command: "true", user: 4294967295 },
    { command: "true", group: "" },
    { command: "true", unknown: 1 },
  ])("refuse %j", (options) => {
    expect(validate(options)).toBe(false);
  });

  it("are checked beyond the schema, all at once", () => {
    const accounts = new Accounts("games:x:5:60::/:\n", "games:x:60:\n");
    const options: CmdOptions = {
      command: "true",
      env: {},
      stop_signal: "SIGTERM",
      stop_timeout: "5s",
      user: "games",
      group: 60,
    };
    expect(checkCmdOptions(options, accounts)).toEqual([]);
    const problems = (changed: Partial<CmdOptions>): string[] =>
      checkCmdOptions({ ...options, ...changed }, accounts).map(({ path }) => path.join("."));
    expect(problems({ stop_signal: "HUPP", stop_timeout: "5", user: "x", group: "y" })).toEqual([
      "options.stop_signal",
      "options.stop_timeout",
      "options.group",
      "options.user",
    ]);
    expect(problems({ user: "games", group: "y" })).toEqual(["options.group"]);
  });
});

describe("a signal", () => {
  it.each([
    ["SIGTERM", "SIGTERM"],
    ["TERM", "SIGTERM"],
    ["int", "SIGINT"],
    ["SigUsr1", "SIGUSR1"],
  ])("%s is %s", (text, expected) => {
    expect(parseSignal(text)).toBe(expected);
  });

  it.each(["", "SIG", "15", "SIGNOPE", "constructor", "SIGtoString"])("%j is refused", (text) => {
    expect(() => parseSignal(text)).toThrow(expect.objectContaining({ code: "VALUE_INVALID" }) as Error);
  });
});

describe("a stop timeout", () => {
  it("is a duration that is not below zero", () => {
    expect(parseStopTimeout("1.5s")).toBe(1500);
    expect(parseStopTimeout("0")).toBe(0);
    for (const text of ["-1s", "5"])
      expect(() => parseStopTimeout(text)).toThrow(expect.objectContaining({ code: "VALUE_INVALID" }) as Error);
  });
});
