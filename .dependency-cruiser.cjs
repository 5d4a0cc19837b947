/** Which room may know which: imports go one way (see ARCHITECTURE.md). */
const layer = (name, from, allowed) => ({
  name,
  severity: "error",
  from: { path: from, pathNot: "\\.test\\.ts$" },
  to: { path: "^(cmd|pkg|plugin)/", pathNot: allowed },
});

/** Packages that know no other package but each other, downwards. */
const BASE = ["^pkg/(fault|clock|log|value|serial|state|version|process|progress|trust)/"];
const TYPES = "^pkg/config/types\\.ts$";

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    { name: "no-circles", severity: "error", from: {}, to: { circular: true, dependencyTypesNot: ["type-only"] } },
    {
      name: "everything-resolves",
      severity: "error",
      from: {},
      // optional: it is compiled, and does without where that fails
      to: { dependencyTypes: ["npm-no-pkg", "unknown", "undetermined"], pathNot: "unix-dgram" },
    },
    {
      name: "shipped-code-uses-shipped-packages",
      severity: "error",
      from: { path: "^(cmd|pkg|plugin)/", pathNot: ["\\.test\\.ts$", "contract\\.ts$", "^cmd/generate/"] },
      to: { dependencyTypes: ["npm-dev"], dependencyTypesNot: ["type-only"], pathNot: "json-schema-to-ts" },
    },
    layer("fault-knows-nothing", "^pkg/fault/", "^pkg/fault/"),
    layer("base-knows-base", "^pkg/(clock|value|serial|state|version)/", BASE),
    layer("log", "^pkg/log/", [...BASE, TYPES]),
    layer("process", "^pkg/process/", BASE),
    layer("listen", "^pkg/listen/", [...BASE, "^pkg/listen/"]),
    layer("progress", "^pkg/progress/", BASE),
    layer("trust", "^pkg/trust/", BASE),
    layer("notify", "^pkg/notify/", [...BASE, "^pkg/notify/"]),
    layer("netlink", "^pkg/netlink/", [...BASE, "^pkg/netlink/"]),
    layer("ctl", "^pkg/ctl/", [...BASE, "^pkg/ctl/"]),
    layer("dataplane", "^pkg/dataplane/", [...BASE, TYPES, "^pkg/dataplane/", "^pkg/netlink/"]),
    layer("readiness", "^pkg/readiness/", [...BASE, TYPES, "^pkg/readiness/"]),
    layer("target", "^pkg/target/", [...BASE, TYPES, "^pkg/target/", "^pkg/dataplane/dataplane\\.ts$"]),
    layer("frontend", "^pkg/frontend/", [...BASE, TYPES, "^pkg/frontend/", "^pkg/target/", "^pkg/dataplane/dataplane\\.ts$"]),
    layer("plugin-contract", "^pkg/plugin/", [...BASE, TYPES, "^pkg/plugin/", "^pkg/(target|frontend)/(handler|state)\\.ts$"]),
    layer("config", "^pkg/config/", [...BASE, "^pkg/config/", "^pkg/plugin/", "^pkg/dataplane/dataplane\\.ts$"]),
    // the driver's probes, each by name: what changes the packet path is not for it
    layer("doctor", "^pkg/doctor/", [
      ...BASE,
      TYPES,
      "^pkg/(doctor|netlink|plugin)/",
      "^pkg/dataplane/dataplane\\.ts$",
      "^pkg/dataplane/nft/(fast-devices|nft|probe|queue-way|ruleset|sysctl|system-settings|table-lock)\\.ts$",
    ]),
    layer("engine", "^pkg/engine/", [
      ...BASE,
      TYPES,
      "^pkg/(engine|target|frontend|plugin|readiness)/",
      "^pkg/dataplane/dataplane\\.ts$",
    ]),
    {
      name: "plugins-know-their-contract-only",
      severity: "error",
      from: { path: "^plugin/([^/]+)/", pathNot: "\\.test\\.ts$" },
      to: {
        path: "^(cmd|pkg|plugin)/",
        pathNot: [
          ...BASE,
          TYPES,
          "^plugin/$1/",
          "^pkg/plugin/",
          "^pkg/(ctl|listen)/",
          "^pkg/(target|frontend)/(handler|state)\\.ts$",
        ],
      },
    },
    {
      name: "only-the-daemon-constructs-the-nft-driver",
      severity: "error",
      from: { path: "^(cmd|pkg|plugin)/", pathNot: ["^cmd/proxygw/", "^pkg/dataplane/nft/", "^pkg/doctor/"] },
      to: { path: "^pkg/dataplane/nft/" },
    },
    {
      name: "only-netlink-touches-ffi",
      severity: "error",
      from: { path: "^(cmd|pkg|plugin)/", pathNot: "^pkg/netlink/" },
      to: { path: "koffi" },
    },
    {
      name: "only-the-runner-spawns",
      severity: "error",
      from: { path: "^(cmd|pkg|plugin)/", pathNot: ["^pkg/process/runner\\.ts$", "\\.test\\.ts$", "^cmd/generate/"] },
      to: { path: "(^|/)(execa|child_process)(/|$)" },
    },
  ],
  options: {
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "require", "node", "default"] },
  },
};
