/** All faults of the soak. */
import { DAEMON_FAULTS } from "./daemon-faults.ts";
import type { Fault } from "./fault.ts";
import { KERNEL_FAULTS } from "./kernel-faults.ts";
import { SERVICE_FAULTS } from "./service-faults.ts";
import { TOOL_FAULTS } from "./tool-faults.ts";

export const FAULTS: readonly Fault[] = [...DAEMON_FAULTS, ...SERVICE_FAULTS, ...KERNEL_FAULTS, ...TOOL_FAULTS];
