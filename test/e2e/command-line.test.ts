/** What the built daemon says to who calls it wrongly, before it does anything. */
import { resolve } from "node:path";
import { execa } from "execa";
import { describe, expect, it } from "vitest";

const PROGRAM = resolve(import.meta.dirname, "../../build/proxygw");
const HINT = "(a configuration is named with --config FILE; proxygw --help shows what there is)";

describe("the command line of proxygw", () => {
  it.each([
    ["doctro", 'there is no command "doctro"; did you mean "doctor"?'],
    ["mine.yaml", 'there is no command "mine.yaml"; known commands: "check", "schema" and "doctor"'],
    ["check mine.yaml", "too many arguments for 'check'. Expected 0 arguments but got 1."],
    ["--configuration=x", "unknown option '--configuration=x'"],
    ["doctor -o xml", "option '-o, --output <format>' argument 'xml' is invalid. Allowed choices are table, json, yaml."],
  ])("%s is wrong usage", async (args, message) => {
    const { exitCode, stdout, stderr } = await execa(PROGRAM, args.split(" "), { reject: false });
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
    expect(stderr.split("\n").filter((line) => !line.startsWith("(Did you mean"))).toEqual([`proxygw: ${message}`, HINT]);
  });

  it("says with --help which statuses there are", async () => {
    const { stdout } = await execa(PROGRAM, ["--help"]);
    expect(stdout).toMatch(/\nExit status:\n {2}0 {2}.*\n {2}1 {2}.*\n {2}2 {2}/);
  });
});
