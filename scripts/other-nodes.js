'use strict';

const { existsSync } = require('node:fs');
const { capture, npm } = require('./process.js');

const [own] = process.versions.node.split('.').map(Number);

/** The supported release lines of Node besides the one that runs this script. */
const OTHER_NODES = [20, 22, 24, 26].filter((line) => line !== own);

/** The newest of them, which differs most from the oldest, on which CI runs. */
const NEWEST_NODE = OTHER_NODES.at(-1);

/**
 * Installs the newest release of a line from the npm package `node` into npm's cache, or finds it
 * there.
 * @returns {Promise<string | undefined>} the path of its executable
 */
async function findNode(line) {
  const [command, args] = npm('exec', '--yes', `--package=node@${line}`, '--', 'node', '-p', 'process.execPath');
  const { code, output } = await capture(command, args, { timeoutMs: 300_000 });
  const path = output.trim().split('\n').at(-1);
  if (code === 0 && path !== undefined && existsSync(path)) return path;
  console.error(output);
  return undefined;
}

module.exports = { NEWEST_NODE, OTHER_NODES, findNode };
