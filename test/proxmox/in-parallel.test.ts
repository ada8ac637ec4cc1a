import { expect, test } from "vitest";
import { inParallel } from "../../src/proxmox";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test("asks for at most eight at once, and gives the answers in the order of the questions", async () => {
  let open = 0;
  let most = 0;
  const numbers = Array.from({ length: 30 }, (_, index) => index);
  const squares = await inParallel(numbers, async (number) => {
    most = Math.max(most, ++open);
    // Later ones answer sooner.
    for (let turns = 30 - number; turns > 0; turns--) await turn();
    open--;
    return number * number;
  });
  expect(squares).toEqual(numbers.map((number) => number * number));
  expect(most).toBe(8);
});

test("one failure is the failure of all", async () => {
  const work = async (number: number) => {
    await turn();
    if (number === 2) throw new Error("node b is away");
    return number;
  };
  await expect(inParallel([1, 2, 3], work)).rejects.toThrow("node b is away");
});

test("nothing to ask is nothing answered", async () => {
  expect(await inParallel([], () => Promise.reject(new Error("not called")))).toEqual([]);
});
