import assert from "node:assert/strict";
import { SocketAddress } from "node:net";
import fc from "fast-check";
import { describe } from "vitest";
import { fuzz } from "../../test/fuzz/fuzz.ts";
import { mutatedBytes } from "../../test/fuzz/mutation.ts";
import { ipv6Text } from "./address-text.ts";
import { be16, be32 } from "./message.ts";
import { type FlowPacket, parsePacket } from "./packet.ts";

/** What a packet is made from. */
interface Parts {
  readonly isTCP: boolean;
  readonly source: readonly number[];
  readonly destination: readonly number[];
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly flags: number;
  /** Bytes of IPv4 options, in words. */
  readonly options: number;
  readonly extensions: readonly (readonly [protocol: number, length: number])[];
  /** A fragment, not the first if it begins behind the transport header. */
  readonly fragment: "no" | "first" | "later";
  readonly payload: number;
  /** The length field holds 0: too long for it. */
  readonly jumbo: boolean;
}

const address = (groups: number): fc.Arbitrary<number[]> =>
  fc
    .array(fc.oneof(fc.constantFrom(0, 0, 1, 0xffff), fc.nat(0xffff)), { minLength: groups, maxLength: groups })
    .map((all) => all.flatMap(be16));
const parts = (groups: number): fc.Arbitrary<Parts> =>
  fc.record({
    isTCP: fc.boolean(),
    source: address(groups),
    destination: address(groups),
    sourcePort: fc.nat(0xffff),
    destinationPort: fc.nat(0xffff),
    flags: fc.nat(255),
    options: fc.nat(10),
    // hop by hop, routing, authentication, destination options; the fragment header is made separately
    extensions: fc.array(fc.tuple(fc.constantFrom(0, 43, 51, 60), fc.nat(3)), { maxLength: 7 }),
    fragment: fc.constantFrom("no", "no", "first", "later"),
    payload: fc.nat(8),
    jumbo: fc.boolean(),
  });

function transport({ isTCP, sourcePort, destinationPort, flags, payload }: Parts): number[] {
  const ports = [...be16(sourcePort), ...be16(destinationPort)];
  const rest = isTCP ? [...be32(1), ...be32(0), 0x50, flags, 0xfa, 0xf0, 0, 0, 0, 0] : [0, 8 + payload, 0, 0];
  return [...ports, ...rest, ...Array<number>(payload).fill(0xaa)];
}

function ipv4(each: Parts): Buffer {
  const header = 20 + each.options * 4;
  const content = transport(each);
  const fragment = { no: 0x4000, first: 0x2000, later: 0x2003 }[each.fragment];
  return Buffer.from([
    ...[0x40 | (header / 4), 0, ...be16(each.jumbo ? 0 : header + content.length), 0x1c, 0x46, ...be16(fragment), 64],
    ...[each.isTCP ? 6 : 17, 0, 0, ...each.source, ...each.destination, ...Array<number>(each.options * 4).fill(1), ...content],
  ]);
}

function ipv6(each: Parts): Buffer {
  let content = transport(each);
  let next = each.isTCP ? 6 : 17;
  if (each.fragment !== "no") {
    content = [next, 0, ...be16(each.fragment === "first" ? 1 : 9), ...be32(7), ...content];
    next = 44;
  }
  for (const [protocol, length] of each.extensions) {
    // an authentication header counts words less two, the others eight bytes less one
    const bytes = protocol === 51 ? (length + 2) * 4 : (length + 1) * 8;
    content = [next, length, ...Array<number>(bytes - 2).fill(0), ...content];
    next = protocol;
  }
  const length = each.jumbo ? 0 : content.length;
  return Buffer.from([0x60, 0, 0, 0, ...be16(length), next, 64, ...each.source, ...each.destination, ...content]);
}

function text(bytes: readonly number[]): string {
  if (bytes.length === 4) return bytes.join(".");
  return new SocketAddress({ address: groupsOf(bytes), family: "ipv6" }).address;
}

function groupsOf(bytes: readonly number[]): string {
  return Array.from({ length: 8 }, (_, at) => ((bytes[2 * at] ?? 0) * 256 + (bytes[2 * at + 1] ?? 0)).toString(16)).join(":");
}

