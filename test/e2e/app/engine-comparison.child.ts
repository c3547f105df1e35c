import { FastLiteLLM } from '../../../lib/fast-litellm.js';
import type { PerformanceComparison } from '../../../lib/monitor/comparison.js';

const CAPABILITIES = ['token_counting', 'rate_limiting', 'routing', 'connection_pooling'];

/** Prints comparisons of both engines: the first one, an awaited one, and a later one. */
async function main(): Promise<void> {
  const { monitor } = new FastLiteLLM();
  const compare = (name: string): PerformanceComparison => monitor.compareImplementations(`rust_${name}`, `typescript_${name}`);
  const report: Record<string, readonly PerformanceComparison[]> = {};
  for (const name of CAPABILITIES) {
    const first = compare(name);
    const awaited = await monitor.compareImplementationsAsync(`rust_${name}`, `typescript_${name}`);
    report[name] = [first, awaited, compare(name)];
  }
  const counted = Object.values(monitor.getPerformanceStats()).map(({ totalCalls }) => totalCalls);
  process.stdout.write(JSON.stringify({ report, counted }));
}

void main();
