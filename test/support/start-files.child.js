'use strict';
// Starts a Nest app with the compiled package of a folder, and prints how many files of each room
// are loaded when it listens, and how many of all after the rest was loaded. Argument: the folder.

const { createRequire } = require('node:module');
const { join, sep } = require('node:path');

const folder = process.argv[2];
const from = createRequire(join(folder, 'package.json'));
const lib = join(folder, 'lib') + sep;

function loaded() {
  return Object.keys(from.cache).filter((path) => path.startsWith(lib));
}

function roomsOf(paths) {
  const rooms = {};
  for (const path of paths) {
    const parts = path.slice(lib.length).split(sep);
    const room = parts.length > 1 ? parts[0] : '.';
    rooms[room] = (rooms[room] ?? 0) + 1;
  }
  return rooms;
}

async function main() {
  from('reflect-metadata');
  const { Module } = from('@nestjs/common');
  const { NestFactory } = from('@nestjs/core');
  const { FastLiteLLMModule, TokenCounterService } = from(join(lib, 'index.js'));
  class AppModule {}
  Module({ imports: [FastLiteLLMModule.forRoot({ metrics: false, telemetry: false })] })(AppModule);
  const app = await NestFactory.create(AppModule, { logger: false });
  app.get(TokenCounterService).countTokens('Hello world', 'gpt-4');
  await app.listen(0, '127.0.0.1');
  const atStart = loaded();

  // The rest is loaded in turns of the event loop; it has ended when a turn adds none.
  for (let turns = 0; turns < 20;) {
    const before = loaded().length;
    await new Promise((resolve) => setImmediate(resolve));
    turns = loaded().length === before ? turns + 1 : 0;
  }
  const answer = app.get(TokenCounterService).countMessages([{ role: 'user', content: 'Hello' }], { model: 'gpt-4' });
  await app.close();
  process.stdout.write(JSON.stringify({ rooms: roomsOf(atStart), later: loaded().length - atStart.length, answer }));
}

main();
