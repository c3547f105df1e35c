import { runChaos } from './chaos-run.js';

/**
 * `node --require ./test/support/typescript-hook.js test/chaos/main.ts [MINUTES] [SEED]`: a long
 * run.
 */
async function main([minutes = '10', seed = String(Date.now())]: string[]): Promise<void> {
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  say(`${minutes} minutes, seed ${seed}`);
  const report = await runChaos({ seconds: Number(minutes) * 60, inFlight: 64, seed: Number(seed), say });
  say(JSON.stringify(report, null, 2));
}

void main(process.argv.slice(2));
