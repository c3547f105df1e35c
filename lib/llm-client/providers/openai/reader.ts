import type { AnswerReader } from '../protocol.js';
import { faultIn, usageIn } from './answer.js';
import { errorAtEnd, openingOf } from './stream.js';

/** Reads answers in OpenAI's words, a provider's own or translated ones. */
export const OPENAI_READER: AnswerReader = { faultIn, usageIn, openingOf, errorAtEnd };
