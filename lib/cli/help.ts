import type { Command, CommandOption } from './command.js';
import { alignedLines } from './output.js';

/** Name of the program in its messages. */
export const PROGRAM = 'nestjs-fast-litellm';

const HELP: CommandOption = { type: 'boolean', short: 'h', help: 'show this help' };

/** The help of the program: its commands. */
export function programHelp(commands: Readonly<Record<string, { readonly summary: string }>>): string {
  const rows = Object.entries(commands).map(([name, { summary }]) => [`  ${name}`, summary]);
  return [
    `Usage: ${PROGRAM} <command> [options]`,
    '',
    'Commands:',
    ...alignedLines(rows),
    '',
    `${PROGRAM} <command> --help shows the options of a command, ${PROGRAM} --version the version.`,
    '',
  ].join('\n');
}

/** The help of one command. */
export function commandHelp(name: string, summary: string, { operands, options, notes = [] }: Command): string {
  const shown = Object.entries({ ...options, help: HELP }).filter(([, { isHidden }]) => isHidden !== true);
  const rows = shown.map(([option, about]) => [`  ${spelling(option, about)}`, about.help]);
  return [
    `Usage: ${PROGRAM} ${name} [options]${operands === undefined ? '' : ` ${operands}`}`,
    '',
    `${summary}.`,
    '',
    'Options:',
    ...alignedLines(rows),
    ...(notes.length === 0 ? [] : ['', ...notes]),
    '',
  ].join('\n');
}

/** `-m, --model <name>`. */
function spelling(option: string, { short, value }: CommandOption): string {
  return `${short === undefined ? '    ' : `-${short}, `}--${option}${value === undefined ? '' : ` <${value}>`}`;
}
