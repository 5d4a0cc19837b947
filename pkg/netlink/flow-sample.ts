import { parseAddrPort } from "../value/addr-port.ts";
import { TYPE_FLOW } from "./flow-message.ts";
import { attributeBytes, be16, be32, MessageWriter } from "./message.ts";

/** For tests: one direction of a TCP connection, as the kernel tells of it. */
export function tupleSample(source: string, destination: string): number[] {
  const [from, to] = [parseAddrPort(source), parseAddrPort(destination)];
  const bytes = (address: string): number[] => address.split(".").map(Number);
  const port = (type: number, value: number): number[] => attributeBytes(type, be16(value));
  return [
    ...attributeBytes(1, [...attributeBytes(1, bytes(from.address)), ...attributeBytes(2, bytes(to.address))]),
    ...attributeBytes(2, [...attributeBytes(1, [6]), ...port(2, from.port), ...port(3, to.port)]),
  ];
}

/** For tests: a connection of 192.0.2.1 to 192.0.2.9:8080, which goes to 10.0.0.2:80, by its client's port. */
export function flowSample(sequence: number, port: number): Buffer {
  const writer = new MessageWriter(Buffer.alloc(512));
  writer.begin(TYPE_FLOW, 2, sequence);
  writer.fixed([2, 0, 0, 0]);
  writer.attribute(1, tupleSample(`192.0.2.1:${port}`, "192.0.2.9:8080"));
  writer.attribute(2, tupleSample("10.0.0.2:80", `192.0.2.1:${port}`));
  writer.attribute(4, attributeBytes(1, attributeBytes(1, [3])));
  writer.attribute(7, be32(299));
  writer.attribute(12, be32(port));
  return Buffer.from(writer.written);
}
