import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../../../test/support/until.js';
import type { CallEnd, HookedCall } from './call-hook.js';
import { CallJournal } from './call-journal.js';

let folder: string;
let file: string;
const lines: string[] = [];
const logger = { log: () => {}, warn: () => {}, error: (line: string) => void lines.push(line) };

beforeEach(() => {
  lines.length = 0;
  folder = mkdtempSync(join(tmpdir(), 'journal-'));
  file = join(folder, 'calls.jsonl');
});
afterEach(() => rmSync(folder, { recursive: true }));

const call = (id: number | string): HookedCall => ({
  id: String(id),
  operation: 'chat',
  model: 'm',
  stream: false,
  body: { messages: [{ content: 'secret prompt' }] },
  startedAt: new Date(0),
});
const end: CallEnd = { outcome: 'succeeded', durationMs: 1, attempts: 1, attemptEnds: [], inputTokens: 3, costUsd: 0.5 };
const firstLine = (): Promise<void> => until(() => lines.length > 0);
const written = (): Record<string, unknown>[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('a journal of calls', () => {
  it('is a line of JSON for each, without content', async () => {
    const journal = new CallJournal({ file, logger });
    journal.onEnd(call(1), end);
    journal.onEnd(call(2), {
      ...end,
      outcome: 'failed',
      error: Object.assign(new Error('quotes: secret prompt'), { code: 'PROVIDER_SERVER' }),
    });
    const principal = {
      limitKey: 'key:k',
      keyId: 'k',
      user: 'u',
      team: 't',
      tags: [],
      metadata: { note: 'secret' },
      isAdmin: false,
      mayCall: () => true,
    };
    journal.onEnd({ ...call(3), principal }, end);
    await journal.onApplicationShutdown();
    expect(written()).toEqual([
      { time: '1970-01-01T00:00:00.000Z', id: '1', operation: 'chat', model: 'm', stream: false, ...end },
      {
        time: '1970-01-01T00:00:00.000Z',
        id: '2',
        operation: 'chat',
        model: 'm',
        stream: false,
        ...end,
        outcome: 'failed',
        errorCode: 'PROVIDER_SERVER',
      },
      { time: '1970-01-01T00:00:00.000Z', id: '3', operation: 'chat', model: 'm', stream: false, keyId: 'k', user: 'u', team: 't', ...end },
    ]);
    expect(readFileSync(file, 'utf8')).not.toContain('secret');
    if (process.platform !== 'win32') expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('has whole lines of several writers, and all of them after close', async () => {
    const journals = Array.from({ length: 4 }, () => new CallJournal({ file, logger }));
    for (let i = 0; i < 5000; i++) {
      journals[i % 4].onEnd(call(`${i} ${'x'.repeat(i % 300)}`), end);
      if (i % 500 === 0) await new Promise(setImmediate);
    }
    await Promise.all(journals.map((journal) => journal.close()));
    expect(written()).toHaveLength(5000);
    expect(lines).toEqual([]);
  });

  it('counts the lines that do not fit into its queue', async () => {
    const journal = new CallJournal({ file, maxPending: 3, logger });
    for (let i = 0; i < 10; i++) journal.onEnd(call(i), end);
    await journal.close();
    expect(written().map(({ id, dropped }) => id ?? dropped)).toEqual(['0', '1', '2', 7]);
  });

  it('tries again where the disk fails, and loses no line', async () => {
    const missing = join(folder, 'later');
    file = join(missing, 'calls.jsonl');
    const journal = new CallJournal({ file, logger });
    journal.onEnd(call(1), end);
    await firstLine();
    expect(lines).toEqual([`Call journal: cannot write ${file} (ENOENT); retrying`]);
    const { mkdirSync } = await import('node:fs');
    mkdirSync(missing);
    journal.onEnd(call(2), end);
    await journal.close();
    expect(written().map(({ id }) => id)).toEqual(['1', '2']);
  });

  (process.platform === 'win32' ? it.skip : it)('closes where its file is a pipe that nothing reads', async () => {
    execFileSync('mkfifo', [file]);
    const journal = new CallJournal({ file, logger });
    journal.onEnd(call(1), end);
    await firstLine();
    await journal.close();
    expect(lines).toEqual([
      `Call journal: cannot write ${file} (ENXIO); retrying`,
      `Call journal: lost 1 line at shutdown (cannot write ${file})`,
    ]);
  });

  it('reports lost lines when it closes', async () => {
    const journal = new CallJournal({ file: join(folder, 'none', 'calls.jsonl'), logger });
    journal.onEnd(call(1), end);
    await journal.close();
    expect(lines.at(-1)).toMatch(/^Call journal: lost 1 line at shutdown/);
  });

  it.each([
    [{}, 'CallJournal.file: must be a non-empty string'],
    [{ file: 'x', maxPending: 0 }, 'CallJournal.maxPending: must be a positive integer'],
    [{ file: 'x', path: 'y' }, 'CallJournal.path: is not a known option'],
  ])('refuses the options %j', (options, message) => {
    expect(() => new CallJournal(options as never)).toThrow(message);
  });
});
