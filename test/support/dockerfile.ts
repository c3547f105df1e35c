/** One instruction of a Dockerfile. */
export interface Instruction {
  readonly name: string;
  /** Its text on one line, without comments. */
  readonly text: string;
}

/** The instructions after one `FROM`. */
export interface Stage {
  readonly base: string;
  /** Of `AS`. */
  readonly name: string | undefined;
  readonly instructions: readonly Instruction[];
}

/**
 * Reads the part of the format that this project uses: no here-documents and no `ONBUILD`.
 * @throws Error for a line that is not an instruction
 */
export function parseDockerfile(text: string): readonly Stage[] {
  const stages: { base: string; name: string | undefined; instructions: Instruction[] }[] = [];
  const lines = text.split('\n').filter((line) => !/^\s*(?:#|$)/.test(line));
  for (const line of lines.join('\n').replace(/\\\n/g, ' ').split('\n')) {
    const [, name, rest] = /^([A-Z]+) (.+)$/.exec(line) ?? [];
    if (name === undefined) throw new Error(`not an instruction: ${line}`);
    const words = rest.trim().replace(/\s+/g, ' ');
    if (name !== 'FROM') {
      stages.at(-1)?.instructions.push({ name, text: words });
      continue;
    }
    const [, base, as] = /^(?:--platform=\S+ )?(\S+)(?: AS (\S+))?$/.exec(words) ?? [];
    stages.push({ base, name: as, instructions: [] });
  }
  return stages;
}

/** The words of an instruction in its JSON form, such as `CMD ["node"]`. */
export function wordsOf(stage: Stage, name: string): readonly string[] {
  const { text } = stage.instructions.filter((one) => one.name === name).at(-1) ?? { text: '[]' };
  return JSON.parse(text.slice(text.indexOf('['))) as string[];
}

/** The variables that a stage sets. */
export function environmentOf(stage: Stage): Record<string, string> {
  const texts = stage.instructions.filter(({ name }) => name === 'ENV').flatMap(({ text }) => text.split(' '));
  return Object.fromEntries(texts.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]));
}
