import { type Ask, askOfKind } from "../ask";
import type { PlacementRequest, Rule } from "../model";
import { lowerCase } from "../node-state";
import { hashText, mixHashes } from "../order";
import { type AppliedRule, concernsGuests, type RuleSets } from "../rules";
import type { TagPlaces } from "../tag-index";
import type { World } from "../world";
import { Candidates } from "./candidates";
import { RuleBook } from "./rule-book";
import { kindText, Signatures } from "./signature";

/** What requests have in common that differ in their amounts only. */
export interface Kind {
  ask: Ask;
  /** Identifies the kind in tie-breaks; the same in every run. */
  hash: number;
  candidates: Candidates;
  /** See `Candidates.ringStart`. */
  ringStart: number;
  /** Lower-case. */
  tags: readonly string[];
  /** Soft rules about guests: their points change as guests are placed. */
  softGuestRules: readonly AppliedRule[];
  /** Guests that may not be where one of the kind goes. */
  apart: readonly { guests: TagPlaces; scope: Rule["scope"] }[];
  /** Of the kind's own tags: where others refuse them. */
  own: readonly TagPlaces[];
  hasSoundRules: boolean;
  hasPoolLimits: boolean;
  /** True when placing can only make scores and fit worse, never better: what a ranking needs. */
  worsensOnly: boolean;
}

/** The kinds of one run, each worked out once. Tags and rules about guests are part of a kind, but not of its candidates. */
export class Kinds {
  private readonly signatures = new Signatures();
  private readonly book: RuleBook;
  private readonly rules = new Map<number, RuleSets>();
  private readonly places = new Map<number, number>();
  private readonly placeNumbers = new Map<string, number>();
  private readonly kinds = new Map<number, Kind>();
  private readonly candidates = new Map<string, Candidates>();
  private readonly softGuestRules = new Map<readonly AppliedRule[], readonly AppliedRule[]>();

  constructor(private readonly world: World) {
    this.book = new RuleBook(world);
  }

  /** See `Signatures.ofKind`. */
  numberOf(request: PlacementRequest): number {
    return this.signatures.ofKind(request);
  }

  rulesOf(request: PlacementRequest, kind: number): RuleSets {
    const known = this.rules.get(kind);
    if (known !== undefined) return known;
    const rules = this.book.rulesOf(request, this.signatures.ofPool(request));
    this.rules.set(kind, rules);
    return rules;
  }

  /** Equal for kinds that differ at most in tags and in rules about other guests: the same places are open to them. */
  placesOf(request: PlacementRequest, kind: number): number {
    const known = this.places.get(kind);
    if (known !== undefined) return known;
    const own = this.ownPlaceRules(request, kind);
    const text = `${this.signatures.ofPool(request)} ${kindText({ ...request, tags: [], rules: own })}`;
    const places = this.placeNumbers.get(text) ?? this.placeNumbers.size;
    this.placeNumbers.set(text, places);
    this.places.set(kind, places);
    return places;
  }

  /** The request's own rules on places. The pool's may be thousands: they are not looked at for a request without any. */
  private ownPlaceRules(request: PlacementRequest, kind: number): Rule[] {
    if (request.rules.length === 0) return [];
    const { cluster, node, soft } = this.rulesOf(request, kind);
    return [...cluster, ...node, ...soft]
      .filter(({ origin, rule }) => origin === "guest" && !concernsGuests(rule, this.world.placeTags))
      .map(({ rule }) => rule);
  }

  /** Kinds of one pool mostly share the list. */
  private softGuestRulesOf({ soft }: RuleSets): readonly AppliedRule[] {
    const known = this.softGuestRules.get(soft);
    if (known !== undefined) return known;
    const rules = soft.filter(({ rule }) => concernsGuests(rule, this.world.placeTags));
    this.softGuestRules.set(soft, rules);
    return rules;
  }

  /** See `Signatures.ofNewcomer`. */
  newcomerNumberOf(request: PlacementRequest): number {
    return this.signatures.ofNewcomer(request);
  }

  /**
   * The kind of a request that has to find a new place. Of one that leaves a node it is known which cluster it is in, not
   * which node.
   */
  newcomerKindOf(request: PlacementRequest, number = this.newcomerNumberOf(request)): Kind {
    const known = this.kinds.get(number);
    if (known !== undefined) return known;
    const kind = this.build(request, number);
    this.kinds.set(number, kind);
    return kind;
  }

  private build(request: PlacementRequest, number: number): Kind {
    const { world } = this;
    const from = request.prior === undefined ? "" : `from ${request.prior.cluster}`;
    const prior = request.prior === undefined ? undefined : { cluster: request.prior.cluster, node: "", storages: [] };
    const rules = this.rulesOf(request, number);
    const ask = { ...askOfKind(request, world, rules), prior };
    const candidatesKey = `${this.placesOf(request, number)} ${from}`;
    const candidates = this.candidates.get(candidatesKey) ?? new Candidates(ask);
    this.candidates.set(candidatesKey, candidates);
    const softGuestRules = this.softGuestRulesOf(rules);
    const poolHash = this.book.poolHash(request, this.signatures.ofPool(request));
    const hash = mixHashes(poolHash, hashText(`${kindText(request)}${from}`));
    const tags = lowerCase(request.tags);
    return {
      ask,
      hash,
      candidates,
      ringStart: candidates.ringStart(hash),
      tags,
      softGuestRules,
      apart: rules.apart.map(({ rule }) => ({ guests: world.tags.counted(rule.value.toLowerCase()), scope: rule.scope })),
      own: tags.map((tag) => world.tags.of(tag)),
      hasSoundRules: this.book.isSound(request, this.signatures.ofPool(request)),
      hasPoolLimits: Object.values(request.pool?.limits ?? {}).some((limit) => limit !== undefined),
      worsensOnly:
        world.survival === undefined &&
        rules.together.length === 0 &&
        rules.spread.length === 0 &&
        softGuestRules.every(({ direction }) => direction === "away"),
    };
  }
}
