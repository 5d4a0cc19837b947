/** Who listens on this machine: /proc/net/tcp and the like, proc(5). */
import { readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import type { AddrPort } from "../value/addr-port.ts";
import { isWildcard } from "../value/addr-port.ts";
import { addressText } from "../value/cidr.ts";
import type { Family, Protocol } from "../value/protocol.ts";

interface Holder {
  readonly pid: number;
  readonly name: string;
}

/** A socket that takes what comes to its address. */
export interface Socket {
  readonly protocol: Protocol;
  readonly at: AddrPort;
  readonly inode: string;
  /** Whose it is; none where that cannot be seen. */
  readonly holders: readonly Holder[];
}

const LISTENING = "0A";
/** A UDP socket that is connected gets its peer's datagrams only. */
const UNCONNECTED = "07";

/** `text`: of /proc/net/tcp, tcp6, udp or udp6. */
export function parseSockets(text: string, protocol: Protocol, family: Family): Socket[] {
  const wanted = protocol === "tcp" ? LISTENING : UNCONNECTED;
  return text.split("\n").flatMap((line) => {
    const [number = "", local = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/);
    const [, hex = "", port = ""] = /^([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$/.exec(local) ?? [];
    if (!/^\d+:$/.test(number) || state !== wanted || hex === "") return [];
    const at: AddrPort = { family, address: addressText(fromWords(hex), family), port: parseInt(port, 16) };
    return [{ protocol, at, inode, holders: [] }];
  });
}

/** Each word of 32 bits is written as this machine has it: the last byte first. */
function fromWords(hex: string): bigint {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) => (word.match(/../g) ?? []).reverse());
  return BigInt(`0x${bytes.join("")}`);
}

/** Whether what comes to `address` comes to a socket on `at`. Of one on [::], that is IPv4 too unless it was told otherwise. */
export function covers(at: AddrPort, address: AddrPort): "yes" | "maybe" | "no" {
  if (at.port !== address.port) return "no";
  if (at.family !== address.family) return at.address === "::" && address.family === "ipv4" ? "maybe" : "no";
  return at.address === address.address || isWildcard(at) || isWildcard(address) ? "yes" : "no";
}

export function holderText({ holders }: Socket): string {
  const [first] = holders;
  return first === undefined ? "another process" : `${first.name} (pid ${first.pid})`;
}

/** Those on `ports`. Without rights, whose they are is known of this user's only. */
export async function readSockets(ports: ReadonlySet<number>, root = "/proc"): Promise<Socket[]> {
  const tables = (["tcp", "udp"] as const).flatMap((protocol) =>
    (
      [
        ["ipv4", ""],
        ["ipv6", "6"],
      ] as const
    ).map(async ([family, suffix]) =>
      parseSockets(await readFile(join(root, "self/net", `${protocol}${suffix}`), "latin1").catch(() => ""), protocol, family),
    ),
  );
  const found = (await Promise.all(tables)).flat().filter(({ at }) => ports.has(at.port));
  if (found.length === 0) return [];
  const holders = await holdersOf(new Set(found.map(({ inode }) => inode)), root);
  return found.map((socket) => ({ ...socket, holders: holders.get(socket.inode) ?? [] }));
}

async function holdersOf(inodes: ReadonlySet<string>, root: string): Promise<ReadonlyMap<string, Holder[]>> {
  const holders = new Map<string, Holder[]>();
  for (const pid of (await readdir(root)).filter((name) => /^\d+$/.test(name))) {
    const descriptors = await readdir(join(root, pid, "fd")).catch((): string[] => []);
    const links = await Promise.all(descriptors.map((each) => readlink(join(root, pid, "fd", each)).catch(() => "")));
    const held = new Set(
      links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []).filter((inode) => inodes.has(inode)),
    );
    if (held.size === 0) continue;
    const name = (await readFile(join(root, pid, "comm"), "utf8").catch(() => "a process")).trim();
    for (const inode of held) holders.set(inode, [...(holders.get(inode) ?? []), { pid: Number(pid), name }]);
  }
  return holders;
}
