import type { Codec } from "../../pkg/ctl/codec.ts";
import { describeMethod, Method, responseTo } from "../../pkg/ctl/method.ts";
import { idOf, parsePacket, type RawPacket } from "../../pkg/ctl/packet.ts";
import { Fault, hasCode, messageOf } from "../../pkg/fault/fault.ts";
import type { EngineApi } from "../../pkg/plugin/plugin.ts";

const REASON = "asked for over the control socket";

/** Does what was asked for; the result, if any, is the body of the response. */
type Request = (engine: EngineApi, body: unknown) => unknown;

const REQUESTS: ReadonlyMap<number, Request> = new Map<number, Request>([
  [Method.empty, () => ({})],
  [Method.statusRequest, (engine) => engine.status()],
  [Method.warmTargetRequest, (engine, body) => engine.warmTarget(nameIn(body), REASON)],
  [Method.drainTargetRequest, (engine, body) => engine.drainTarget(nameIn(body), REASON, forceIn(body))],
  [Method.startFrontendRequest, (engine, body) => engine.startFrontend(nameIn(body))],
  [Method.stopFrontendRequest, (engine, body) => engine.stopFrontend(nameIn(body))],
  [Method.reloadRequest, (engine) => engine.reload()],
]);

/** Does what a packet asks for and returns the encoded response. Never rejects: what fails becomes an error response. */
export async function answer(engine: EngineApi, codec: Codec, raw: RawPacket): Promise<Uint8Array> {
  try {
    const { id, method, body } = parsePacket(raw);
    const request = REQUESTS.get(method);
    if (request === undefined) {
      throw new Fault("CTL_METHOD_UNSUPPORTED", `${describeMethod(method)} is not supported here`);
    }
    return codec.encode({ id, method: responseTo(method), body: (await request(engine, body)) ?? {} });
  } catch (error) {
    return errorResponse(codec, idOf(raw), error);
  }
}

export function errorResponse(codec: Codec, id: number, error: unknown): Uint8Array {
  // that a file is wrong is for programs to know: everything else is for people
  const code = hasCode(error, "CONFIG_INVALID") ? { code: "CONFIG_INVALID" } : {};
  return codec.encode({ id, method: Method.error, body: { msg: messageOf(error), ...code } });
}

function nameIn(body: unknown): string {
  const name = typeof body === "object" && body !== null && Object.hasOwn(body, "name") ? (body as { name: unknown }).name : "";
  if (typeof name !== "string" || name === "") {
    throw new Fault("CTL_BODY_INVALID", 'the body must be a map with a "name" that is a text');
  }
  return name;
}

/** Optional; anything but true is false. */
function forceIn(body: unknown): boolean {
  return typeof body === "object" && body !== null && Object.hasOwn(body, "force") && (body as { force: unknown }).force === true;
}
