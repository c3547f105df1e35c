import type { EncodingName } from '../engine/engine.js';

const CL100K = {
  '<|endoftext|>': 100257,
  '<|fim_prefix|>': 100258,
  '<|fim_middle|>': 100259,
  '<|fim_suffix|>': 100260,
  '<|endofprompt|>': 100276,
};
const O200K = { '<|endoftext|>': 199999, '<|endofprompt|>': 200018 };
const R50K = { '<|endoftext|>': 50256 };
const P50K_EDIT = { '<|endoftext|>': 50256, '<|fim_prefix|>': 50281, '<|fim_middle|>': 50282, '<|fim_suffix|>': 50283 };
const HARMONY = {
  '<|startoftext|>': 199998,
  '<|return|>': 200002,
  '<|constrain|>': 200003,
  '<|channel|>': 200005,
  '<|start|>': 200006,
  '<|end|>': 200007,
  '<|message|>': 200008,
  '<|call|>': 200012,
};

/**
 * The special tokens of each encoding, text to id, as tiktoken defines them.
 *
 * In o200k_harmony `<|endofprompt|>` and `<|reserved_200018|>` share the id 200018, which decodes to the former.
 */
export const SPECIAL_TOKENS: Readonly<Record<EncodingName, ReadonlyMap<string, number>>> = {
  cl100k_base: new Map(Object.entries(CL100K)),
  o200k_base: new Map(Object.entries(O200K)),
  o200k_harmony: harmony(),
  p50k_base: new Map(Object.entries(R50K)),
  p50k_edit: new Map(Object.entries(P50K_EDIT)),
  r50k_base: new Map(Object.entries(R50K)),
  gpt2: new Map(Object.entries(R50K)),
};

function harmony(): Map<string, number> {
  const tokens = new Map(Object.entries({ ...O200K, ...HARMONY }));
  const named = new Set(Object.values(HARMONY));
  for (let id = 200000; id <= 201087; id++) if (!named.has(id)) tokens.set(`<|reserved_${id}|>`, id);
  return tokens;
}
