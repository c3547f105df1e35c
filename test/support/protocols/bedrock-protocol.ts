import { EventStreamCodec } from '@smithy/eventstream-codec';
import { CLAUDE_SIGNATURE } from './anthropic-protocol.js';
import { listIn, pieces, SCRIPTED_USAGE, type Fields, type ScriptedAnswer, type ScriptedProtocol } from './protocol-script.js';

const { input, cached, output } = SCRIPTED_USAGE;
const USAGE = {
  inputTokens: input - cached,
  outputTokens: output,
  totalTokens: input + output,
  cacheReadInputTokens: cached,
  cacheWriteInputTokens: 0,
};
const ID = /^[\w-]{1,64}$/;
const NAME = /^[a-zA-Z][\w-]{0,63}$/;
const codec = new EventStreamCodec(
  (bytes) => (typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('utf8')),
  (text) => Buffer.from(text),
);

function frame(type: string, payload: object): Buffer {
  const headers = { ':message-type': 'event', ':event-type': type, ':content-type': 'application/json' };
  const strings = Object.entries(headers).map(([name, value]) => [name, { type: 'string', value }] as const);
  return Buffer.from(codec.encode({ headers: Object.fromEntries(strings), body: Buffer.from(JSON.stringify(payload)) }));
}

function contentOf({ thinking, text, calls = [] }: ScriptedAnswer, nextId: () => string): Fields[] {
  return [
    ...(thinking === undefined
      ? []
      : [{ reasoningContent: { reasoningText: { text: thinking, signature: CLAUDE_SIGNATURE + nextId() } } }]),
    ...(text === undefined ? [] : [{ text }]),
    ...calls.map(({ name, input: given }) => ({ toolUse: { toolUseId: `tooluse_${nextId()}`, name, input: given } })),
  ];
}

function stopOf({ calls = [], isCut = false }: ScriptedAnswer): string {
  return isCut ? 'max_tokens' : calls.length > 0 ? 'tool_use' : 'end_turn';
}

function framesOf(block: Fields, contentBlockIndex: number): Buffer[] {
  const delta = (value: object): Buffer => frame('contentBlockDelta', { contentBlockIndex, delta: value });
  const { text, toolUse, reasoningContent } = block as {
    readonly text?: string;
    readonly toolUse?: { readonly input: unknown };
    readonly reasoningContent?: { readonly reasoningText: { readonly text: string; readonly signature: string } };
  };
  const frames: Buffer[] = [];
  if (reasoningContent !== undefined) {
    const { text: thinking, signature } = reasoningContent.reasoningText;
    frames.push(
      ...pieces(thinking).map((piece) => delta({ reasoningContent: { text: piece } })),
      delta({ reasoningContent: { signature } }),
    );
  } else if (toolUse !== undefined) {
    const { input: given, ...head } = toolUse;
    frames.push(frame('contentBlockStart', { contentBlockIndex, start: { toolUse: head } }));
    frames.push(...pieces(JSON.stringify(given)).map((piece) => delta({ toolUse: { input: piece } })));
  } else frames.push(...pieces(text ?? '').map((piece) => delta({ text: piece })));
  return [...frames, frame('contentBlockStop', { contentBlockIndex })];
}

/** Bedrock's Converse, before a Claude. */
export const BEDROCK_SCRIPT: ScriptedProtocol = {
  name: 'bedrock',
  params: (origin) => ({
    model: 'bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0',
    api_base: origin,
    api_key: 'bedrock-key',
    aws_region_name: 'us-east-1',
  }),
  isStream: (path) => path.endsWith('/converse-stream'),
  whole: (answer, nextId) => ({
    output: { message: { role: 'assistant', content: contentOf(answer, nextId) } },
    stopReason: stopOf(answer),
    usage: USAGE,
    metrics: { latencyMs: 1 },
  }),
  stream(answer, nextId) {
    const frames = [
      frame('messageStart', { role: 'assistant' }),
      ...contentOf(answer, nextId).flatMap(framesOf),
      frame('messageStop', { stopReason: stopOf(answer) }),
      frame('metadata', { usage: USAGE, metrics: { latencyMs: 1 } }),
    ];
    return { type: 'application/vnd.amazon.eventstream', body: Buffer.concat(frames) };
  },
  faultsIn({ messages, toolConfig, additionalModelRequestFields: more }) {
    const turns = listIn(messages);
    const faults = turns.flatMap((turn, at) => turnFaults(turn, turns[at - 1], `messages[${at}]`));
    if (turns[0]?.role !== 'user') faults.push('messages: the first is not of the user');
    for (const { toolSpec } of listIn((toolConfig as Fields | undefined)?.tools)) {
      const { name, description } = (toolSpec ?? { name: 'a', description: 'b' }) as Fields;
      if (!NAME.test(String(name)) || description === '') faults.push(`toolConfig: ${String(name)}`);
    }
    const hasTools = turns.some(({ content }) => listIn(content).some((block) => 'toolUse' in block));
    if (hasTools && toolConfig === undefined) faults.push('toolConfig: must be set where messages have tools');
    const last = listIn(turns.findLast(({ role }) => role === 'assistant')?.content);
    const { type } = ((more as Fields | undefined)?.thinking ?? {}) as Fields;
    if (type === 'enabled' && last.some((block) => 'toolUse' in block) && !('reasoningContent' in last[0]))
      faults.push('Expected `thinking`, but found another block');
    return faults;
  },
  error: (_, message) => ({ message }),
};

function turnFaults({ role, content }: Fields, before: Fields | undefined, path: string): string[] {
  const faults: string[] = [];
  const blocks = listIn(content);
  if (blocks.length === 0) faults.push(`${path}: no content`);
  if (before?.role === role) faults.push(`${path}: roles must alternate`);
  const asked = listIn(before?.content).flatMap(({ toolUse }) => (toolUse === undefined ? [] : [(toolUse as Fields).toolUseId]));
  const given = blocks.flatMap(({ toolResult }) => (toolResult === undefined ? [] : [(toolResult as Fields).toolUseId]));
  if (role === 'user' && asked.some((id) => !given.includes(id))) faults.push(`${path}: a toolUse without its toolResult`);
  if (given.some((id) => !asked.includes(id))) faults.push(`${path}: a toolResult without its toolUse`);
  if (new Set(given).size < given.length) faults.push(`${path}: several results of one call`);
  for (const { text, toolUse, reasoningContent } of blocks) {
    if (typeof text === 'string' && !/\S/.test(text)) faults.push(`${path}: a blank text`);
    const { toolUseId, name } = (toolUse ?? { toolUseId: 'a', name: 'a' }) as Fields;
    if (!ID.test(String(toolUseId)) || !NAME.test(String(name))) faults.push(`${path}: the call ${String(toolUseId)}`);
    const { reasoningText } = (reasoningContent ?? {}) as Fields;
    if (reasoningText !== undefined && !String((reasoningText as Fields).signature).startsWith(CLAUDE_SIGNATURE))
      faults.push(`${path}: Invalid signature`);
  }
  return faults;
}
