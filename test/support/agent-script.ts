import type { Fields, ScriptedAnswer } from './protocols/protocol-script.js';

/** The prompt of the agents, and the answer they end with. */
export const CITY = 'Bern';
export const ANSWER = 'It is cold.';

/** A model that looks up the weather by a tool before it answers, and fills in each form that it is given. */
export function agentAnswer(_: number, body: Fields): ScriptedAnswer {
  const text = JSON.stringify(body);
  const form = /"(json|extract|json_tool_call|final_result|Place)"/.exec(text)?.[1];
  const input = { city: CITY };
  if (text.includes('cold in')) return { text: ANSWER };
  if (text.includes('"weather"')) return { calls: [{ name: 'weather', input }] };
  if (form !== undefined && /"(?:tools|toolConfig)"/.test(text)) return { calls: [{ name: form, input }] };
  return { text: JSON.stringify(input) };
}
