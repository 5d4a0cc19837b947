import { expect, test } from "vitest";
import { parseWrk } from "./load.ts";

const OUTPUT = `Running 1s test @ http://10.77.2.2:8080/
  2 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   638.00us  365.00us   5.01ms   75.56%
    Req/Sec    51.36k     2.40k   55.00k    70.00%
  Latency Distribution
     50%  588.00us
     75%  810.00us
     90%    1.12ms
     99%    1.80ms
  102190 requests in 1.00s, 17.15MB read
Requests/sec: 102101.50
Transfer/sec:     17.14MB
`;

test("wrk's report is read, with its units", () => {
  expect(parseWrk({ stdout: OUTPUT, stderr: "" }, 1500)).toEqual({
    perSecond: 102101.5,
    p50Ms: 0.588,
    p99Ms: 1.8,
    cpuMsPer100k: expect.closeTo(1467.85, 1) as number,
  });
});

test("the service's own end of a connection is no failure, a time-out is", () => {
  const closed = OUTPUT.replace("Requests/sec", "  Socket errors: connect 0, read 102190, write 0, timeout 0\nRequests/sec");
  expect(parseWrk({ stdout: closed, stderr: "" }, 1500).perSecond).toBe(102101.5);
  const late = closed.replace("timeout 0", "timeout 2000");
  expect(() => parseWrk({ stdout: late, stderr: "" }, 1500)).toThrow(/timeout 2000/);
});

test("what is no report is an error", () => {
  expect(() => parseWrk({ stdout: "", stderr: "unable to connect to 10.77.2.2:8080" }, 0)).toThrow(/unable to connect/);
});
