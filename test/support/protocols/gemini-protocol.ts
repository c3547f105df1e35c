import { listIn, type Fields, type ScriptedProtocol } from './protocol-script.js';

const NAME = /^[a-zA-Z_][\w.:-]{0,63}$/;
const SIGNATURE = 'gemini-';
/** Google's value for calls that no Gemini has signed. */
export const SKIPPED = Buffer.from('skip_thought_signature_validator').toString('base64');

/** Signatures of Gemini's own in a request. */
export function geminiSignaturesIn({ contents }: Fields): string[] {
  const signatures = listIn(contents).flatMap(({ parts }) => listIn(parts).map(({ thoughtSignature }) => thoughtSignature));
  return signatures.filter((signature): signature is string => typeof signature === 'string' && signature !== SKIPPED);
}

/** Gemini's generateContent. */
export const GEMINI_SCRIPT: ScriptedProtocol = {
  name: 'gemini',
  params: (origin) => ({ model: 'gemini/gemini-3-pro-preview', api_base: `${origin}/v1beta`, api_key: 'gemini-key' }),
  faultsIn({ contents, tools }) {
    const turns = listIn(contents);
    const faults = turns.flatMap((turn, at) => turnFaults(turn, turns[at - 1], `contents[${at}]`));
    if (turns[0]?.role !== 'user') faults.push('contents: the first is not of the user');
    for (const tool of listIn(tools))
      for (const { name } of listIn(tool.functionDeclarations))
        if (!NAME.test(String(name))) faults.push(`tools: the name ${String(name)}`);
    return faults;
  },
};

function turnFaults({ role, parts }: Fields, before: Fields | undefined, path: string): string[] {
  const faults: string[] = [];
  const own = listIn(parts);
  if (own.length === 0) faults.push(`${path}: no parts`);
  const asked = listIn(before?.parts).flatMap(({ functionCall }) => (functionCall === undefined ? [] : [functionCall as Fields]));
  const given = own.flatMap(({ functionResponse }) => (functionResponse === undefined ? [] : [functionResponse as Fields]));
  if (asked.length !== given.length) faults.push(`${path}: ${given.length} responses for ${asked.length} calls`);
  if (given.some(({ name }, at) => name !== asked[at]?.name)) faults.push(`${path}: a response of another function`);
  const calls = own.filter(({ functionCall }) => functionCall !== undefined);
  if (calls.length > 0 && role !== 'model') faults.push(`${path}: a call of the user`);
  for (const [at, { thoughtSignature: signature }] of calls.entries()) {
    if (at === 0 && signature === undefined) faults.push(`${path}: Function call is missing a thought_signature`);
    if (typeof signature !== 'string' || signature === SKIPPED) continue;
    if (!Buffer.from(signature, 'base64').toString().startsWith(SIGNATURE)) faults.push(`${path}: Invalid thought_signature`);
  }
  return faults;
}
