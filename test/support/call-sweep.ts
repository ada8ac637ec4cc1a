/** Work that is interrupted at every call, and run again. */
import { type FakeWorld, type Fault, matters } from "./fake-world";

/**
 * Runs `act` with that fault at each of its calls in turn, on a world of its own each time, and then again without.
 *
 * @param begin makes the world that `act` finds
 * @param check what is not as it should be once `act` has ended
 * @returns that, with the call at which the fault was
 */
export async function sweepCalls(
  fault: Fault,
  begin: () => Promise<FakeWorld>,
  act: () => Promise<unknown>,
  check: () => string[],
): Promise<string[]> {
  const undisturbed = await begin();
  const before = undisturbed.calls.length;
  await act();
  const found = check().map((problem) => `undisturbed: ${problem}`);
  const points = undisturbed.calls.slice(before).filter((call) => matters(call, fault));
  if (points.length === 0) found.push(`there is no call for ${fault}: nothing was tried`);
  for (const { index } of points) {
    const world = await begin();
    world.fault = (call) => (call.index === index ? fault : undefined);
    await act().catch((error: unknown) => {
      if (!(error instanceof Error)) throw error;
    });
    const at = world.calls[index - 1]!;
    world.fault = () => undefined;
    world.revive(2_000);
    const problems = await act().then(check, (error: Error) => [error.message]);
    for (const problem of problems) found.push(`${index} ${at.cluster} ${at.name}: ${problem}`);
  }
  return found;
}
