import { InvalidArgumentError } from '../../common/errors.js';
import { UnsupportedRequestError } from '../../common/http-errors.js';
import { isChatParameter } from '../../providers/parameters.js';
import type { SentRequest } from '../../providers/protocol.js';
import type { ModelRequest } from '../../providers/model-request.js';
import { COMPLETIONS_FIELDS, rejectFields } from '../client-fields.js';

/**
 * A request of completions as one of chat: its prompt is what the user says.
 * @throws InvalidArgumentError for no prompt; UnsupportedRequestError for several, or token ids.
 */
export function chatRequestOf(body: ModelRequest, sent: SentRequest): ModelRequest {
  rejectFields(body, COMPLETIONS_FIELDS, sent);
  const { prompt, logprobs, ...others } = body;
  return {
    ...Object.fromEntries(Object.entries(others).filter(([name]) => isChatParameter(name))),
    model: body.model,
    messages: [{ role: 'user', content: promptIn(prompt, sent) }],
    ...(typeof logprobs === 'number' && { logprobs: true, top_logprobs: logprobs }),
    stream_options: body.stream === true ? { include_usage: true } : undefined,
  };
}

function promptIn(prompt: unknown, { provider, model }: SentRequest): string {
  if (typeof prompt === 'string') return prompt;
  if (!Array.isArray(prompt) || prompt.length === 0)
    throw new InvalidArgumentError('prompt', prompt, 'must be a string, or an array of one string');
  const [first] = prompt as readonly unknown[];
  if (prompt.length === 1 && typeof first === 'string') return first;
  const what = typeof first === 'string' ? 'several prompts' : 'token ids';
  const reason = `${provider} serves ${model} through chat, which does not support ${what}`;
  throw new UnsupportedRequestError({ param: 'prompt', provider, reason, mend: 'send one text' });
}
