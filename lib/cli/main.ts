#!/usr/bin/env node
import { runCli } from './cli.js';

// `npx nestjs-fast-litellm`. A reader of the output may stop early, as `head` does.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
}
const { stdin, stdout, stderr, env } = process;
void runCli(process.argv.slice(2), { stdin, stdout, stderr, env }).then((code) => (process.exitCode = code));
