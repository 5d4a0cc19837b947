/** What contenders are called that others are compared with. */
export const PLAIN = "plain routing";
export const PROXYGW = "proxygw";
export const HAPROXY = "HAProxy";
export const COLD_PLAIN = "plain routing, warm";
export const COLD_PROXYGW = "proxygw, held in the kernel";