function flowOf(each: Parts): FlowPacket {
  const family = each.source.length === 4 ? "ipv4" : "ipv6";
  const source = { family, address: text(each.source), port: each.sourcePort } as const;
  const destination = { family, address: text(each.destination), port: each.destinationPort } as const;
  const flag = (bit: number): boolean => each.isTCP && (each.flags & bit) !== 0;
  const protocol = each.isTCP ? "tcp" : "udp";
  return {
    ...{ family, protocol, source, destination, syn: flag(2), ack: flag(16), rst: flag(4), fin: flag(1) },
    flowKey: `${protocol} ${source.address} ${source.port} ${destination.address} ${destination.port}`,
  };
}

/** Its headers are read as they were made; and of less than all of its headers nothing else is read. */
function checkMade(each: Parts, data: Buffer, cut: number): void {
  const whole = parsePacket(data);
  if (each.fragment === "later") assert.deepEqual(whole, { flaw: "fragment" });
  else assert.deepEqual(whole, { packet: flowOf(each) });
  const headers = data.length - (each.fragment === "later" ? transport(each).length : each.payload);
  const part = parsePacket(data.subarray(0, cut % data.length));
  if (cut % data.length >= headers) assert.deepEqual(part, whole);
  else if (part.packet !== undefined) assert.fail("a packet without all of its headers");
  // an IPv4 fragment is known as such by its first header already
  else assert.ok(part.flaw === "truncated" || part.flaw === whole.flaw);
}

const EXAMPLES: readonly Parts[] = [false, true].map((isTCP) => ({
  ...{ isTCP, source: [192, 0, 2, 1], destination: [198, 51, 100, 2], sourcePort: 40_000, destinationPort: 80, flags: 2 },
  ...{ options: 1, extensions: [], fragment: "no", payload: 4, jumbo: false },
}));
const SIXES: readonly Parts[] = EXAMPLES.map((each) => ({
  ...each,
  ...{ source: [0x20, 1, 0xd, 0xb8, ...Array<number>(12).fill(0)], destination: [...Array<number>(15).fill(0), 1] },
  ...{
    fragment: "first",
    extensions: [
      [0, 0],
      [60, 1],
      [51, 2],
    ],
  },
}));

describe("parsePacket", () => {
  fuzz("reads what an IPv4 packet was made from", fc.tuple(parts(2), fc.nat(200)), ([each, cut]) => {
    checkMade(each, ipv4(each), cut);
  });

  fuzz("reads what an IPv6 packet was made from", fc.tuple(parts(8), fc.nat(400)), ([each, cut]) => {
    checkMade(each, ipv6(each), cut);
  });

  const damaged = mutatedBytes([...EXAMPLES.map(ipv4), ...SIXES.map(ipv6)], 6);
  fuzz("finds a flow or a flaw in any bytes, and reads no others", damaged, (bytes) => {
    const around = Buffer.concat([Buffer.alloc(8, 0x45), bytes, Buffer.alloc(80, 0x11)]);
    const found = parsePacket(around.subarray(8, 8 + bytes.length));
    assert.deepEqual(parsePacket(bytes), found);
    assert.ok((found.packet === undefined) !== (found.flaw === undefined));
    for (const port of [found.packet?.source.port ?? 0, found.packet?.destination.port ?? 0])
      assert.ok(port >= 0 && port <= 0xffff);
  });

  const few = fc.record({ isTCP: fc.boolean(), hosts: fc.tuple(fc.nat(2), fc.nat(2)), ports: fc.tuple(fc.nat(2), fc.nat(2)) });
  fuzz("has one key for each flow and direction", fc.tuple(few, few), (pair) => {
    const [first, second] = pair.map(({ isTCP, hosts, ports }) => {
      const example = EXAMPLES[isTCP ? 1 : 0];
      assert.ok(example !== undefined);
      const [source, destination] = hosts.map((host) => [192, 0, 2, [1, 11, 111][host] ?? 0]);
      const [sourcePort = 0, destinationPort = 0] = ports.map((port) => [1, 11, 111][port] ?? 0);
      const made = { ...example, source: source ?? [], destination: destination ?? [], sourcePort, destinationPort };
      return parsePacket(ipv4(made)).packet?.flowKey;
    });
    assert.ok(first !== undefined);
    assert.equal(first === second, JSON.stringify(pair[0]) === JSON.stringify(pair[1]));
  });
});

fuzz("ipv6Text writes what the platform does, which configured addresses are in", address(8), (bytes) => {
  assert.equal(ipv6Text(Buffer.from(bytes), 0), text(bytes));
});
