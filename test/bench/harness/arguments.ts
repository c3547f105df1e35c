import { parseArgs } from 'node:util';

/** What a bench can be asked for on its command line. */
export interface BenchArguments {
  /** Few rounds and few rows: shows that the bench works, not how fast anything is. */
  readonly quick: boolean;
  /** Only contenders whose name contains one of these. */
  readonly engines: readonly string[];
  /** Only rows whose name contains one of these. */
  readonly only: readonly string[];
  /** Another checkout, whose compiled package is measured next to this one. */
  readonly before?: string;
  /** How long a bench that searches does so for each of its subjects. */
  readonly seconds?: number;
  /** Where the raw figures go. */
  readonly json?: string;
  /** Write the tables of docs/benchmarks.md. Default: only after a full run. */
  readonly writeDocs: boolean;
}

/** Throws on an unknown option, with Node's own message, and on `--seconds` that are no number. */
export function benchArguments(argv: readonly string[]): BenchArguments {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      quick: { type: 'boolean', default: false },
      engine: { type: 'string', default: '' },
      only: { type: 'string', default: '' },
      before: { type: 'string' },
      seconds: { type: 'string' },
      json: { type: 'string' },
      'write-docs': { type: 'boolean' },
    },
  });
  const list = (text: string): string[] =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean);
  const seconds = values.seconds === undefined ? undefined : Number(values.seconds);
  if (seconds !== undefined && !(seconds > 0)) throw new Error(`--seconds: must be a positive number, got ${values.seconds}`);
  const [engines, only] = [list(values.engine), list(values.only)];
  return {
    quick: values.quick,
    engines,
    only,
    before: values.before,
    seconds,
    json: values.json,
    writeDocs: values['write-docs'] ?? (!values.quick && engines.length === 0 && only.length === 0),
  };
}

/** The command for a table, without paths of this machine. No `name`: all benches. */
export function commandLine(name: string | undefined, argv: readonly string[]): string {
  const isShown = (arg: string, index: number): boolean =>
    !/^--(json|write-docs)\b/.test(arg) && !['--json', '--before'].includes(argv[index - 1]);
  const shown = argv.filter(isShown).map((arg) => arg.replace(/^(--before)(=.*)?$/, '$1 DIR'));
  const words = [
    'npm run bench',
    ...(name === undefined && shown.length === 0 ? [] : ['--']),
    ...(name === undefined ? [] : [name]),
    ...shown,
  ];
  return words.join(' ');
}
