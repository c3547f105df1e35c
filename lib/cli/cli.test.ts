import { VERSION } from '../common/version.js';
import { runCommand } from '../../test/support/command-run.js';

describe('npx nestjs-fast-litellm', () => {
  it.each(['--help', '-h', 'help'])('lists its commands with %s', async (flag) => {
    const { code, out } = await runCommand([flag]);
    expect(code).toBe(0);
    expect(out).toMatch(/^Usage: nestjs-fast-litellm <command>/);
    expect(out).toMatch(/^ {2}count {2,}\S/m);
  });

  it('lists them with exit code 2 without a command', async () => {
    expect(await runCommand([])).toMatchObject({ code: 2, out: expect.stringContaining('Commands:') });
  });

  it.each(['--version', '-v'])('shows its version with %s', async (flag) => {
    expect(await runCommand([flag])).toEqual({ code: 0, out: `${VERSION}\n`, err: '' });
  });

  it('shows the options of a command', async () => {
    const { code, out } = await runCommand(['count', '--help']);
    expect(code).toBe(0);
    expect(out).toMatch(/^Usage: nestjs-fast-litellm count \[options\] \[files…\]$/m);
    expect(out).toMatch(/^ {2}-m, --model <name> {2}/m);
    expect(out).toMatch(/^ {6}--json {2,}/m);
    expect(out).toMatch(/^ {2}-h, --help {2,}/m);
  });

  it.each([
    [['cuont'], "unknown command 'cuont' (did you mean count?)"],
    [['constructor'], "unknown command 'constructor'"],
    [['count', '--modle', 'x'], "Unknown option '--modle' (did you mean model?)"],
    [['count', '--model'], "Option '-m, --model <value>' argument missing"],
    [['count', '--json=1'], "Option '--json' does not take an argument"],
    [['count', '--limit', '1e3', 'x'], "--limit: must be an integer of at least 0, got '1e3'"],
    [['count', '--output-tokens=-1', 'x'], "--output-tokens: must be an integer of at least 0, got '-1'"],
    [['count'], 'must be followed by files'],
  ])('says what is wrong with %j, with exit code 2', async (args, message) => {
    expect(await runCommand(args)).toEqual({ code: 2, out: '', err: expect.stringContaining(message) });
  });
});
