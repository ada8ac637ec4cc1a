"use strict";
/** The text formats of the ROADEF/EURO 2012 challenge: whole numbers with white space between. */

const ZERO = 48;
const SPACE = 32;
const MOST_INT32 = 2 ** 31 - 1;

/** Reads numbers byte by byte: the largest models have tens of millions of them, too many for one string each. */
class Reader {
  /** @param content text or its bytes */
  constructor(content, name) {
    this.bytes = typeof content === "string" ? Buffer.from(content) : content;
    this.offset = 0;
    this.read = 0;
    this.name = name;
  }

  /** @param most the largest number that makes sense here */
  next(most = Number.MAX_SAFE_INTEGER) {
    const { bytes } = this;
    let offset = this.skipSpace();
    if (offset === bytes.length) throw new Error(`${this.name}: ends after ${this.read} numbers, more expected`);
    const start = offset;
    let value = 0;
    for (; offset < bytes.length && bytes[offset] > SPACE; offset++) {
      const digit = bytes[offset] - ZERO;
      if (!(digit >= 0 && digit <= 9)) this.refuse(start);
      value = value * 10 + digit;
    }
    if (value > most) throw new Error(`${this.name}: number ${this.read + 1} is ${value}, at most ${most} expected`);
    this.offset = offset;
    this.read += 1;
    return value;
  }

  end() {
    if (this.skipSpace() === this.bytes.length) return;
    const rest = this.bytes.toString("latin1", this.offset).trim().split(/\s+/);
    throw new Error(`${this.name}: ${rest.length} numbers too many`);
  }

  skipSpace() {
    const { bytes } = this;
    let { offset } = this;
    while (offset < bytes.length && bytes[offset] <= SPACE) offset += 1;
    this.offset = offset;
    return offset;
  }

  refuse(start) {
    const [text] = this.bytes.toString("latin1", start, start + 40).split(/\s/);
    throw new Error(`${this.name}: number ${this.read + 1} is "${text}", a whole number from 0 expected`);
  }
}

/** @param content the text of the file or its bytes; @param name how errors call it */
function parseModel(content, name = "model") {
  const reader = new Reader(content, name);
  const next = () => reader.next();
  const nextInt32 = () => reader.next(MOST_INT32);
  const resources = next();
  const transient = new Uint8Array(resources);
  const loadWeight = new Float64Array(resources);
  for (let resource = 0; resource < resources; resource++) {
    transient[resource] = next();
    loadWeight[resource] = next();
  }
  const machines = next();
  const neighbourhood = new Int32Array(machines);
  const location = new Int32Array(machines);
  const capacity = new Float64Array(machines * resources);
  const safety = new Float64Array(machines * resources);
  const machineMoveCost = new Int32Array(machines * machines);
  for (let machine = 0; machine < machines; machine++) {
    neighbourhood[machine] = nextInt32();
    location[machine] = nextInt32();
    for (let resource = 0; resource < resources; resource++) capacity[machine * resources + resource] = next();
    for (let resource = 0; resource < resources; resource++) safety[machine * resources + resource] = next();
    for (let to = 0; to < machines; to++) machineMoveCost[machine * machines + to] = nextInt32();
  }
  const services = next();
  const spreadMin = new Int32Array(services);
  const dependencies = [];
  for (let service = 0; service < services; service++) {
    spreadMin[service] = nextInt32();
    dependencies.push(Array.from({ length: next() }, next));
  }
  const processes = next();
  const service = new Int32Array(processes);
  const requirement = new Float64Array(processes * resources);
  const processMoveCost = new Float64Array(processes);
  for (let process = 0; process < processes; process++) {
    service[process] = nextInt32();
    for (let resource = 0; resource < resources; resource++) requirement[process * resources + resource] = next();
    processMoveCost[process] = next();
  }
  const balances = Array.from({ length: next() }, () => ({ first: next(), second: next(), target: next(), weight: next() }));
  const weights = { processMove: next(), serviceMove: next(), machineMove: next() };
  reader.end();
  return {
    resources,
    transient,
    loadWeight,
    machines,
    neighbourhood,
    location,
    capacity,
    safety,
    machineMoveCost,
    services,
    spreadMin,
    dependencies,
    processes,
    service,
    requirement,
    processMoveCost,
    balances,
    weights,
  };
}

function parseAssignment(content, processes, machines, name = "assignment") {
  const reader = new Reader(content, name);
  const assignment = Int32Array.from({ length: processes }, () => reader.next(MOST_INT32));
  reader.end();
  assignment.forEach((machine, process) => {
    if (machine < 0 || machine >= machines) throw new Error(`${name}: process ${process} is on machine ${machine}, there are ${machines}`);
  });
  return assignment;
}

function formatAssignment(assignment) {
  return `${Array.from(assignment).join(" ")}\n`;
}

module.exports = { parseModel, parseAssignment, formatAssignment };
