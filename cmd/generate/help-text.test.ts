import { describe, expect, it } from "vitest";
import { itemsOf, readHelp } from "./help-text.ts";

const HELP = `Usage: gateway [options] [command]

Steers a gateway
that runs.

Options:
  --config <file>         configuration file of the daemon (default:
                          "/etc/x.yaml")
  -h, --help              print this help

Commands:
  status                  print the state
  drain [options] <name>  stop a target, and wait until
                          it has stopped

What is to be known besides.

Exit status:
  0    done
  130  interrupted

Examples:
  gateway status
`;

describe("readHelp", () => {
  it("takes apart what commander prints, and what a program adds", () => {
    expect(readHelp(HELP)).toEqual({
      usage: "[options] [command]",
      description: "Steers a gateway that runs.",
      options: [
        { term: "--config <file>", text: 'configuration file of the daemon (default: "/etc/x.yaml")' },
        { term: "-h, --help", text: "print this help" },
      ],
      arguments: [],
      commands: [
        { term: "status", text: "print the state" },
        { term: "drain [options] <name>", text: "stop a target, and wait until it has stopped" },
      ],
      more: [
        { title: "", lines: ["What is to be known besides."] },
        { title: "Exit status", lines: ["  0    done", "  130  interrupted"] },
        { title: "Examples", lines: ["  gateway status"] },
      ],
    });
  });

  it("reads the help of a command, with its arguments", () => {
    const help = readHelp("Usage: gateway warm [options] <name>\n\nstart it\n\nArguments:\n  name  name of the target\n");
    expect(help).toMatchObject({
      usage: "warm [options] <name>",
      description: "start it",
      arguments: [{ term: "name", text: "name of the target" }],
    });
  });

  it("refuses what is no help", () => {
    expect(() => readHelp("gateway: unknown command")).toThrow('begins with "Usage:"');
  });
});

describe("itemsOf", () => {
  it("takes a term whose text begins in the next line", () => {
    expect(itemsOf(["  --a-very-long-option <value>", "       what it does"])).toEqual([
      { term: "--a-very-long-option <value>", text: "what it does" },
    ]);
  });
});
