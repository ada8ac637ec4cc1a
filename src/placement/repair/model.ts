import type { PlacementRequest } from "../model";
import type { NodeState } from "../world";
import type { Cost } from "./cost";

/**
 * A small joint placement as plain figures: which guests may be where, what they take there, who may not be with whom.
 * The search and the exact mode read the same model, so that one proves the other. Guests outside the model are part of
 * what is taken already.
 */
export interface RepairModel {
  nodes: readonly NodeState[];
  items: readonly Item[];
  resources: readonly Resource[];
  /** `conflicts[i * items + j]`: two items that may not share a node ({@link SAME_NODE}) or not even a cluster. */
  conflicts: Uint8Array;
  company: readonly Company[];
}

export const SAME_NODE = 1;
export const SAME_CLUSTER = 2;

/** Something of which there is only so much: cores of a node, bytes of a storage, guests of a cluster, a pool's limit. */
export interface Resource {
  name: string;
  kind: "cores" | "memory" | "other";
  /** The node whose cores or memory it is, -1 for other kinds. */
  node: number;
  capacity: number;
  /** Taken by what is not in the model. */
  taken: number;
  /** Somebody outside the model is a newcomer here, so that the capacity holds whoever else stays. */
  hasNewcomer: boolean;
}

/** A guest whose place is to be decided. */
export interface Item {
  request: PlacementRequest;
  /** Its options, staying first. */
  options: readonly Option[];
  /** Node it is on, -1 for a new guest. */
  home: number;
  /** What it goes on taking when it stays although it may not; nothing for a new guest. */
  unplaced: readonly Use[];
  /** True for a guest that has to be decided: new, or its prior place breaks a rule. Others are moved only to make room. */
  isTroubled: boolean;
}

export interface Option {
  node: number;
  stays: boolean;
  cost: Cost;
  uses: readonly Use[];
  /** The higher the better among equal costs. */
  score: number;
}

export interface Use {
  resource: number;
  amount: number;
  /**
   * True for who asks for something it does not have here. A resource may be overfull with those who were there before;
   * nobody who asks may come to it then.
   */
  asks: boolean;
}

/** A hard rule of an item to be with a guest that carries a tag. */
export interface Company {
  item: number;
  scope: "node" | "cluster";
  /** Items that carry the tag, without the item itself. */
  carriers: readonly number[];
  /** Nodes on which (or in whose cluster) a guest outside the model carries it. */
  satisfiedNodes: ReadonlySet<number>;
}

/** A place for each item: an index into its options, or {@link NOWHERE}. */
export type Assignment = readonly number[];

/** Stays where it is against the rules; a new guest gets no place. */
export const NOWHERE = -1;
