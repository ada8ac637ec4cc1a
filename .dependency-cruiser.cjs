// The layers. Imports point one way:
//
//   config ← proxmox ← migration ← providers ← components, constructs, report ← cli
//   config ← placement ← inventory ←──┘
//   config, proxmox ← kubernetes ←────┘
//            placement ← solver ← components, report, cli
//   simulator   a reading of the Proxmox API of its own
//
// Each folder lists what it may import; everything else inside src is an error.

const layers = {
  config: [],
  placement: ["config"],
  proxmox: ["config"],
  inventory: ["config", "proxmox", "placement"],
  solver: ["placement"],
  migration: ["config", "proxmox"],
  kubernetes: ["config", "proxmox"],
  simulator: [],
  providers: ["config", "proxmox", "placement", "inventory", "migration", "kubernetes"],
  report: ["config", "proxmox", "placement", "inventory", "solver", "migration", "providers"],
  components: ["config", "proxmox", "placement", "inventory", "solver", "migration", "kubernetes", "providers"],
  constructs: ["config", "proxmox", "placement", "inventory", "migration", "providers"],
  cli: ["config", "proxmox", "placement", "inventory", "solver", "migration", "kubernetes", "providers", "report", "simulator"],
};

/** Files that see more than their folder, with the reason. */
const exceptions = {
  // A simulation is laid out after a federation.yaml; the simulated clusters themselves know nothing of it.
  simulator: { file: "^src/simulator/from-federation\\.ts$", also: ["config"] },
};

function folder(name) {
  return `^src/${name}/`;
}

/** A rule that keeps files of a layer to their own folder and to those allowed. */
function forbidOthers(layer, rule, from, allowed) {
  const comment = `${layer} may import from: ${allowed.join(", ") || "nothing else in src"}.`;
  return { name: rule, comment, severity: "error", from, to: { path: "^src/", pathNot: [layer, ...allowed].map(folder) } };
}

const layerRules = Object.entries(layers).flatMap(([layer, allowed]) => {
  const exception = exceptions[layer];
  if (!exception) return [forbidOthers(layer, `${layer}-layer`, { path: folder(layer) }, allowed)];
  return [
    forbidOthers(layer, `${layer}-layer`, { path: folder(layer), pathNot: exception.file }, allowed),
    forbidOthers(layer, `${layer}-layer-exception`, { path: exception.file }, [...allowed, ...exception.also]),
  ];
});

/** @type {import("dependency-cruiser").IConfiguration} */
module.exports = {
  forbidden: [
    ...layerRules,
    {
      name: "known-folders",
      comment: "A new folder in src needs its place among the layers first.",
      severity: "error",
      from: { path: "^src/[^/]+/", pathNot: Object.keys(layers).map(folder) },
      to: {},
    },
    {
      name: "placement-is-pure",
      comment: "Placement decides from plain data: no file, network, process or clock, directly or through what it imports.",
      severity: "error",
      from: { path: folder("placement") },
      to: {
        path: "^(node:)?(fs|net|tls|dns|dgram|http|https|http2|child_process|cluster|worker_threads|process|os|readline|repl|timers|inspector)(/|$)",
        reachable: true,
      },
    },
    {
      name: "placement-without-packages",
      comment: "A package could bring I/O along; placement needs none.",
      severity: "error",
      from: { path: folder("placement") },
      to: { dependencyTypes: ["npm", "npm-dev", "npm-optional", "npm-peer"] },
    },
    {
      name: "simulator-speaks-for-itself",
      comment: "The client's HTTP library would give simulator and client the same misreading.",
      severity: "error",
      from: { path: folder("simulator") },
      to: { path: "node_modules/undici/" },
    },
    {
      name: "pulumi-on-top",
      comment: "Only what stands on the resources, and the resources, know Pulumi.",
      severity: "error",
      from: { path: "^src/(config|proxmox|placement|inventory|migration|simulator)/" },
      to: { path: "node_modules/@pulumi/" },
    },
    {
      name: "no-circular",
      comment: "Files that need each other are one file, or lack a third one. Types alone may refer to each other.",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    {
      name: "not-to-unresolvable",
      comment: "The import leads nowhere.",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: "not-to-dev-dependency",
      comment: "What the package imports has to be installed with it.",
      severity: "error",
      from: { path: "^src/" },
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"], dependencyTypesNot: ["npm-peer", "npm", "type-only"] },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["require", "node", "default", "types"] },
  },
};
