import { isOwnField, withoutOwn } from './own-fields.js';

describe('own fields of a body', () => {
  it.each([
    ['cache', { 'no-cache': true }],
    ['user_config', { model_list: [] }],
    ['num_retries', 3],
    ['api_key', 'sk-clients-own'],
    ['azure_ad_token', 'token'],
    ['aws_secret_access_key', 'secret'],
    ['vertex_credentials', '{}'],
    ['litellm_params', { api_key: 'sk' }],
  ])('keeps %s from providers', (name, value) => {
    expect(isOwnField(name)).toBe(true);
    expect(withoutOwn({ model: 'm', [name]: value })).toEqual({ model: 'm' });
  });

  it.each(['messages', 'metadata', 'store', 'user', 'chat_template_kwargs', 'min_p', 'prompt_cache_key', 'web_search_options', 'provider'])(
    'sends %s to providers',
    (name) => {
      expect(isOwnField(name)).toBe(false);
    },
  );
});
