import { cborCodec } from "./cbor.ts";
import type { Codec } from "./codec.ts";
import { jsonCodec } from "./json.ts";
import type { CodecName } from "./packet.ts";

export function codecOf(name: CodecName): Codec {
  return name === "json" ? jsonCodec : cborCodec;
}
