// Generated from plugin.yaml by cmd/generate: do not edit. After a change of plugin.yaml: make generate
import type { Registration } from "../../pkg/plugin/registry.ts";
import plugin0 from "../../plugin/static/plugin.ts";
import plugin1 from "../../plugin/ctl/plugin.ts";

export const registrations: Registration[] = [
  { source: "static", namespace: "static", plugin: plugin0 },
  { source: "ctl", namespace: "ctl", plugin: plugin1 },
];
