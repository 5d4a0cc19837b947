/** What targets, frontends and the dataplane tell, as events. */
import { messageOf } from "../fault/fault.ts";
import type { TransactionListener } from "../dataplane/dataplane.ts";
import type { FrontendListener } from "../frontend/frontend.ts";
import type { MoveFields, MoveListener } from "../state/state-machine.ts";
import type { TargetState } from "../target/state.ts";
import { formatAddrPort } from "../value/addr-port.ts";
import type { Events } from "./events.ts";

export function targetListener(events: Events, target: string): MoveListener<TargetState> {
  return (from, to, fields) => {
    events.emit(() => ({ type: "target_state", target, from, to, ...defined(fields) }));
  };
}

export function frontendListener(events: Events, frontend: string, target: string): FrontendListener {
  return {
    moved: (from, to, { reason, error }) => {
      events.emit(() => ({ type: "frontend_state", frontend, target, from, to, ...defined({ reason, error }) }));
    },
    held: (source) => {
      events.emit(() => ({ type: "hold", frontend, target, source }));
    },
    released: (address, outcome, heldMs) => {
      events.emit(() => {
        const source = formatAddrPort(address);
        return { type: "release", frontend, target, source, outcome, held_ms: Math.round(heldMs) };
      });
    },
    refused: (gate, packets) => {
      events.emit(() => ({ type: "refusal", frontend, target, gate, packets }));
    },
  };
}

export function transactionListener(events: Events): TransactionListener {
  return (tookMs, error) => {
    events.emit(() => ({
      type: "transaction",
      took_ms: Math.round(tookMs * 10) / 10,
      ...(error === undefined ? {} : { error: messageOf(error) }),
    }));
  };
}

type Defined = { readonly [Name in keyof MoveFields]?: NonNullable<MoveFields[Name]> };

function defined(fields: { readonly [Name in keyof MoveFields]?: MoveFields[Name] | undefined }): Defined {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
