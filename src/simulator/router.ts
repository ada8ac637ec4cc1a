/** Finds the route of a path. A fixed segment counts more than a variable; `{volume}` takes the rest of the path. */
import type { Method, Route } from "./kernel";

/** Variables whose shape decides whether a path exists at all: another text there is an unknown path (501). */
const segmentPatterns: Record<string, RegExp> = { tokenid: /^[A-Za-z0-9._-]+$/, poolid: /^[^/]+$/ };
/** Variables that may contain slashes. */
const restVariables = new Set(["volume"]);

interface Branch<R> {
  fixed: Map<string, Branch<R>>;
  variables: { name: string; branch: Branch<R> }[];
  routes: Map<Method, R>;
}

type Address = Pick<Route, "method" | "path">;

export interface Match<R extends Address = Route> {
  route: R;
  pathVariables: Record<string, string>;
}

export class Router<R extends Address = Route> {
  private readonly root: Branch<R> = newBranch();

  constructor(routes: readonly R[]) {
    for (const route of routes) this.add(route);
  }

  /** `path` is decoded and begins with a slash. */
  find(method: string, path: string): Match<R> | undefined {
    const segments = path.split("/").filter((segment) => segment !== "");
    return descend(this.root, segments, 0, method, {});
  }

  private add(route: R): void {
    let branch = this.root;
    for (const segment of route.path.split("/").filter((part) => part !== "")) {
      const variable = /^\{(.+)\}$/.exec(segment)?.[1];
      if (variable === undefined) {
        const next = branch.fixed.get(segment) ?? newBranch<R>();
        branch.fixed.set(segment, next);
        branch = next;
      } else {
        let next = branch.variables.find((candidate) => candidate.name === variable);
        if (!next) {
          next = { name: variable, branch: newBranch() };
          branch.variables.push(next);
        }
        branch = next.branch;
      }
    }
    if (branch.routes.has(route.method)) throw new Error(`two routes for ${route.method} ${route.path}`);
    branch.routes.set(route.method, route);
  }
}

function descend<R extends Address>(
  branch: Branch<R>,
  segments: string[],
  index: number,
  method: string,
  variables: Record<string, string>,
): Match<R> | undefined {
  const segment = segments[index];
  if (segment === undefined) {
    const route = branch.routes.get(method as Method);
    return route && { route, pathVariables: variables };
  }
  const fixed = branch.fixed.get(segment);
  const found = fixed && descend(fixed, segments, index + 1, method, variables);
  if (found) return found;
  for (const { name, branch: next } of branch.variables) {
    if (segmentPatterns[name]?.test(segment) === false) continue;
    const match = descend(next, segments, index + 1, method, { ...variables, [name]: segment });
    if (match) return match;
    if (!restVariables.has(name)) continue;
    const route = next.routes.get(method as Method);
    if (route) return { route, pathVariables: { ...variables, [name]: segments.slice(index).join("/") } };
  }
  return undefined;
}

function newBranch<R>(): Branch<R> {
  return { fixed: new Map(), variables: [], routes: new Map() };
}
