/**
 * Ends the provider process when its engine is gone. The engine starts plugins in process groups of their own: a killed
 * `pulumi up` leaves this process at work, and the next run would meet a second actor on the same guests. Dying in the
 * middle is what every operation is made for.
 */
import { connect } from "node:net";

/** @param address `host:port` of the engine, the last argument of the provider process; anything else is ignored */
export function exitWithEngine(address: string | undefined): void {
  const match = /^([^\s:]+):(\d+)$/.exec(address ?? "");
  if (!match) return;
  watch(match[1]!, Number(match[2]), false);
}

function watch(host: string, port: number, wasConnected: boolean): void {
  let connected = false;
  const socket = connect({ host, port }, () => {
    connected = true;
  });
  socket.unref();
  // The engine drops connections that never speak; only one that cannot be made again says that it is gone.
  socket.on("close", () => {
    if (connected) watch(host, port, true);
    else if (wasConnected) process.exit(1);
  });
  socket.on("error", () => {
    // "close" follows and decides.
  });
  socket.resume();
}
