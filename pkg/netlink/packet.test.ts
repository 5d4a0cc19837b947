import { describe, expect, it } from "vitest";
import { type FlowPacket, parsePacket } from "./packet.ts";

/** From 192.0.2.1 to 198.51.100.2 and from 2001:db8::1 to 2001:db8::2; TTTT is a length, PP the protocol that follows. */
const IPV4 = "45" + "00" + "TTTT" + "1c46" + "4000" + "40" + "PP" + "0000" + "c0000201" + "c6336402";
const IPV6 = "60000000" + "TTTT" + "PP" + "40" + "20010db8000000000000000000000001" + "20010db8000000000000000000000002";
/** A SYN of Linux with its usual options, port 40000 to 80. */
const TCP_SYN =
  "9c40" +
  "0050" +
  "00000001" +
  "00000000" +
  "a002" +
  "faf0" +
  "0000" +
  "0000" +
  "020405b4" +
  "0402080a00000000" +
  "00000000" +
  "01030307";
/** Four bytes, port 40000 to 53. */
const UDP = "9c40" + "0035" + "000c" + "0000" + "deadbeef";

function hex(text: string): Buffer {
  return Buffer.from(text, "hex");
}

function ipv4(protocol: number, content: string, header = IPV4): Buffer {
  const total = (header.length + content.length) / 2;
  return hex(header.replace("TTTT", total.toString(16).padStart(4, "0")).replace("PP", byte(protocol)) + content);
}

function ipv6(protocol: number, content: string): Buffer {
  const length = (content.length / 2).toString(16).padStart(4, "0");
  return hex(IPV6.replace("TTTT", length).replace("PP", byte(protocol)) + content);
}

function byte(value: number): string {
  return value.toString(16).padStart(2, "0");
}

function flow(data: Buffer): FlowPacket {
  const { packet, flaw } = parsePacket(data);
  if (packet === undefined) throw new Error(`not a flow: ${flaw}`);
  return packet;
}

describe("parsePacket", () => {
  it("reads a SYN over IPv4", () => {
    expect(flow(ipv4(6, TCP_SYN))).toEqual({
      family: "ipv4",
      protocol: "tcp",
      source: { family: "ipv4", address: "192.0.2.1", port: 40_000 },
      destination: { family: "ipv4", address: "198.51.100.2", port: 80 },
      syn: true,
      ack: false,
      rst: false,
      fin: false,
      flowKey: "tcp 192.0.2.1 40000 198.51.100.2 80",
    });
  });

  it("reads a datagram over IPv6", () => {
    expect(flow(ipv6(17, UDP))).toEqual({
      family: "ipv6",
      protocol: "udp",
      source: { family: "ipv6", address: "2001:db8::1", port: 40_000 },
      destination: { family: "ipv6", address: "2001:db8::2", port: 53 },
      syn: false,
      ack: false,
      rst: false,
      fin: false,
      flowKey: "udp 2001:db8::1 40000 2001:db8::2 53",
    });
  });

  it.each([
    ["5002", ["syn"]],
    ["5012", ["syn", "ack"]],
    ["5004", ["rst"]],
    ["5011", ["fin", "ack"]],
    ["50e8", []],
  ])("reads the flags of %s", (flags, expected) => {
    const packet = flow(ipv4(6, TCP_SYN.replace("a002", flags)));
    expect((["syn", "ack", "rst", "fin"] as const).filter((flag) => packet[flag]).sort()).toEqual([...expected].sort());
  });

  it("passes over IPv4 options", () => {
    const header = IPV4.replace("45", "48") + "94040000" + "0101010101010100";
    expect(flow(ipv4(17, UDP, header)).destination.port).toBe(53);
  });

  it("reads the first of several fragments", () => {
    expect(flow(ipv4(17, UDP, IPV4.replace("1c464000", "1c462000"))).destination.port).toBe(53);
    expect(flow(ipv6(44, "11000001" + "00000007" + UDP)).destination.port).toBe(53);
  });

  it("passes over IPv6 extension headers", () => {
    const hopByHop = "3c00" + "050200000100";
    const destination = "2b00" + "010400000000";
    const routing = "2c02" + "04000000".padEnd(44, "0");
    const fragment = "33000000" + "00000007";
    const authentication = "1104" + "0".repeat(44);
    const headers = hopByHop + destination + routing + fragment + authentication;
    expect(flow(ipv6(0, headers + UDP)).flowKey).toBe("udp 2001:db8::1 40000 2001:db8::2 53");
  });

  it("reads a packet too long for its length field", () => {
    const large4 = ipv4(6, TCP_SYN);
    large4.writeUInt16BE(0, 2);
    const large6 = ipv6(6, TCP_SYN);
    large6.writeUInt16BE(0, 4);
    expect(flow(large4).syn && flow(large6).syn).toBe(true);
  });

  it("reads a packet of which only the headers were copied", () => {
    const data = ipv4(17, UDP.slice(0, 16));
    data.writeUInt16BE(1500, 2);
    expect(flow(data).source.port).toBe(40_000);
  });

  it.each([
    ["nothing", Buffer.alloc(0), "truncated"],
    ["version 5", hex("55" + "00".repeat(40)), "not-ip"],
    ["half an IPv4 header", ipv4(6, TCP_SYN).subarray(0, 19), "truncated"],
    ["an IPv4 header shorter than one", ipv4(6, TCP_SYN, IPV4.replace("45", "44")), "bad-header"],
    ["an IPv4 packet shorter than its header", hex(IPV4.replace("TTTT", "0013").replace("PP", "06") + TCP_SYN), "bad-header"],
    ["IPv4 options that take up the whole packet", ipv4(17, UDP, IPV4.replace("45", "48")), "truncated"],
    ["an IPv4 packet that ends before its ports", hex(IPV4.replace("TTTT", "0018").replace("PP", "11") + UDP), "truncated"],
    ["a later IPv4 fragment", ipv4(17, UDP, IPV4.replace("1c464000", "1c460003")), "fragment"],
    ["ICMP", ipv4(1, UDP), "protocol"],
    ["half a TCP header", ipv4(6, TCP_SYN.slice(0, 38)), "truncated"],
    ["a TCP header shorter than one", ipv4(6, TCP_SYN.replace("a002", "4002")), "bad-header"],
    ["half a UDP header", ipv4(17, UDP.slice(0, 14)), "truncated"],
    ["half an IPv6 header", ipv6(6, TCP_SYN).subarray(0, 39), "truncated"],
    ["a later IPv6 fragment", ipv6(44, "1100000800000007" + UDP), "fragment"],
    ["half an extension header", ipv6(0, "11000502"), "truncated"],
    ["an extension header that reaches beyond the packet", ipv6(0, "11ff" + "0".repeat(12) + UDP), "truncated"],
    ["nothing behind an extension header", ipv6(0, "3b00" + "0".repeat(12)), "protocol"],
    ["a long chain of extension headers", ipv6(0, ("0000" + "0".repeat(12)).repeat(20) + UDP), "extensions"],
  ])("finds no flow in %s", (_, data, flaw) => {
    expect(parsePacket(data)).toEqual({ flaw });
  });
});
