import { InvalidArgumentError } from '../../../common/errors.js';
import { UnsupportedRequestError } from '../../../common/http-errors.js';
import { dropsParams, refused } from '../../providers/parameters.js';
import type { SentRequest } from '../../providers/protocol.js';
import type { ModelRequest } from '../../request.js';

/** Fields that chat cannot express, and the values that ask for nothing. */
const NO_EQUIVALENT: Readonly<Record<string, (value: unknown) => boolean>> = {
  suffix: (value) => value === '',
  echo: (value) => value === false,
  best_of: (value) => value === 1,
};

/**
 * A request of completions as one of chat: its prompt is what the user says.
 * @throws InvalidArgumentError for no prompt; UnsupportedRequestError for several, or token ids.
 */
export function chatRequestOf(body: ModelRequest, sent: SentRequest): ModelRequest {
  const { prompt, suffix, echo, best_of: bestOf, logprobs, ...others } = body;
  for (const [name, value] of Object.entries({ suffix, echo, best_of: bestOf })) {
    if (value !== undefined && value !== null && !NO_EQUIVALENT[name](value) && !dropsParams(sent)) throw refused(name, sent);
  }
  return {
    ...others,
    messages: [{ role: 'user', content: promptIn(prompt, sent) }],
    ...(typeof logprobs === 'number' && { logprobs: true, top_logprobs: logprobs }),
    stream_options: body.stream === true ? { include_usage: true } : undefined,
  };
}

function promptIn(prompt: unknown, { provider, model }: SentRequest): string {
  if (typeof prompt === 'string') return prompt;
  if (!Array.isArray(prompt) || prompt.length === 0) throw new InvalidArgumentError('prompt', prompt, 'must be a text, or a list of one');
  const [first] = prompt as readonly unknown[];
  if (prompt.length === 1 && typeof first === 'string') return first;
  const what = typeof first === 'string' ? 'several prompts' : 'token ids';
  const reason = `${provider} answers ${model} by chat, which has no ${what}`;
  throw new UnsupportedRequestError({ param: 'prompt', provider, reason, mend: 'send one text' });
}
