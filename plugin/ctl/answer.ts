import type { Codec } from "../../pkg/ctl/codec.ts";
import { describeMethod, Method, responseTo } from "../../pkg/ctl/method.ts";
import { idOf, parsePacket, type RawPacket } from "../../pkg/ctl/packet.ts";
import { Fault, messageOf } from "../../pkg/fault/fault.ts";
import type { EngineApi, EventType } from "../../pkg/plugin/plugin.ts";
import { eventsIn, flowsTargetIn, forceIn, nameIn, statusQueryIn } from "./body.ts";

const REASON = "asked for over the control socket";

/** Takes what a request subscribes to: in force once the response is on its way. */
type Subscribe = (events: ReadonlySet<EventType>) => void;

/** Does what was asked for; the result, if any, is the body of the response. */
type Request = (engine: EngineApi, body: unknown, subscribe: Subscribe) => unknown;

const REQUESTS: ReadonlyMap<number, Request> = new Map<number, Request>([
  [Method.empty, () => ({})],
  [Method.statusRequest, (engine, body) => engine.status(statusQueryIn(body))],
  [Method.warmTargetRequest, (engine, body) => engine.warmTarget(nameIn(body), REASON)],
  [Method.drainTargetRequest, (engine, body) => engine.drainTarget(nameIn(body), REASON, forceIn(body))],
  [Method.startFrontendRequest, (engine, body) => engine.startFrontend(nameIn(body))],
  [Method.stopFrontendRequest, (engine, body) => engine.stopFrontend(nameIn(body))],
  [Method.reloadRequest, (engine) => engine.reload()],
  [Method.flowsRequest, async (engine, body) => ({ flows: await engine.flows(flowsTargetIn(body)) })],
  [
    Method.subscribeRequest,
    (_engine, body, subscribe) => {
      subscribe(eventsIn(body));
    },
  ],
]);

/** What programs may want to tell apart; all other errors are for people. */
const CODES: ReadonlySet<string> = new Set(["CONFIG_INVALID", "TARGET_UNKNOWN", "FRONTEND_UNKNOWN", "CTL_METHOD_UNSUPPORTED"]);

/** Does what a packet asks for and returns the encoded response. Never rejects: what fails becomes an error response. */
export async function answer(engine: EngineApi, codec: Codec, raw: RawPacket, subscribe: Subscribe): Promise<Uint8Array> {
  try {
    const { id, method, body } = parsePacket(raw);
    const request = REQUESTS.get(method);
    if (request === undefined) {
      throw new Fault("CTL_METHOD_UNSUPPORTED", `${describeMethod(method)} is not supported here`);
    }
    return codec.encode({ id, method: responseTo(method), body: (await request(engine, body, subscribe)) ?? {} });
  } catch (error) {
    return errorResponse(codec, idOf(raw), error);
  }
}

export function errorResponse(codec: Codec, id: number, error: unknown): Uint8Array {
  const code = typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
  const isKnown = typeof code === "string" && CODES.has(code);
  return codec.encode({ id, method: Method.error, body: { msg: messageOf(error), ...(isKnown ? { code } : {}) } });
}
