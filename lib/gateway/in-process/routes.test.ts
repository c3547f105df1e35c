import { findRoute } from './routes.js';

it.each<[string, string, string | undefined, Record<string, string>?]>([
  ['POST', '/v1/chat/completions', 'chat'],
  ['POST', '/openai/deployments/a/chat/completions', 'chat'],
  ['POST', '/v1/completions', 'completions'],
  ['POST', '/v1/responses', 'responses'],
  ['POST', '/v1/responses/input_tokens', 'countResponseTokens'],
  ['POST', '/v1/messages/count_tokens', 'countMessageTokens'],
  ['GET', '/v1/chat/completions', undefined],
  ['POST', '/v1/chatcompletions', undefined],
  ['POST', '/v1/files', 'uploadFile'],
  ['GET', '/v1/files', 'listFiles'],
  ['GET', '/v1/files/a', 'retrieveFile', { id: 'a' }],
  ['GET', '/files/a', 'retrieveFile', { id: 'a' }],
  ['GET', '/openai/v1/files/a', 'retrieveFile', { id: 'a' }],
  ['GET', '/v1/proxy/v1/files/a', 'retrieveFile', { id: 'a' }],
  ['GET', '/v1/files/a/content', 'downloadFile', { id: 'a' }],
  ['GET', '/v1/files/a/other', undefined],
  ['GET', '/v1/files/a/content/b', undefined],
  ['DELETE', '/v1/files/a', 'deleteFile', { id: 'a' }],
  ['DELETE', '/v1/files/a/content', undefined],
  ['DELETE', '/v1/files', undefined],
  ['GET', '/v1/batches/a', 'retrieveBatch', { id: 'a' }],
  ['POST', '/v1/batches/a/cancel', 'cancelBatch', { id: 'a' }],
  ['POST', '/v1/batches/a', undefined],
  ['GET', '/v1/models/org%2Fm', 'model', { id: 'org/m' }],
  ['GET', '/v1/models/100%', 'model', { id: '100%' }],
  ['GET', '/other/v2/files/a', undefined],
])('findRoute of %s %s: %s', (method, pathname, name, params = {}) => {
  const found = findRoute(method, pathname);
  expect(found?.route.name).toBe(name);
  if (found !== undefined) expect(found.params).toEqual(params);
});
