import { listIn, pieces, SCRIPTED_USAGE, type Fields, type ScriptedAnswer, type ScriptedProtocol } from './protocol-script.js';

const { input, cached, output } = SCRIPTED_USAGE;
const THOUGHTS = 10;
const USAGE = {
  promptTokenCount: input,
  cachedContentTokenCount: cached,
  candidatesTokenCount: output - THOUGHTS,
  thoughtsTokenCount: THOUGHTS,
  totalTokenCount: input + output,
};
const NAME = /^[a-zA-Z_][\w.:-]{0,63}$/;
const SIGNATURE = 'gemini-';
/** Google's value for calls that no Gemini has signed. */
export const SKIPPED = Buffer.from('skip_thought_signature_validator').toString('base64');

/** Signatures of Gemini's own in a request. */
export function geminiSignaturesIn({ contents }: Fields): string[] {
  const signatures = listIn(contents).flatMap(({ parts }) => listIn(parts).map(({ thoughtSignature }) => thoughtSignature));
  return signatures.filter((signature): signature is string => typeof signature === 'string' && signature !== SKIPPED);
}

function partsOf({ thinking, text, calls = [] }: ScriptedAnswer, nextId: () => string): Fields[] {
  return [
    ...(thinking === undefined ? [] : [{ text: thinking, thought: true }]),
    ...(text === undefined ? [] : [{ text }]),
    ...calls.map(({ name, input: args }, index) => ({
      functionCall: { name, args, id: nextId() },
      ...(index === 0 && { thoughtSignature: Buffer.from(`${SIGNATURE}${nextId()}+/?`).toString('base64') }),
    })),
  ];
}

function chunk(parts: readonly Fields[], more: object = {}): object {
  return {
    candidates: [{ content: { role: 'model', parts }, index: 0, ...more }],
    usageMetadata: USAGE,
    modelVersion: 'gemini-3-pro-preview',
    responseId: 'r1',
  };
}

/** Gemini's generateContent. */
export const GEMINI_SCRIPT: ScriptedProtocol = {
  name: 'gemini',
  params: (origin) => ({ model: 'gemini/gemini-3-pro-preview', api_base: `${origin}/v1beta`, api_key: 'gemini-key' }),
  isStream: (path) => path.includes(':streamGenerateContent'),
  whole: (answer, nextId) => chunk(partsOf(answer, nextId), { finishReason: answer.isCut === true ? 'MAX_TOKENS' : 'STOP' }),
  stream(answer, nextId) {
    const parts = partsOf(answer, nextId).flatMap((part) =>
      typeof part.text === 'string' ? pieces(part.text).map((text) => ({ ...part, text })) : [part],
    );
    const events = [
      ...parts.map((part) => chunk([part])),
      chunk([{ text: '' }], { finishReason: answer.isCut === true ? 'MAX_TOKENS' : 'STOP' }),
    ];
    return { type: 'text/event-stream', body: events.map((event) => `data: ${JSON.stringify(event)}\r\n\r\n`).join('') };
  },
  faultsIn({ contents, tools }) {
    const turns = listIn(contents);
    const faults = turns.flatMap((turn, at) => turnFaults(turn, turns[at - 1], `contents[${at}]`));
    if (turns[0]?.role !== 'user') faults.push('contents: the first is not of the user');
    for (const tool of listIn(tools))
      for (const { name } of listIn(tool.functionDeclarations))
        if (!NAME.test(String(name))) faults.push(`tools: the name ${String(name)}`);
    return faults;
  },
  error: (code, message) => ({ error: { code, message, status: code === 400 ? 'INVALID_ARGUMENT' : 'UNAVAILABLE' } }),
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
