/** What others do to the kernel under the daemon's hands. */
import { BROKEN, type Fault } from "./fault.ts";
import type { Stage } from "./stage.ts";
import { chainsOf, deleteElement, elementsOf, readTable, rulesOf } from "./table.ts";

/** The daemon notices within 250 ms; a machine that has much to do may need this. */
const REPAIR_MS = 10_000;
/** Settings are looked after every five seconds. */
const SETTINGS_MS = 20_000;

const REPAIRED: readonly RegExp[] = [/somebody else/, /made it again/];
const QUEUE_RULES = "iptables -t raw -S | grep NFQUEUE || :; ip6tables -t raw -S | grep NFQUEUE || :";

async function state(stage: Stage): Promise<string> {
  const table = await readTable(stage).then(chainsOf, () => "no table");
  return `${table}\n${await stage.gateway(QUEUE_RULES)}`;
}

/** Does it, and waits until the chains, their rules and those of iptables are as they were. */
async function untilWhole(stage: Stage, act: () => Promise<unknown>): Promise<void> {
  const before = await state(stage);
  await act();
  const end = Date.now() + REPAIR_MS;
  while ((await state(stage)) !== before) {
    if (Date.now() > end) throw new Error(`the table was not put right:\n${await state(stage)}\nshould be\n${before}`);
    await stage.pause(0.02);
  }
}

async function deleteRule(stage: Stage): Promise<void> {
  const { chain, handle } = stage.random.pick(rulesOf(await readTable(stage)));
  await stage.gateway(`nft delete rule inet proxygw ${chain} handle ${String(handle)}`);
}

export const KERNEL_FAULTS: readonly Fault[] = [
  {
    name: "nft flush ruleset",
    losesTimeouts: true,
    group: "tables",
    explains: [BROKEN],
    complaints: REPAIRED,
    run: (stage) => untilWhole(stage, () => stage.gateway("nft flush ruleset")),
  },
  {
    name: "table deleted",
    losesTimeouts: true,
    group: "tables",
    explains: [BROKEN],
    complaints: REPAIRED,
    run: (stage) => untilWhole(stage, () => stage.gateway("nft delete table inet proxygw")),
  },
  {
    name: "one rule deleted",
    group: "tables",
    explains: [BROKEN],
    complaints: REPAIRED,
    run: (stage) => untilWhole(stage, () => deleteRule(stage)),
  },
  {
    name: "one element deleted",
    group: "tables",
    explains: [BROKEN],
    complaints: REPAIRED,
    run: async (stage, concerns) => {
      const elements = elementsOf(await readTable(stage));
      const lasting = elements.filter(({ key }) => stage.scenario.isLasting(key));
      const element = stage.random.pick(lasting);
      concerns(...stage.scenario.targetsOf(element.key));
      await deleteElement(stage, element);
      const wanted = JSON.stringify(element);
      const end = Date.now() + REPAIR_MS;
      for (;;) {
        const there = await readTable(stage).then(elementsOf, () => []);
        if (there.some((each) => JSON.stringify(each) === wanted)) return;
        if (Date.now() > end) throw new Error(`an element was not put back: ${wanted}`);
        await stage.pause(0.02);
      }
    },
  },
  {
    name: "iptables -F",
    group: "tables",
    // what should wait is not kept from going on
    explains: [BROKEN],
    complaints: REPAIRED,
    run: (stage) => untilWhole(stage, () => stage.gateway("iptables -t raw -F; ip6tables -t raw -F")),
  },
  {
    name: "conntrack -F",
    group: "system",
    // flows that exist lose their translation; nobody who comes later does
    explains: [{ results: ["reset", "eof", "timeout", "late"] }, { results: ["refused"], protocol: "udp" }],
    complaints: [],
    run: async (stage) => {
      await stage.gateway("conntrack -F 2>&1");
    },
  },
  {
    name: "a setting put back",
    group: "tables",
    explains: [BROKEN],
    complaints: REPAIRED,
    run: async (stage) => {
      const setting = "/proc/sys/net/ipv4/conf/all/route_localnet";
      await stage.gateway(`echo 0 > ${setting}`);
      await stage.repaired("the setting", `[ "$(cat ${setting})" = 1 ]`, SETTINGS_MS);
    },
  },
  {
    name: "an interface comes and goes",
    group: "system",
    explains: [],
    complaints: [],
    run: async (stage) => {
      await stage.gateway(
        "ip link add soak0 type veth peer name soak1; ip addr add 10.77.9.1/24 dev soak0; ip link set soak0 up",
      );
      await stage.pause(0.5);
      await stage.gateway("ip link del soak0");
    },
  },
];
