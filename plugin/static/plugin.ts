/**
 * Plugin static: targets that are a command or nothing, frontends that are always on, start it
 * for their first client, or serve a page meanwhile.
 *
 * Owns its commands' processes and its pages' sockets. Must not keep state of targets or frontends beyond that: it tells,
 * and does as told.
 */
import type { Plugin } from "../../pkg/plugin/plugin.ts";
import { ALWAYS_KIND } from "./always-frontend.ts";
import { CMD_KIND } from "./cmd-target.ts";
import { HTTP_KIND } from "./http-frontend.ts";
import { NONE_KIND } from "./none-target.ts";
import { ON_DEMAND_KIND } from "./on-demand-frontend.ts";

export default {
  source: "static",
  targets: { cmd: CMD_KIND, none: NONE_KIND },
  frontends: { always: ALWAYS_KIND, http: HTTP_KIND, "on-demand": ON_DEMAND_KIND },
} satisfies Plugin;
