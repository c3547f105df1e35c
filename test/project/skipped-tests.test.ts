import { postgresUrl } from '../support/jest-setup.js';

describe('tests that need PostgreSQL', () => {
  it('are skipped with one line if no server answers', async () => {
    const lines: string[] = [];
    const url = await postgresUrl(undefined, { usual: 'postgres://127.0.0.1:1/x', say: (line) => void lines.push(line) });
    expect([url, lines]).toEqual([
      '',
      ['No PostgreSQL at postgres://127.0.0.1:1/x (ECONNREFUSED): its tests are skipped. Start one, or set POSTGRES_URL.'],
    ]);
  });

  it('run on the server that POSTGRES_URL names, whether it answers or not', async () => {
    const lines: string[] = [];
    expect(await postgresUrl('postgres://127.0.0.1:1/x', { say: (line) => void lines.push(line) })).toBe('postgres://127.0.0.1:1/x');
    expect(lines).toEqual([]);
  });
});
