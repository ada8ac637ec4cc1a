/** Share of the budget that the rehearsal takes. */
const REHEARSAL = 0.2;
/** The main pass starts at the temperature at which the rehearsal's cost had come within this factor of its last. */
const START_FACTOR = 5;
/** Share of the main pass that is spread evenly over the logarithm of the temperature. */
const EVEN_SHARE = 0.3;
/** Steps of temperature into which the main pass is divided. */
const BANDS = 40;
/** The last temperature as a share of the best cost: gains of that size no longer matter. */
const COLD_SHARE = 3e-6;
/** The lowest temperature at all: costs are whole numbers, and far below 1 nothing more is accepted that adds to them. */
const COLDEST = 0.05;

/**
 * The temperature of simulated annealing over a budget, in two passes. At which temperatures the cost falls differs by
 * orders of magnitude from problem to problem. So a short rehearsal cools evenly from hot to cold and notes how the cost
 * falls; the main pass starts where that begins to matter and takes its time where it fell most.
 */
export class CoolingSchedule {
  /** What the rehearsal saw: natural logarithms of the temperature and the cost. */
  private readonly rehearsed: { temperature: number; cost: number }[] = [];
  /** Logarithm of the temperature at which the main pass starts. */
  private start = 0;
  /** The part of the main pass that is over when each band ends; rising, the last is 1. */
  private bandEnds: readonly number[] = [];

  /** @param hot the first temperature, in units of cost */
  constructor(private readonly hot: number) {}

  /** @param used how much of the budget is used, 0 to 1, never less than the time before */
  temperature(used: number, cost: number, best: number): number {
    const end = Math.log(Math.min(this.hot, Math.max(COLDEST, COLD_SHARE * best)));
    if (used < REHEARSAL) {
      const hot = Math.log(this.hot);
      const temperature = hot + ((end - hot) * used) / REHEARSAL;
      this.rehearsed.push({ temperature, cost: Math.log(cost + 1) });
      return Math.exp(temperature);
    }
    if (this.bandEnds.length === 0) this.planMainPass(end);
    return Math.exp(this.start + (end - this.start) * this.progressOfCooling((used - REHEARSAL) / (1 - REHEARSAL)));
  }

  private planMainPass(end: number): void {
    const { rehearsed } = this;
    const last = rehearsed[rehearsed.length - 1]?.cost ?? 0;
    const first = rehearsed.findIndex(({ cost }) => cost <= last + Math.log(START_FACTOR));
    this.start = rehearsed[first]?.temperature ?? Math.log(this.hot);
    let next = Math.max(0, first);
    let lowest = rehearsed[next]?.cost ?? 0;
    const falls = Array.from({ length: BANDS }, (_, band) => {
      const bandEnd = this.start + ((end - this.start) * (band + 1)) / BANDS;
      const before = lowest;
      for (; next < rehearsed.length && rehearsed[next]!.temperature >= bandEnd; next++) lowest = Math.min(lowest, rehearsed[next]!.cost);
      // The root keeps single bands from taking everything: the rehearsal was short and its curve is rough.
      return Math.sqrt(before - lowest);
    });
    const sum = falls.reduce((total, fall) => total + fall, 0);
    let over = 0;
    this.bandEnds = falls.map((fall) => {
      over += sum === 0 ? 1 / BANDS : EVEN_SHARE / BANDS + ((1 - EVEN_SHARE) * fall) / sum;
      return over;
    });
  }

  /** How much of the way from the start to the end temperature (in logarithms) is done. */
  private progressOfCooling(used: number): number {
    const band = this.bandEnds.findIndex((end) => used < end);
    if (band < 0) return 1;
    const begin = band === 0 ? 0 : this.bandEnds[band - 1]!;
    return (band + (used - begin) / (this.bandEnds[band]! - begin)) / BANDS;
  }
}
