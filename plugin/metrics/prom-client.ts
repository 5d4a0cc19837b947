/** Of prom-client, what this plugin uses. It is loaded only when metrics are configured: `import type` leaves nothing behind. */
export type PromClient = Pick<
  typeof import("prom-client"),
  "Counter" | "Gauge" | "Histogram" | "Registry" | "collectDefaultMetrics"
>;
