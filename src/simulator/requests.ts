/** How many requests arrived: by cluster and by method and path template. */
export class RequestCounter {
  private readonly counts = new Map<string, Map<string, number>>();

  count(cluster: string, method: string, template: string): void {
    const ofCluster = this.counts.get(cluster) ?? new Map<string, number>();
    this.counts.set(cluster, ofCluster);
    const key = `${method} ${template}`;
    ofCluster.set(key, (ofCluster.get(key) ?? 0) + 1);
  }

  report(): { total: number; clusters: Record<string, { total: number; methods: Record<string, number> }> } {
    const clusters: Record<string, { total: number; methods: Record<string, number> }> = {};
    let total = 0;
    for (const [cluster, counts] of this.counts) {
      const sum = [...counts.values()].reduce((left, right) => left + right, 0);
      clusters[cluster] = { total: sum, methods: Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1))) };
      total += sum;
    }
    return { total, clusters };
  }

  reset(): void {
    this.counts.clear();
  }
}
