"use strict";
/**
 * Loaded into a provider process before anything else (`NODE_OPTIONS=--require`): the time its own code sees and waits for
 * is the test's. The code of libraries (gRPC, TLS, keep-alive) goes on in real time. See `shared-clock.ts`.
 */
const { subscribe } = require("node:diagnostics_channel");
const Module = require("node:module");
const { connect } = require("node:net");
const { dirname, join, sep } = require("node:path");
const timersPromises = require("node:timers/promises");

/** What Pulumi loads for programs and a provider never uses takes most of the start: it is loaded when it is first used. */
const seldomUsed = new Set(["typescript", "@npmcli/arborist"]);
const load = Module._load;
Module._load = function (request, ...rest) {
  // With this Pulumi turns the text of a provider in its state into the provider, once in the life of a process.
  if (request === "require-from-string") return (text) => ({ handler: () => renewedProvider(text, load.call(this, request, ...rest)) });
  if (!seldomUsed.has(request)) return load.call(this, request, ...rest);
  let loaded;
  const get = (_target, key) => {
    if (key === "__esModule") return true;
    loaded ??= load.call(Module, request, ...rest);
    return loaded[key];
  };
  return new Proxy({}, { get });
};

/** Files whose timers are the product's. */
const productFile = /[\\/]dist[\\/](inventory|migration|providers|proxmox)[\\/]/;
const real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout, delay: timersPromises.setTimeout };

const startMs = Number(process.env.SHARED_CLOCK_NOW_MS);
let nowMs = startMs;
let requestsUnderWay = 0;
let nextId = 1;
/** Ordered by due time, then by creation. */
const timers = [];

class VirtualTimer {
  constructor(dueMs, fire) {
    this.id = nextId++;
    this.dueMs = dueMs;
    this.fire = fire;
  }
  ref() {
    return this;
  }
  unref() {
    return this;
  }
  hasRef() {
    return true;
  }
}

function add(delayMs, fire) {
  const timer = new VirtualTimer(nowMs + Math.max(0, Number(delayMs) || 0), fire);
  const index = timers.findIndex((other) => other.dueMs > timer.dueMs);
  timers.splice(index < 0 ? timers.length : index, 0, timer);
  return timer;
}

function remove(timer) {
  const index = timers.indexOf(timer);
  if (index >= 0) timers.splice(index, 1);
}

/** Whether the caller of `below` is the product. Past whatever rewrites stacks for people to read. */
function calledByProduct(below) {
  const { stackTraceLimit, prepareStackTrace } = Error;
  const holder = {};
  Error.stackTraceLimit = 1;
  Error.prepareStackTrace = (_error, [caller]) => caller?.getFileName() ?? "";
  Error.captureStackTrace(holder, below);
  const file = holder.stack;
  Object.assign(Error, { stackTraceLimit, prepareStackTrace });
  return productFile.test(file) && !file.includes("node_modules");
}

function schedule(callback, delayMs, ...args) {
  if (!calledByProduct(schedule)) return real.setTimeout(callback, delayMs, ...args);
  return add(delayMs, () => callback(...args));
}
// What promisify and node's own modules read from the original.
Object.defineProperties(schedule, Object.getOwnPropertyDescriptors(real.setTimeout));

const unschedule = (timer) => (timer instanceof VirtualTimer ? remove(timer) : real.clearTimeout(timer));
Object.assign(globalThis, { setTimeout: schedule, clearTimeout: unschedule });

function delay(delayMs, value, options) {
  if (!calledByProduct(delay)) return real.delay(delayMs, value, options);
  return new Promise((resolve) => add(delayMs, () => resolve(value)));
}
Object.assign(timersPromises, { setTimeout: delay });

Object.assign(Date, { now: () => nowMs });

/** The same pauses in every run. */
let seed = 1;
const random = () => {
  seed = (seed * 48271) % 2147483647;
  return seed / 2147483647;
};
Object.assign(Math, { random });

// Through which interface a request is made does not matter: undici tells of all.
subscribe("undici:request:create", () => requestsUnderWay++);
subscribe("undici:request:trailers", () => requestsUnderWay--);
subscribe("undici:request:error", () => requestsUnderWay--);

const socket = connect({ host: "127.0.0.1", port: Number(process.env.SHARED_CLOCK_PORT) });
socket.unref();
socket.setNoDelay(true);
// Without its test the process has nothing to live for.
socket.on("close", () => process.exit(1));
socket.on("error", () => process.exit(1));
const say = (message) => socket.write(`${JSON.stringify(message)}\n`);
say({ pid: process.pid });

let rest = "";
socket.setEncoding("utf8");
socket.on("data", (text) => {
  const lines = (rest + text).split("\n");
  rest = lines.pop();
  for (const line of lines) obey(JSON.parse(line));
});

/** Providers of this life of the product, by text. */
const providers = new Map();

/** Stands before the provider of the life in which it is called. */
function renewedProvider(text, requireFromString) {
  let configuration;
  const current = () => {
    if (providers.has(text)) return providers.get(text);
    const provider = requireFromString(text).handler();
    providers.set(text, provider);
    // Pulumi does that only once.
    if (configuration) provider.configure(...configuration);
    return provider;
  };
  const get = (_target, method) => {
    const member = current()[method];
    if (typeof member !== "function") return member;
    return (...values) => {
      if (method === "configure") configuration = values;
      return member.apply(current(), values);
    };
  };
  return new Proxy({}, { get });
}

const product = dirname(require.resolve("proxmox-federation/package.json"));

/** Forgets all that the product ever loaded or knew: what is left is as good as a process that was just started. */
function renew() {
  if (timers.length > 0 || requestsUnderWay > 0) return false;
  providers.clear();
  for (const file of Object.keys(require.cache)) if (file.startsWith(join(product, "dist") + sep)) delete require.cache[file];
  module.children.length = 0;
  process.removeAllListeners("SIGINT");
  nowMs = startMs;
  seed = 1;
  require("proxmox-federation/runtime");
  return true;
}

function obey({ now, ping, life }) {
  if (life !== undefined) say({ renewed: renew() });
  if (now !== undefined) {
    nowMs = Math.max(nowMs, now);
    while (timers.length > 0 && timers[0].dueMs <= nowMs) timers.shift().fire();
  }
  // What came in before this was read has had its consequences two turns of the event loop later.
  if (ping !== undefined) setImmediate(() => setImmediate(() => say({ pong: ping, requests: requestsUnderWay, nextMs: timers[0]?.dueMs })));
}

// Loaded while the process waits to be used.
require("proxmox-federation/runtime");
