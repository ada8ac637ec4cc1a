"use strict";
/** The text formats of the ROADEF/EURO 2012 challenge: whole numbers with white space between. */

class Reader {
  constructor(text, name) {
    this.numbers = text.split(/\s+/).filter((part) => part !== "");
    this.position = 0;
    this.name = name;
  }

  next() {
    const text = this.numbers[this.position];
    if (text === undefined) throw new Error(`${this.name}: ends after ${this.position} numbers, more expected`);
    const value = Number(text);
    if (!Number.isInteger(value)) throw new Error(`${this.name}: number ${this.position + 1} is "${text}", a whole number expected`);
    this.position += 1;
    return value;
  }

  end() {
    if (this.position !== this.numbers.length) {
      throw new Error(`${this.name}: ${this.numbers.length - this.position} numbers too many`);
    }
  }
}

function parseModel(text, name = "model") {
  const reader = new Reader(text, name);
  const next = () => reader.next();
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
  const machineMoveCost = new Float64Array(machines * machines);
  for (let machine = 0; machine < machines; machine++) {
    neighbourhood[machine] = next();
    location[machine] = next();
    for (let resource = 0; resource < resources; resource++) capacity[machine * resources + resource] = next();
    for (let resource = 0; resource < resources; resource++) safety[machine * resources + resource] = next();
    for (let to = 0; to < machines; to++) machineMoveCost[machine * machines + to] = next();
  }
  const services = next();
  const spreadMin = new Int32Array(services);
  const dependencies = [];
  for (let service = 0; service < services; service++) {
    spreadMin[service] = next();
    dependencies.push(Array.from({ length: next() }, next));
  }
  const processes = next();
  const service = new Int32Array(processes);
  const requirement = new Float64Array(processes * resources);
  const processMoveCost = new Float64Array(processes);
  for (let process = 0; process < processes; process++) {
    service[process] = next();
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

function parseAssignment(text, processes, machines, name = "assignment") {
  const reader = new Reader(text, name);
  const assignment = Int32Array.from({ length: processes }, () => reader.next());
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
