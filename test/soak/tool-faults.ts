/** The daemon's own means: the programs that it runs, its disk. */
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { until } from "../e2e/daemon.ts";
import { type Fault, LATE } from "./fault.ts";
import type { Explanation } from "./ledger.ts";
import type { Stage } from "./stage.ts";

/** An nft that hangs is killed after 10 s, and run once more. */
const HANG_S = 12;

/** What can't be started is refused, or cut if it was let go before the start had failed; what is active goes on. */
const NO_START: readonly Explanation[] = [{ results: ["refused", "reset", "eof", "timeout", "late"], cold: true }];
const NFT: readonly RegExp[] = [/nft/];

async function during(stage: Stage, seconds: number, begin: () => Promise<() => Promise<void>>): Promise<void> {
  const end = await begin();
  await stage.pause(seconds);
  await end();
}

/** The next run that matches hangs; resolves when that is over. */
async function hang(stage: Stage, pattern: string): Promise<void> {
  const end = await stage.tools.fault("nft", "hang", pattern, 1);
  const isTaken = async (): Promise<boolean> =>
    !(await readdir(stage.tools.directory)).some((name) => name.startsWith("nft.fate."));
  await until("nft is run", isTaken).finally(end);
  await stage.pause(HANG_S);
}

export const TOOL_FAULTS: readonly Fault[] = [
  {
    name: "nft fails for 1 s",
    group: "alone",
    failsTargets: true,
    explains: NO_START,
    complaints: NFT,
    run: (stage) => during(stage, 1, () => stage.tools.fault("nft", "fail")),
  },
  {
    name: "nft hangs once",
    group: "alone",
    explains: [LATE],
    complaints: NFT,
    run: (stage) => hang(stage, "element"),
  },
  {
    name: "nft is killed before its work, three times",
    group: "alone",
    failsTargets: true,
    explains: NO_START,
    complaints: NFT,
    run: (stage) => during(stage, 2, () => stage.tools.fault("nft", "kill before", "-f -", 3)),
  },
  {
    name: "nft is killed after its work, three times",
    group: "alone",
    failsTargets: true,
    explains: NO_START,
    complaints: NFT,
    run: (stage) => during(stage, 2, () => stage.tools.fault("nft", "kill after", "-f -", 3)),
  },
  {
    name: "no room on the disk for 2 s",
    group: "alone",
    explains: [],
    complaints: [/log lines were lost/, /output/, /could not write down/, /ENOSPC/],
    run: async (stage) => {
      const disk = join(stage.daemon.directory, "disk");
      await during(stage, 2, async () => {
        await writeFile(join(disk, "ballast"), Buffer.alloc(256 * 1024 * 1024)).catch(() => undefined);
        return () => rm(join(disk, "ballast"));
      });
      // what could not be written down is tried again every five seconds; without it, a crash would leave the service to itself
      await stage.pause(6);
    },
  },
];
