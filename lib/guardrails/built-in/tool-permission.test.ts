import { judge, localGuardrail } from '../../../test/support/built-in-guardrail.js';
import type { GuardrailVerdict } from '../guardrail.js';

const RULES = [
  { id: 'mail', tool_name: 'send_mail', decision: 'allow', allowed_param_patterns: { 'to[]': '.*@example\\.org', subject: '.{1,20}' } },
  { id: 'no-shell', tool_name: 'shell|bash.*', decision: 'deny' },
  { id: 'search', tool_type: 'web_search.*', decision: 'Allow' },
  { id: 'read', tool_name: 'read_.*', decision: 'allow' },
];

function offered(tools: readonly object[], params: object = { rules: RULES }): GuardrailVerdict {
  return judge(localGuardrail('tool_permission', params), [], { call: { body: { tools } } as never });
}

function called(tool: string, args: string, params: object = { rules: RULES }): GuardrailVerdict {
  const texts = [
    { kind: 'tool_name', text: tool, tool },
    { kind: 'arguments', text: args, tool },
  ] as const;
  return judge(localGuardrail('tool_permission', params), texts, { side: 'answer', mode: 'post_call' });
}

function reasonOf(verdict: GuardrailVerdict): unknown {
  return verdict !== undefined && 'block' in verdict ? verdict.block.details?.detection_message : undefined;
}

test.each([
  ['chat', { type: 'function', function: { name: 'shell' } }, "Tool 'shell' denied by rule 'no-shell'"],
  ['Messages', { name: 'bash_20250124', input_schema: {} }, "Tool 'bash_20250124' denied by rule 'no-shell'"],
  ['Responses', { type: 'function', name: 'delete_all' }, "Tool 'delete_all' denied by default action"],
  ['a hosted tool', { type: 'computer_use' }, "Tool 'computer_use' denied by default action"],
  ['Gemini', { functionDeclarations: [{ name: 'read_a' }, { name: 'shell' }] }, "Tool 'shell' denied by rule 'no-shell'"],
])('denies a request that offers a denied tool: %s', (_, tool, reason) => {
  const verdict = offered([{ type: 'function', function: { name: 'read_file' } }, tool]);
  expect(reasonOf(verdict)).toBe(reason);
  expect(verdict).toMatchObject({ block: { message: 'Violated guardrail policy' }, findings: [{ kind: 'tool', action: 'blocked' }] });
});

test('allows a request with allowed tools, whatever their arguments will be', () => {
  expect(offered([{ function: { name: 'read_file' } }, { type: 'web_search_preview' }, { name: 'send_mail' }])).toBeUndefined();
  expect(offered([])).toBeUndefined();
});

test.each([
  ['a denied tool', 'shell', '{}', "Tool 'shell' denied by rule 'no-shell'"],
  ['a tool that no rule names', 'x', '{}', "Tool 'x' denied by default action"],
  ['part of a name', 'xread_', '{}', "Tool 'xread_' denied by default action"],
  [
    'an argument',
    'send_mail',
    '{"to":["a@evil.org"],"subject":"s"}',
    "Tool 'send_mail' has an argument to[] that rule 'mail' does not allow",
  ],
  ['one of several', 'send_mail', '{"to":["a@example.org","b@evil.org"],"subject":"s"}', 'to[]'],
  ['an absent argument', 'send_mail', '{"to":["a@example.org"]}', 'subject'],
  ['arguments that are not JSON', 'send_mail', '{"to":', "Tool 'send_mail' has arguments that rule 'mail' cannot read"],
])('denies an answer that calls %s', (_, tool, args, reason) => {
  expect(reasonOf(called(tool, args))).toContain(reason);
});

test('allows an answer with allowed calls', () => {
  expect(called('send_mail', '{"to":["a@example.org"],"subject":"s"}')).toBeUndefined();
  expect(called('read_x', 'anything')).toBeUndefined();
  expect(called('x', '{}', { rules: RULES, default_action: 'allow' })).toBeUndefined();
});

test.each([
  [{ default_action: 'allow' }, 'rules: must have a rule that denies a tool'],
  [{ on_disallowed_action: 'rewrite' }, 'on_disallowed_action: must be'],
  [{ rules: [{ id: 'a', decision: 'deny' }] }, 'rules[0]: must have a tool_name or a tool_type'],
  [{ rules: [{ id: 'a', tool_name: '(', decision: 'deny' }] }, 'rules[0].tool_name: must be an expression of RE2'],
  [{ rules: [RULES[0], RULES[0]] }, 'rules[1].id: must be unique'],
  [{ rules: [{ id: 'a', tool_name: 'b', decision: 'no' }] }, 'rules[0].decision: must be'],
])('rejects %j', (params, message) => {
  expect(() => localGuardrail('tool_permission', params)).toThrow(message);
});
