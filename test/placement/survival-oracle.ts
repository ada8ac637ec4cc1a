import type { GuestFacts, Inventory, PlacementRequest, Rule } from "../../src/placement";

/** A guest with all that binds it. */
export interface Shelterable {
  guest: GuestFacts;
  cluster: string;
  node: string;
  poolRules: readonly Rule[];
  ownRules: readonly Rule[];
  pin?: PlacementRequest["pin"];
}

interface Place {
  cluster: string;
  node: string;
}

/**
 * Whether the guests of pool `production` that a loss takes down can all be somewhere else with every hard rule holding, theirs
 * and those of the others about them: by trying every assignment and looking at the outcome. Knows what the tests draw (rules
 * on tags of guests and on single nodes, pins, cores, memory without reserve, limits on guests), and nothing of the search.
 */
export function canAbsorb({ clusters }: Inventory, guests: readonly Shelterable[], lost: { cluster: string; node?: string }): boolean {
  const isDown = (place: Place) => place.cluster === lost.cluster && (lost.node === undefined || place.node === lost.node);
  const left = guests.filter((each) => !isDown(each));
  const refugees = guests.filter((each) => isDown(each) && each.guest.pool === "production");
  const places = clusters.flatMap((cluster) =>
    cluster.nodes
      .filter(({ name, status }) => status === "active" && !isDown({ cluster: cluster.id, node: name }))
      .map(({ name }) => ({ cluster: cluster.id, node: name })),
  );
  const targets = places.filter(({ cluster }) => (lost.node === undefined ? cluster !== lost.cluster : cluster === lost.cluster));

  const assign = (index: number, landed: readonly Shelterable[]): boolean => {
    const next = refugees[index];
    if (next === undefined) return isSound(landed);
    return targets.some((place) => {
      const there = { ...next, ...place };
      return isAllowed(there) && hasRoom(there, landed) && assign(index + 1, [...landed, there]);
    });
  };
  return assign(0, []);

  function hasRoom(comer: Shelterable, landed: readonly Shelterable[]): boolean {
    const cluster = clusters.find(({ id }) => id === comer.cluster)!;
    const node = cluster.nodes.find(({ name }) => name === comer.node)!;
    const others = [...left, ...landed];
    const there = others.filter((each) => each.cluster === comer.cluster && each.node === comer.node).map(({ guest }) => guest);
    const sum = (amount: (guest: GuestFacts) => number) => there.reduce((total, own) => total + amount(own), amount(comer.guest));
    const { cores, memoryMiB } = comer.guest;
    if (cores > 0 && sum((own) => own.cores) > node.cores) return false;
    if (memoryMiB > 0 && sum((own) => own.memoryMiB) > node.memoryMiB) return false;
    const isLimited = lost.node === undefined && cluster.maxVms !== undefined;
    return !isLimited || others.filter((each) => each.cluster === cluster.id).length + 1 <= cluster.maxVms!;
  }

  function isAllowed({ pin, cluster, node, poolRules, ownRules }: Shelterable): boolean {
    if (pin?.cluster !== undefined && pin.cluster !== cluster) return false;
    if (pin?.node !== undefined && pin.node !== node) return false;
    return [...poolRules, ...ownRules].every(
      ({ target, operator, value }) => target !== "node" || (value === node) === (operator === "must"),
    );
  }

  function isSound(landed: readonly Shelterable[]): boolean {
    const all = [...left, ...landed];
    const near = (place: Place, scope: Rule["scope"], except: Shelterable) =>
      all.filter((each) => each !== except && each.cluster === place.cluster && (scope === "cluster" || each.node === place.node));
    const carries = ({ guest }: Shelterable, tag: string) => guest.tags.includes(tag);
    return landed.every((comer) =>
      all.every((other) => {
        // Rules of others count where the comer is what they are about.
        const isOwn = other === comer;
        return rulesOf(other).every((rule) => {
          if (rule.target !== "tag") return true;
          const around = near(other, rule.scope, other);
          if (rule.type === "anti-affinity")
            return isOwn ? !around.some((each) => carries(each, rule.value)) : !(carries(comer, rule.value) && around.includes(comer));
          if (!isOwn) return true;
          if (rule.type === "affinity") return around.some((each) => carries(each, rule.value)) || isFirst(comer, rule.value);
          return isEven(rule, comer);
        });
      }),
    );

    function rulesOf({ guest, poolRules, ownRules }: Shelterable): Rule[] {
      const binds = ({ type, value }: Rule) => type === "affinity" || guest.tags.includes(value);
      return [...poolRules.filter(binds), ...ownRules.filter(({ type, value }) => type !== "spread" || guest.tags.includes(value))];
    }

    function isFirst(guest: Shelterable, tag: string): boolean {
      return carries(guest, tag) && !all.some((each) => each !== guest && carries(each, tag));
    }

    function isEven({ value, scope, maxSkew = 1 }: Rule, comer: Shelterable): boolean {
      // In its own cluster it does not land.
      if (scope === "cluster" && lost.node !== undefined) return true;
      const groups = new Map<string, number>();
      const nameOf = ({ cluster, node }: Place) => (scope === "cluster" ? cluster : `${cluster}/${node}`);
      const avoided = [...comer.poolRules].filter(({ target }) => target === "node").map((rule) => rule.value);
      for (const place of places) if (!avoided.includes(place.node)) groups.set(nameOf(place), 0);
      for (const each of all) if (carries(each, value) && groups.has(nameOf(each))) groups.set(nameOf(each), groups.get(nameOf(each))! + 1);
      const here = all.filter((each) => carries(each, value) && nameOf(each) === nameOf(comer)).length;
      return here - Math.min(...groups.values()) <= maxSkew;
    }
  }
}
