/** What contenders are called that others are compared with. */
export const PLAIN = "plain routing";
export const PROXYGW = "proxygw";
/** The same with flowtables, where the kernel has them. */
export const PROXYGW_FAST = "proxygw, fast path";
/** What the kernel takes for DNAT by itself: nobody who translates addresses can be faster. */
export const DNAT = "DNAT, one rule";
export const HAPROXY = "HAProxy";
export const COLD_PLAIN = "plain routing, warm";
export const COLD_PROXYGW = "proxygw, held in the kernel";
