/** docs/tutorial.md, from its first command to its last, on the gateway and the client of a topology. */
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { paced } from "../../pace.ts";
import { until } from "../daemon.ts";
import { type Running, Topology } from "../topology.ts";
import { machineDirectory, onMachine } from "./example.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const DAEMON = "sudo proxygw --config configs/examples/tutorial.yaml";

/** A block of the tutorial: a command and what it prints, or the lines that the daemon prints meanwhile. */
interface Step {
  readonly host: "gateway" | "client" | "daemon";
  readonly command: string;
  readonly shown: readonly string[];
}

async function steps(): Promise<Step[]> {
  const text = await readFile(join(ROOT, "docs/tutorial.md"), "utf8");
  const blocks = [...text.matchAll(/^```console\n(.*?)^```/gms)].map(([, block = ""]) => block.trimEnd().split("\n"));
  const found: { host: Step["host"]; command: string; shown: string[] }[] = [];
  for (const line of blocks.flat()) {
    const [, host, command = ""] = /^(gateway|client)\$ (.*)$/.exec(line) ?? [];
    if (line === "daemon's terminal") found.push({ host: "daemon", command: "", shown: [] });
    else if (host === "gateway" || host === "client") found.push({ host, command, shown: [] });
    else found.at(-1)?.shown.push(line);
  }
  return found;
}

/** What is shown as a pattern: `…` is anything, and so is the version. */
function pattern(line: string): string {
  return line
    .replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")
    .replaceAll("…", ".*")
    .replaceAll(/version=\S+/g, "version=\\S+");
}

/** Whether each line that is shown is there; which comes first may be a matter of milliseconds. */
function prints(shown: readonly string[], text: string): boolean {
  return shown.every((line) => new RegExp(`^${pattern(line)}$`, "m").test(text));
}

describe("the tutorial", () => {
  it(
    "prints what it shows, command for command",
    async () => {
      await using topology = await Topology.create();
      const directory = await machineDirectory({ "bin/sudo": '#!/bin/sh\nexec "$@"\n' });
      const built = `ln -s ${ROOT}/build/proxygw ${ROOT}/build/proxygwctl "$DIR/bin/"\nln -s ${ROOT}/configs "$DIR/configs"\ncd "$DIR"`;
      // the machine, for as long as the test; commands are run on it
      const machine = topology.start("gateway", ...onMachine(directory, `${built}\ntouch "$DIR/up"\nexec sleep 600`));
      await until(
        "the machine is there",
        async () => (await topology.run("gateway", "test", "-e", join(directory, "up"))).exitCode === 0,
      );
      const onGateway = (command: string): [string, string[]] => [
        "nsenter",
        [
          "--mount",
          "--target",
          String(machine.pid),
          "sh",
          "-c",
          `PATH=${directory}/bin:$PATH:/usr/sbin; cd ${directory}; ${command}`,
        ],
      ];
      const log = (): Promise<string> => readFile(join(directory, "log"), "utf8").catch(() => "");

      let daemon: Running | undefined;
      let read = 0;
      const ended: string[] = [];
      for (const { host, command, shown } of await steps()) {
        if (command === DAEMON) {
          daemon = topology.start("gateway", ...onGateway(`exec ${command} 2>log`));
          await until(`the daemon prints ${shown.join("\n")}`, async () => prints(shown, await log()));
          read = (await log()).length;
        } else if (host === "daemon") {
          await until(`the daemon prints ${shown.join("\n")}`, async () => prints(shown, (await log()).slice(read)));
        } else {
          if (command === "sudo nft list tables") {
            // Ctrl-C
            daemon?.kill("SIGINT");
            expect((await daemon?.ended)?.exitCode).toBe(0);
          }
          const arguments_ = host === "client" ? (["sh", ["-c", command]] as const) : onGateway(command);
          const { stdout, stderr } = await topology.run(host, arguments_[0], ...arguments_[1]);
          expect(stderr, command).toBe("");
          expect(stdout, command).toMatch(new RegExp(`^${shown.map(pattern).join("\n")}$`));
          ended.push(command);
        }
      }
      expect(ended).toHaveLength(10);
    },
    paced(60_000),
  );
});
