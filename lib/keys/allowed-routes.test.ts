import { routeMatcher } from './allowed-routes.js';

it.each<[readonly string[], string, boolean]>([
  [['/v1/chat/completions'], 'chat/completions', true],
  [['/chat/completions'], '/v1/chat/completions?a=b', true],
  [['/v1/chat/completions'], '/chat/completions/more', false],
  [['/v1/chat'], '/chat/completions', false],
  [['/v1/files/*'], 'files/:id/content', true],
  [['/v1/files/*'], 'files', false],
  [['/v1/files/{file_id}'], 'files/:id', true],
  [['/v1/files/{file_id}'], 'files/:id/content', false],
  [['/v1/*/edits'], 'images/edits', true],
  [['/*'], '/anything', true],
  [['llm_api_routes'], 'messages/count_tokens', true],
  [['llm_api_routes'], '/key/info', false],
  [['openai_routes'], 'messages', false],
  [['anthropic_routes'], 'messages', true],
  [['info_routes'], '/key/info', true],
  [['info_routes'], '/key/generate', false],
  [['management_routes'], '/team/new', true],
  [['constructor'], '/constructor', true],
  [['toString'], 'chat/completions', false],
  [[], 'chat/completions', false],
])('routes %j allow %s: %s', (routes, path, isAllowed) => {
  expect(routeMatcher(routes)(path)).toBe(isAllowed);
});
