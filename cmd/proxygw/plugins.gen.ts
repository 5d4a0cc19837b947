// Generated from plugin.yaml by cmd/generate: do not edit. After a change of plugin.yaml: make generate
import type { Registration } from "../../pkg/plugin/registry.ts";
import plugin0 from "../../plugin/static/plugin.ts";
import plugin1 from "../../plugin/ctl/plugin.ts";
import plugin2 from "../../plugin/metrics/plugin.ts";
import plugin3 from "../../plugin/webhook/plugin.ts";

export const registrations: Registration[] = [
  { source: "static", namespace: "static", plugin: plugin0 },
  { source: "ctl", namespace: "ctl", plugin: plugin1 },
  { source: "metrics", namespace: "metrics", plugin: plugin2 },
  { source: "webhook", namespace: "webhook", plugin: plugin3 },
];
