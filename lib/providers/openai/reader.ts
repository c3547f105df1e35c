import type { AnswerReader } from '../protocol.js';
import { faultIn } from './answer.js';
import { errorAtEnd, openingOf } from './stream.js';
import { usageIn } from './usage.js';

/** The end, or an error: its event has nothing but the error. */
const ENDS = ['data: [DONE]', 'data:[DONE]', 'data: {"error":{', 'data: {"error": {', 'event: error', 'event:error'].map((line) =>
  Buffer.from(line),
);

/** Reads answers in OpenAI's format, original or translated. */
export const OPENAI_READER: AnswerReader = { faultIn, usageIn, openingOf, errorAtEnd, ends: ENDS, readsHead: false };
