#!/usr/bin/env node
import { isSupportedNode } from './node-version.js';

/** A database or Redis may be connecting. */
const EXIT_MS = 200;

// `npx nestjs-fast-litellm`. A reader of the output may stop early, as `head` does.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
}
void run().then((code) => {
  process.exitCode = code;
  if (code !== 0) exitSoon();
});

/** Ends a failed command although connections are open, as after a failed start of `serve`. */
function exitSoon(): void {
  const exit = (): void => {
    const isRead = process.stdout.writableLength + process.stderr.writableLength === 0;
    if (isRead) process.exit();
    else exitSoon();
  };
  setTimeout(exit, EXIT_MS).unref();
}

/** Checks Node's version before loading code that an older Node cannot parse. */
async function run(): Promise<number> {
  const { argv, stdin, stdout, stderr, env, versions } = process;
  if (!isSupportedNode(versions.node)) {
    stderr.write(`nestjs-fast-litellm: requires Node 20.19, 22.12, or 24 and newer, but this is Node ${versions.node}\n`);
    return 1;
  }
  const { runCli } = await import('./cli.js');
  return runCli(argv.slice(2), { stdin, stdout, stderr, env });
}
