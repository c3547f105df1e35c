import type { Protocol } from '../protocol.js';
import { faultIn, usageIn } from './answer.js';
import { errorIn, hasError } from './errors.js';
import { bodyOf } from './request.js';
import { errorAtEnd, openingOf } from './stream.js';

/** OpenAI's chat completions and embeddings. */
export const OPENAI: Protocol = { bodyOf, faultIn, usageIn, openingOf, errorAtEnd, errorIn, hasError };
