"use strict";
/**
 * Cost and broken rules of an assignment, computed from the definitions alone with plain loops. It shares no code with the
 * search on purpose: a mistake there must show here.
 */
function check(model, initial, assignment) {
  const broken = [];
  const { machines, resources, processes, services } = model;
  const usage = Array.from({ length: machines }, () => new Array(resources).fill(0));
  const left = Array.from({ length: machines }, () => new Array(resources).fill(0));
  for (let process = 0; process < processes; process++) {
    for (let resource = 0; resource < resources; resource++) {
      const amount = model.requirement[process * resources + resource];
      usage[assignment[process]][resource] += amount;
      if (model.transient[resource] === 1 && initial[process] !== assignment[process]) left[initial[process]][resource] += amount;
    }
  }
  let load = 0;
  let balance = 0;
  for (let machine = 0; machine < machines; machine++) {
    for (let resource = 0; resource < resources; resource++) {
      const capacity = model.capacity[machine * resources + resource];
      const total = usage[machine][resource] + left[machine][resource];
      if (total > capacity) broken.push(`machine ${machine} uses ${total} of ${capacity} of resource ${resource}`);
      load += model.loadWeight[resource] * Math.max(0, usage[machine][resource] - model.safety[machine * resources + resource]);
    }
    for (const { first, second, target, weight } of model.balances) {
      const free = (resource) => model.capacity[machine * resources + resource] - usage[machine][resource];
      balance += weight * Math.max(0, target * free(first) - free(second));
    }
  }
  const members = Array.from({ length: services }, () => []);
  for (let process = 0; process < processes; process++) members[model.service[process]].push(process);
  const neighbourhoodsOf = members.map((own) => new Set(own.map((process) => model.neighbourhood[assignment[process]])));
  let mostMoved = 0;
  members.forEach((own, service) => {
    if (new Set(own.map((process) => assignment[process])).size < own.length) broken.push(`service ${service} has two processes on one machine`);
    const locations = new Set(own.map((process) => model.location[assignment[process]])).size;
    if (locations < model.spreadMin[service]) broken.push(`service ${service} is in ${locations} locations, ${model.spreadMin[service]} needed`);
    for (const needed of model.dependencies[service]) {
      for (const neighbourhood of neighbourhoodsOf[service]) {
        if (!neighbourhoodsOf[needed].has(neighbourhood)) broken.push(`service ${service} misses ${needed} in neighbourhood ${neighbourhood}`);
      }
    }
    mostMoved = Math.max(mostMoved, own.filter((process) => initial[process] !== assignment[process]).length);
  });
  let processMoves = 0;
  let machineMoves = 0;
  for (let process = 0; process < processes; process++) {
    if (initial[process] !== assignment[process]) processMoves += model.processMoveCost[process];
    machineMoves += model.machineMoveCost[initial[process] * machines + assignment[process]];
  }
  const { weights } = model;
  const cost = load + balance + weights.processMove * processMoves + weights.serviceMove * mostMoved + weights.machineMove * machineMoves;
  return { cost, broken };
}

module.exports = { check };
