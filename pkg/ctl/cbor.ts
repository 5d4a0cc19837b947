// the entry point that never looks for the native add-on cbor-extract
import { Encoder } from "cbor-x/encode";
import { decodeCbor } from "./cbor-decode.ts";
import { CborScanner } from "./cbor-scanner.ts";
import type { Codec, Scanner } from "./codec.ts";
import type { Packet, RawPacket } from "./packet.ts";

const encoder = new Encoder({ useRecords: false, variableMapSize: true, tagUint8Array: false });

/** A CBOR sequence (RFC 8742) of maps with text keys. */
export const cborCodec: Codec = {
  name: "cbor",

  encode(packet: Packet): Uint8Array {
    return encoder.encode(packet);
  },

  decode(bytes: Uint8Array): RawPacket {
    // begins with a map, as the scanner has seen
    return decodeCbor(bytes) as RawPacket;
  },

  scanner: (limit: number): Scanner => new CborScanner(limit),
};
