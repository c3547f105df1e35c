'use strict';
// `node scripts/commit-subjects.js BASE`: fails if a commit since BASE has a subject of more than
// 72 characters.

const { execFileSync } = require('node:child_process');

const MAX_LENGTH = 72;
const base = process.argv[2] ?? 'origin/main';
const subjects = execFileSync('git', ['log', '--no-merges', '--format=%s', `${base}..HEAD`], { encoding: 'utf8' }).split('\n');
const tooLong = subjects.filter((subject) => subject.length > MAX_LENGTH);
for (const subject of tooLong)
  console.error(`commit subject: must have at most ${MAX_LENGTH} characters, got ${subject.length}: ${subject}`);
process.exitCode = tooLong.length > 0 ? 1 : 0;
