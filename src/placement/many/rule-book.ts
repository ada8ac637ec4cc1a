import { ruleShortfalls } from "../filters/request-valid";
import type { PlacementRequest, PoolPolicy, Rule } from "../model";
import { hashText } from "../order";
import { type AppliedRule, type RuleSets, ruleSets } from "../rules";
import type { World } from "../world";

/** What a pool demands, worked out once however many requests it has. */
interface PoolRules {
  /** What binds every request of the pool, whatever its tags. */
  base: RuleSets;
  /** By lower-case tag: rules that bind only requests with that tag. */
  byTag: ReadonlyMap<string, Rule[]>;
  hash: number;
  /** False: one of its rules means nothing. */
  isSound: boolean;
}

/**
 * The rules that bind a request, as `ruleSets` finds them, without reading thousands of a pool's rules for each of
 * thousands of kinds of requests. Lists that a request adds nothing to are shared with the pool.
 */
export class RuleBook {
  private readonly pools = new Map<number, PoolRules>();

  constructor(private readonly world: World) {}

  /** @param poolNumber see `Signatures.ofPool` */
  rulesOf(request: PlacementRequest, poolNumber: number): RuleSets {
    const { base, byTag } = this.poolRules(request.pool, poolNumber);
    const hits = byTag.size === 0 ? [] : request.tags.flatMap((tag) => byTag.get(tag.toLowerCase()) ?? []);
    if (hits.length === 0 && request.rules.length === 0) return base;
    const pool = request.pool === undefined ? undefined : { ...request.pool, rules: [...new Set(hits)] };
    return joined(base, ruleSets({ ...request, pool }, this.world));
  }

  /** Of the pool's text, the same in every run; without its limits, whose unit must not decide between equals. */
  poolHash(request: PlacementRequest, poolNumber: number): number {
    return this.poolRules(request.pool, poolNumber).hash;
  }

  /** Whether every rule of the request and its pool means something. */
  isSound(request: PlacementRequest, poolNumber: number): boolean {
    if (!this.poolRules(request.pool, poolNumber).isSound) return false;
    return request.rules.length === 0 || this.hasSoundRules({ ...BARE_REQUEST, rules: request.rules });
  }

  private hasSoundRules(request: PlacementRequest): boolean {
    return ruleShortfalls(request, this.world.instantMs).length === 0;
  }

  private poolRules(pool: PoolPolicy | undefined, poolNumber: number): PoolRules {
    const known = this.pools.get(poolNumber);
    if (known !== undefined) return known;
    const base = ruleSets({ ...BARE_REQUEST, pool }, this.world);
    const bound = new Set(Object.values(base).flatMap((applied: AppliedRule[]) => applied.map(({ rule }) => rule)));
    const byTag = new Map<string, Rule[]>();
    for (const rule of pool?.rules ?? []) {
      if (bound.has(rule) || rule.target !== "tag") continue;
      const tag = rule.value.toLowerCase();
      byTag.set(tag, [...(byTag.get(tag) ?? []), rule]);
    }
    const rules: PoolRules = {
      base,
      byTag,
      hash: pool === undefined ? 0 : hashText(JSON.stringify({ ...pool, limits: undefined })),
      isSound: this.hasSoundRules({ ...BARE_REQUEST, pool }),
    };
    this.pools.set(poolNumber, rules);
    return rules;
  }
}

const BARE_REQUEST: PlacementRequest = {
  key: "",
  name: "",
  cores: 0,
  memoryMiB: 0,
  disks: [],
  networks: [],
  tags: [],
  rules: [],
  residency: [],
};

function joined(base: RuleSets, more: RuleSets): RuleSets {
  const lists = Object.keys(base) as (keyof RuleSets)[];
  const all = { ...base };
  for (const list of lists) {
    if (more[list].length > 0) all[list] = base[list].length === 0 ? more[list] : [...base[list], ...more[list]];
  }
  return all;
}
