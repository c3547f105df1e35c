'use strict';
// The kinds of requests that are counted: which app answers them, and what is sent.

const MESSAGES = [
  { role: 'system', content: 'You are a helpful assistant. Answer in one paragraph, without lists.' },
  { role: 'user', content: 'Why is the sky blue during the day and red in the evening?' },
];
const chat = { model: 'gpt-4o', messages: MESSAGES };

/** `key`: fields of the key that the request sends. `bare`: the request to the bare app that is subtracted. */
const SCENARIOS = [
  { name: 'plain chat', app: 'plain', path: '/v1/chat/completions', body: chat, bare: 'whole' },
  {
    name: 'chat with a key and a limit',
    app: 'full',
    path: '/v1/chat/completions',
    body: chat,
    bare: 'whole',
    key: { rpm_limit: 1e6, tpm_limit: 1e9 },
  },
  {
    name: 'chat with a key, a limit and a budget',
    app: 'full',
    path: '/v1/chat/completions',
    body: chat,
    bare: 'whole',
    key: { rpm_limit: 1e6, tpm_limit: 1e9, max_budget: 1e6, budget_duration: '30d' },
  },
  {
    name: 'chat with a key, a limit and the spend log',
    app: 'logged',
    path: '/v1/chat/completions',
    body: chat,
    bare: 'whole',
    key: { rpm_limit: 1e6, tpm_limit: 1e9 },
  },
  {
    name: 'streamed chat (23 events)',
    app: 'full',
    path: '/v1/chat/completions',
    body: { ...chat, stream: true, stream_options: { include_usage: true } },
    bare: 'streamed',
    // Whether the network joins chunks decides how often a stream is read, here and in the bare app.
    allocationNoise: 0.15,
    key: { rpm_limit: 1e6, tpm_limit: 1e9 },
  },
  {
    name: 'Messages to Anthropic',
    app: 'full',
    path: '/v1/messages',
    body: { model: 'claude-sonnet-4-5', max_tokens: 100, system: MESSAGES[0].content, messages: [MESSAGES[1]] },
    bare: 'whole',
    key: { rpm_limit: 1e6, tpm_limit: 1e9 },
  },
  {
    name: 'embeddings',
    app: 'full',
    path: '/v1/embeddings',
    body: { model: 'text-embedding-3-small', input: MESSAGES[1].content },
    bare: 'whole',
    key: { rpm_limit: 1e6, tpm_limit: 1e9 },
  },
  { name: 'rejected by a limit', app: 'full', path: '/v1/chat/completions', body: chat, bare: 'whole', status: 429, key: { rpm_limit: 1 } },
  {
    name: 'the sample gateway: chat with a key',
    app: 'sample',
    path: '/v1/chat/completions',
    body: { ...chat, model: 'gpt-4o-mini' },
    bare: 'whole',
    key: { rpm_limit: 1e6, tpm_limit: 1e9 },
  },
];

const BARE = { whole: chat, streamed: { ...chat, stream: true } };

module.exports = { SCENARIOS, BARE };
