/**
 * An answer of OpenAI's Responses API, as declared by the `openai` SDK, without `output_text`,
 * which the SDK computes. Hosted tools have more items and events: read such an answer with
 * `json<OpenAI.Responses.Response>()`.
 */
export type ResponsesAnswer = {
  id: string;
  object: 'response';
  /** Seconds since 1970. */
  created_at: number;
  model: string;
  status?: 'completed' | 'failed' | 'in_progress' | 'cancelled' | 'queued' | 'incomplete';
  output: ResponsesItem[];
  error: { code: ResponsesErrorCode; message: string } | null;
  incomplete_details: { reason?: 'max_output_tokens' | 'content_filter' } | null;
  instructions: string | null;
  metadata: { [key: string]: string } | null;
  parallel_tool_calls: boolean;
  temperature: number | null;
  top_p: number | null;
  tools: ResponsesTool[];
  tool_choice: 'none' | 'auto' | 'required' | { type: 'function'; name: string };
  max_output_tokens?: number | null;
  previous_response_id?: string | null;
  usage?: ResponsesUsage;
  user?: string;
};

/** The errors of a failed response that OpenAI documents for calls without files. */
export type ResponsesErrorCode = 'server_error' | 'rate_limit_exceeded' | 'invalid_prompt';

/** A function that the model may call. */
export interface ResponsesTool {
  type: 'function';
  name: string;
  description?: string | null;
  parameters: { [key: string]: unknown } | null;
  strict: boolean | null;
}

/** The tokens of a request. */
export interface ResponsesUsage {
  input_tokens: number;
  input_tokens_details: { cached_tokens: number; cache_write_tokens: number };
  output_tokens: number;
  output_tokens_details: { reasoning_tokens: number };
  total_tokens: number;
}

type ItemStatus = 'in_progress' | 'completed' | 'incomplete';

/** Output of the model: a message, a tool call or its thinking. */
export type ResponsesItem =
  | { type: 'message'; id: string; role: 'assistant'; status: ItemStatus; content: ResponsesPart[] }
  | { type: 'function_call'; id?: string; call_id: string; name: string; arguments: string; status?: ItemStatus }
  | {
      type: 'reasoning';
      id: string;
      summary: { type: 'summary_text'; text: string }[];
      content?: { type: 'reasoning_text'; text: string }[];
      encrypted_content?: string | null;
      status?: ItemStatus;
    };

/** A part of a message. */
export type ResponsesPart =
  { type: 'output_text'; text: string; annotations: ResponsesAnnotation[] } | { type: 'refusal'; refusal: string };

/** A source of a text. */
export type ResponsesAnnotation =
  | { type: 'url_citation'; start_index: number; end_index: number; title: string; url: string }
  | { type: 'file_citation'; file_id: string; filename: string; index: number }
  | { type: 'file_path'; file_id: string; index: number };

/** Where an event belongs. */
type OfItem = { item_id: string; output_index: number };
type OfPart = OfItem & { content_index: number };
type OfSummary = OfItem & { summary_index: number };

/** An event of a streamed response. Sequence numbers start at 0 without gaps. */
export type ResponsesEvent = { sequence_number: number } & (
  | {
      type: 'response.created' | 'response.in_progress' | 'response.completed' | 'response.incomplete' | 'response.failed';
      response: ResponsesAnswer;
    }
  | { type: 'response.output_item.added' | 'response.output_item.done'; output_index: number; item: ResponsesItem }
  | ({ type: 'response.content_part.added' | 'response.content_part.done'; part: ResponsesPart } & OfPart)
  | ({ type: 'response.output_text.delta'; delta: string; logprobs: never[] } & OfPart)
  | ({ type: 'response.output_text.done'; text: string; logprobs: never[] } & OfPart)
  | ({ type: 'response.refusal.delta'; delta: string } & OfPart)
  | ({ type: 'response.refusal.done'; refusal: string } & OfPart)
  | ({ type: 'response.reasoning_text.delta'; delta: string } & OfPart)
  | ({ type: 'response.reasoning_text.done'; text: string } & OfPart)
  | ({ type: 'response.function_call_arguments.delta'; delta: string } & OfItem)
  | ({ type: 'response.function_call_arguments.done'; name: string; arguments: string } & OfItem)
  | ({
      type: 'response.reasoning_summary_part.added' | 'response.reasoning_summary_part.done';
      part: { type: 'summary_text'; text: string };
    } & OfSummary)
  | ({ type: 'response.reasoning_summary_text.delta'; delta: string } & OfSummary)
  | ({ type: 'response.reasoning_summary_text.done'; text: string } & OfSummary)
  | { type: 'error'; code: string | null; message: string; param: string | null }
);
