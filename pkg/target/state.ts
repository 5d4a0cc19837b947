export type TargetState = "inactive" | "warming" | "active" | "draining" | "closed";

/** From each state, those that may follow. */
export const TARGET_TRANSITIONS: Readonly<Record<TargetState, readonly TargetState[]>> = {
  inactive: ["warming", "closed"],
  warming: ["active", "inactive"],
  // straight to inactive: the service died
  active: ["draining", "inactive"],
  // back to active: the drain was called off
  draining: ["inactive", "active"],
  closed: [],
};
