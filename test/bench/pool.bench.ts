import { writeFileSync } from 'node:fs';
import { benchArguments, commandLine } from './harness/arguments.js';
import { environment } from './harness/environment.js';
import { writeReport } from './harness/documents.js';
import { missedLines } from './harness/verdict.js';
import { leaseRows } from './pool/leases.js';
import { report, verdicts } from './pool/report.js';
import { requestRows } from './pool/requests.js';
import { startServer } from './pool/server.js';

const WIDTHS = [1, 10, 100];

const say = (line: string): void => console.error(line);

/**
 * `npm run bench -- pool`. `--only leases` or `--only requests` runs one part; `--engine` one
 * engine.
 */
export async function main(argv: readonly string[]): Promise<void> {
  const options = benchArguments(argv);
  const before = environment();
  const wants = (part: string): boolean => options.only.length === 0 || options.only.includes(part);
  const engines = (['native', 'typescript'] as const).filter((name) => options.engines.length === 0 || options.engines.includes(name));
  const server = await startServer();
  try {
    const leases = wants('leases') ? await leaseRows(server.origin, engines, options.quick) : [];
    say('leases: measured');
    // What is done to a request is the same on both engines.
    const requests = wants('requests') ? await requestRows(server.origin, WIDTHS, engines.slice(0, 1), options.quick, say) : [];
    const command = commandLine('pool', argv);
    const text = report(leases, requests, before, command);
    console.log(`\n${text}\n`);
    const targets = verdicts(leases, requests);
    console.log(missedLines(targets));
    if (options.json !== undefined) {
      writeFileSync(options.json, `${JSON.stringify({ ...before, command, leases, requests, targets }, null, 2)}\n`);
    }
    if (options.writeDocs) writeReport('pool', text);
  } finally {
    server.stop();
  }
}
