// Loaded into the daemon before its own code: at SIGURG, writes what memory is left after a collection, and what keeps its loop busy.
const { appendFileSync } = require("node:fs");
const { setFlagsFromString } = require("node:v8");
const { runInNewContext } = require("node:vm");

const file = process.env.SOAK_MEASURE;
if (file !== undefined) {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc");
  process.on("SIGURG", () => {
    collect();
    collect();
    const { heapUsed, rss, external } = process.memoryUsage();
    const resources = {};
    for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1;
    appendFileSync(file, `${JSON.stringify({ pid: process.pid, time: Date.now(), heapUsed, rss, external, resources })}\n`);
  });
}
