import { FastLiteLLM, type PerformanceComparison } from '../../../lib/index.js';

const CAPABILITIES = ['token_counting', 'rate_limiting', 'routing', 'connection_pooling'];

/** Prints what comparisons of both engines say: at first, when awaited, and after that. The environment decides. */
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
