/** LiteLLM's names of groups of routes. Paths are without `/v1`, which makes no difference. */
const OPENAI =
  `/chat/completions /completions /embeddings /responses /responses/* /images/* /audio/* /moderations /rerank /files /files/* /batches
  /batches/* /models /models/*`.split(/\s+/);
const ANTHROPIC = ['/messages', '/messages/count_tokens', '/messages/batches', '/messages/batches/*'];
const GOOGLE = ['generateContent', 'streamGenerateContent', 'countTokens', 'embedContent', 'batchEmbedContents'].map(
  (method) => `/v1beta/models/{model}:${method}`,
);
const GOOGLE_MODELS = ['/v1beta/models', '/v1beta/models/{model}'];
const GROUPS: Readonly<Record<string, readonly string[]>> = {
  openai_routes: OPENAI,
  anthropic_routes: ANTHROPIC,
  google_routes: [...GOOGLE, ...GOOGLE_MODELS],
  llm_api_routes: [...OPENAI, ...ANTHROPIC, ...GOOGLE, ...GOOGLE_MODELS],
  info_routes: '/key/info /team/info /team/list /user/info /model/info /v2/model/info /model_group/info /models /models/*'.split(' '),
  management_routes: '/key/* /team/* /user/* /budget/* /customer/* /end_user/* /organization/*'.split(' '),
  spend_tracking_routes: '/spend/* /global/spend/* /user/daily/* /team/daily/* /tag/daily/*'.split(' '),
};

/** Whether a path is among routes, as a key's `allowedRoutes` name them. */
export function routeMatcher(routes: readonly string[]): (path: string) => boolean {
  const patterns = routes.flatMap((route) => (Object.hasOwn(GROUPS, route) ? GROUPS[route] : [route])).map(partsOf);
  return (path) => {
    const parts = partsOf(path);
    return patterns.some((pattern) => isMatch(parts, pattern));
  };
}

/** A parameter, and Google's method after it: `{model}:countTokens`, `:model:countTokens`. */
const PARAMETER = /^(?::[^:]*|\{[^{}]*\})(:[A-Za-z]+)?$/;

/** The parts of a path without `/v1`; one in braces or after a colon is a parameter. */
function partsOf(path: string): readonly string[] {
  const parts = path
    .split('?', 1)[0]
    .split('/')
    .filter((part) => part !== '');
  if (parts[0] === 'v1' && parts.length > 1) parts.shift();
  const plain = parts.map((part) => {
    const parameter = PARAMETER.exec(part);
    return parameter === null ? part : `:${parameter[1] ?? ''}`;
  });
  // Google's calls have one path here, because `/models/*` only means the lists of models.
  return plain[0] === 'models' && plain.length === 2 && plain[1].startsWith('::') ? ['v1beta', ...plain] : plain;
}

/** `*` at the end matches one part or more, elsewhere exactly one. */
function isMatch(parts: readonly string[], pattern: readonly string[]): boolean {
  const isPrefix = pattern.at(-1) === '*';
  if (isPrefix ? parts.length < pattern.length : parts.length !== pattern.length) return false;
  return pattern.every((part, at) => part === '*' || part === ':' || part === parts[at]);
}
