'use strict';
// The provider of the counted requests, in a process of its own: fixed answers of OpenAI's and Anthropic's APIs.

const { createServer } = require('node:http');

const chat = Buffer.from(
  JSON.stringify({
    id: 'chatcmpl-steps',
    object: 'chat.completion',
    created: 1_700_000_000,
    model: 'gpt-4o',
    choices: [{ index: 0, message: { role: 'assistant', content: 'The sky scatters blue light.' }, logprobs: null, finish_reason: 'stop' }],
    usage: { prompt_tokens: 60, completion_tokens: 72, total_tokens: 132 },
  }),
);
const embedding = Buffer.from(
  JSON.stringify({
    object: 'list',
    model: 'text-embedding-3-small',
    data: [{ object: 'embedding', index: 0, embedding: Array.from({ length: 64 }, (_, index) => index / 64) }],
    usage: { prompt_tokens: 4, total_tokens: 4 },
  }),
);
const message = Buffer.from(
  JSON.stringify({
    id: 'msg_steps',
    type: 'message',
    role: 'assistant',
    model: 'claude-sonnet-4-5',
    content: [{ type: 'text', text: 'The sky scatters blue light.' }],
    stop_reason: 'end_turn',
    stop_sequence: null,
    usage: { input_tokens: 60, output_tokens: 72, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 },
  }),
);

const CHUNKS = 20;
const event = (choices, more = {}) =>
  `data: ${JSON.stringify({ id: 'chatcmpl-steps', object: 'chat.completion.chunk', created: 1_700_000_000, model: 'gpt-4o', choices, ...more })}\n\n`;
const delta = (content) => event([{ index: 0, delta: { content }, finish_reason: null }]);

/** Each event in a turn of its own: the number of chunks that a gateway reads must not depend on the network. */
function stream(response) {
  const events = [
    ...Array.from({ length: CHUNKS }, (_, index) => delta(`word ${index} `)),
    event([{ index: 0, delta: {}, finish_reason: 'stop' }]),
    event([], { usage: { prompt_tokens: 60, completion_tokens: CHUNKS * 2, total_tokens: 60 + CHUNKS * 2 } }),
    'data: [DONE]\n\n',
  ];
  response.socket.setNoDelay(true);
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const write = () => {
    const next = events.shift();
    if (next === undefined) return response.end();
    response.write(next);
    setTimeout(write, 4);
  };
  write();
}

const server = createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const text = Buffer.concat(parts).toString();
    if (JSON.parse(text).stream === true) return stream(response);
    const body = request.url.endsWith('/embeddings') ? embedding : request.url.endsWith('/messages') ? message : chat;
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body);
  });
});
server.keepAliveTimeout = 600_000;
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
process.on('disconnect', () => process.exit());
