import { readFile } from "node:fs/promises";
import { Fault } from "../fault/fault.ts";
import type { ToolRunner } from "../process/process.ts";
import { parseIptablesSave } from "./iptables-rules.ts";
import { parseNftRuleset, tablesOfIptables } from "./nft-rules.ts";
import type { Chain } from "./rules.ts";

/** One line for each table of legacy iptables that is loaded; proc(5) does not know them, ip_tables.c does. */
const LEGACY = [
  { family: "ip", file: "/proc/self/net/ip_tables_names", program: "iptables-legacy-save" },
  { family: "ip6", file: "/proc/self/net/ip6_tables_names", program: "ip6tables-legacy-save" },
] as const;

export interface Rules {
  readonly chains: readonly Chain[];
  /** Families whose legacy tables have rules or policies. */
  readonly legacy: readonly string[];
}

/** Everybody's rules but those of the table `own`. Changes nothing. @throws Fault TOOL_…, RULES_UNREADABLE */
export async function collectRules(tools: ToolRunner, own: string): Promise<Rules> {
  const { exitCode, stdout, stderr } = await tools.run("nft", ["-j", "list", "ruleset"]);
  if (exitCode !== 0)
    throw new Fault("RULES_UNREADABLE", `nft could not list the rules of other tables: ${stderr.trim().split("\n")[0] ?? ""}`);
  const chains = parseNftRuleset(stdout).filter(({ family, table }) => family !== "inet" || table !== own);
  const replaced = await tablesShownByIptables(tools, tablesOfIptables(stdout));
  const isReplaced = ({ family, table }: Chain): boolean =>
    replaced.some((each) => each.family === family && each.table === table);
  const legacy = await legacyChains(tools);
  return {
    chains: [...chains.filter((each) => !isReplaced(each)), ...replaced, ...legacy],
    legacy: [...new Set(legacy.filter(isUsed).map(({ family }) => family))],
  };
}

/** nft does not show what iptables' own extensions do; iptables does. Where it is missing, nft's word is all there is. */
async function tablesShownByIptables(tools: ToolRunner, wanted: ReadonlySet<string>): Promise<Chain[]> {
  const chains: Chain[] = [];
  for (const family of ["ip", "ip6"] as const) {
    if (![...wanted].some((each) => each.startsWith(`${family} `))) continue;
    const text = await saved(tools, family === "ip" ? "iptables-nft-save" : "ip6tables-nft-save");
    const of = parseIptablesSave(text, { family, legacy: false });
    chains.push(...of.filter(({ table }) => wanted.has(`${family} ${table}`)));
  }
  return chains;
}

/** Asked only where there are any: the program would load the modules. */
async function legacyChains(tools: ToolRunner): Promise<Chain[]> {
  const chains: Chain[] = [];
  for (const { family, file, program } of LEGACY) {
    const names = await readFile(file, "latin1").catch(() => "");
    if (names.trim() === "") continue;
    chains.push(...parseIptablesSave(await saved(tools, program), { family, legacy: true }));
  }
  return chains;
}

async function saved(tools: ToolRunner, program: string): Promise<string> {
  const result = await tools.run(program, []).catch(() => undefined);
  return result?.exitCode === 0 ? result.stdout : "";
}

function isUsed({ base, rules }: Chain): boolean {
  return rules.length > 0 || base?.policy === "drop";
}
