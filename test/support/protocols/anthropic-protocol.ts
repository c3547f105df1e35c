import { listIn, type Fields, type ScriptedProtocol } from './protocol-script.js';

const ID = /^[\w-]+$/;
const NAME = /^[\w-]{1,128}$/;
/** What Claude's signatures begin with here, and no other provider's. */
export const CLAUDE_SIGNATURE = 'signed-by-claude-';

/** Anthropic's Messages API. */
export const ANTHROPIC_SCRIPT: ScriptedProtocol = {
  name: 'anthropic',
  params: (origin) => ({ model: 'anthropic/claude-sonnet-4-5', api_base: origin, api_key: 'sk-anthropic' }),
  faultsIn(body) {
    const messages = listIn(body.messages);
    const faults = messages.flatMap((message, at) => messageFaults(message, messages[at - 1], `messages[${at}]`));
    if (messages[0]?.role !== 'user') faults.push('messages: the first is not of the user');
    for (const { name } of listIn(body.tools)) if (!NAME.test(String(name))) faults.push(`tools: the name ${String(name)}`);
    if (!Number.isInteger(body.max_tokens)) faults.push('max_tokens: Field required');
    return [...faults, ...thinkingFaults(body, messages)];
  },
};

function messageFaults({ role, content }: Fields, before: Fields | undefined, path: string): string[] {
  const faults: string[] = [];
  const blocks = listIn(content);
  if (content === '' || (Array.isArray(content) && blocks.length === 0)) faults.push(`${path}: must have content`);
  const asked = before?.role === 'assistant' ? listIn(before.content).filter(({ type }) => type === 'tool_use') : [];
  const results = blocks.filter(({ type }) => type === 'tool_result').map(({ tool_use_id: id }) => id);
  if (role === 'user' && asked.some(({ id }) => !results.includes(id))) faults.push(`${path}: a tool_use without its tool_result`);
  if (results.some((id) => !asked.some((use) => use.id === id))) faults.push(`${path}: a tool_result without its tool_use`);
  if (new Set(results).size < results.length) faults.push(`${path}: several results of one call`);
  if (blocks.slice(0, results.length).some(({ type }) => type !== 'tool_result')) faults.push(`${path}: a block before tool_results`);
  for (const { type, text, id, name, signature } of blocks) {
    if (type === 'text' && !/\S/.test(String(text))) faults.push(`${path}: a text without content`);
    if (type === 'tool_use' && !(ID.test(String(id)) && NAME.test(String(name)))) faults.push(`${path}: the call ${String(id)}`);
    if (type === 'thinking' && !String(signature).startsWith(CLAUDE_SIGNATURE)) faults.push(`${path}: Invalid signature`);
  }
  return faults;
}

/** With a budget, the model's last turn has to begin with its thinking. */
function thinkingFaults({ thinking, tool_choice: choice }: Fields, messages: readonly Fields[]): string[] {
  const { type } = (thinking ?? {}) as Fields;
  const faults: string[] = [];
  const last = messages.findLast(({ role }) => role === 'assistant');
  const content = listIn(last?.content);
  const calls = content.some((block) => block.type === 'tool_use');
  if (type === 'enabled' && calls && content[0].type !== 'thinking') faults.push('Expected `thinking`, but found another block');
  if ((type === 'enabled' || type === 'adaptive') && ['any', 'tool'].includes(String((choice as Fields | undefined)?.type)))
    faults.push('thinking with a forced tool');
  return faults;
}
