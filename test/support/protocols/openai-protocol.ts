import { listIn, type Fields, type ScriptedProtocol } from './protocol-script.js';

const NAME = /^[\w-]{1,64}$/;
/** OpenAI's limit of call ids. */
const LONGEST_ID = 40;
const FIELDS = new Set(['role', 'content', 'name', 'tool_calls', 'tool_call_id', 'refusal', 'audio']);
const PARTS: Readonly<Record<string, readonly string[]>> = {
  system: ['text'],
  user: ['text', 'image_url', 'file', 'input_audio'],
  assistant: ['text', 'refusal'],
  tool: ['text'],
};

/** OpenAI's chat, at Azure. */
export const OPENAI_SCRIPT: ScriptedProtocol = {
  name: 'openai',
  // Azure's deployments get what OpenAI's own API takes, at any address.
  params: (origin) => ({ model: 'azure/gpt-5.2', api_base: origin, api_key: 'azure-key', api_version: '2024-10-21' }),
  faultsIn({ messages, tools }) {
    const faults: string[] = [];
    let waiting: string[] = [];
    for (const [at, message] of listIn(messages).entries()) {
      const role = String(message.role);
      const path = `messages[${at}]`;
      for (const key of Object.keys(message)) if (!FIELDS.has(key)) faults.push(`Unknown parameter: ${path}.${key}`);
      if (role === 'tool') {
        const id = String(message.tool_call_id);
        if (!waiting.includes(id)) faults.push(`${path}: no tool call waits for ${id}`);
        waiting = waiting.filter((each) => each !== id);
      } else if (waiting.length > 0) faults.push(`${path}: no result of ${waiting.join()}`);
      for (const { type, ...part } of listIn(message.content)) {
        if (!PARTS[role].includes(String(type))) faults.push(`${path}: ${String(type)} in a message of ${role}`);
        if ('cache_control' in part) faults.push(`Unknown parameter: ${path}.content.cache_control`);
      }
      const calls = listIn(message.tool_calls);
      if (role === 'assistant') waiting = calls.map(({ id }) => String(id));
      for (const { id, function: called } of calls) {
        if (String(id).length > LONGEST_ID) faults.push(`${path}: the id ${String(id)} is too long`);
        if (!NAME.test(String((called as Fields).name))) faults.push(`${path}: the name ${String((called as Fields).name)}`);
      }
    }
    for (const { function: called } of listIn(tools)) if (!NAME.test(String((called as Fields).name))) faults.push('tools: a name');
    return faults;
  },
};
