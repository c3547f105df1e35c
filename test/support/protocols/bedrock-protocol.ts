import { CLAUDE_SIGNATURE } from './anthropic-protocol.js';
import { listIn, type Fields, type ScriptedProtocol } from './protocol-script.js';

const ID = /^[\w-]{1,64}$/;
const NAME = /^[a-zA-Z][\w-]{0,63}$/;
/** Bedrock's Converse, before a Claude. */
export const BEDROCK_SCRIPT: ScriptedProtocol = {
  name: 'bedrock',
  params: (origin) => ({
    model: 'bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0',
    api_base: origin,
    api_key: 'bedrock-key',
    aws_region_name: 'us-east-1',
  }),
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
