/** API calls that the cluster's own daemons make, without HTTP. */
import { performCall } from "./calls";
import { ApiError, type ApiReply, type AuthenticatedUser, type ClusterState, type Method } from "./kernel";
import { Router } from "./router";
import { routesOf } from "./routes";
import type { Era } from "./state";
import type { SimulatorWorld } from "./world";

export interface InternalCall {
  cluster: ClusterState;
  /** The node that is asked. */
  node: string;
  method: Method;
  path: string;
  params?: Record<string, unknown>;
  /** Default: root@pam. */
  user?: AuthenticatedUser;
}

const root: AuthenticatedUser = { authid: "root@pam", userid: "root@pam", isToken: false, isRoot: true };

export class InternalCalls {
  private readonly routers = new Map<Era, Router>();

  constructor(private readonly world: SimulatorWorld) {}

  /** Throws as {@link performCall}, and 501 for an unknown path. */
  async perform({ cluster, node, method, path, params = {}, user = root }: InternalCall): Promise<ApiReply> {
    const match = this.routerOf(cluster.era).find(method, path);
    if (!match) throw new ApiError(501, `Method '${method} ${path}' not implemented`);
    const { route, pathVariables } = match;
    return performCall(this.world, { cluster, node, method, path, route, pathVariables, parameters: params, user });
  }

  private routerOf(era: Era): Router {
    const router = this.routers.get(era) ?? new Router(routesOf(era));
    this.routers.set(era, router);
    return router;
  }
}
