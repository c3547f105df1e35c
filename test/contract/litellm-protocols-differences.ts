/** A difference from LiteLLM that is wanted. */
export interface Wanted {
  /** Of fixtures/litellm/protocols. */
  readonly protocol: RegExp;
  /** The case, as the test names it: request, answer, model. Default: any. */
  readonly request?: RegExp;
  /** What differs, where, and both values: `sent.body.messages[0].name: LiteLLM "a", ours "b"`. */
  readonly difference: RegExp;
  readonly why: string;
}

const ANY = /./;
const CLAUDE = /anthropic$/;
const GOOGLE = /^(?:gemini|vertex)$/;
const BEDROCK = /^bedrock-/;
const OPENAI = /^(?:openai|azure)$/;
const BRIDGED = /^(?:messages|responses)$/;
/** The whole of a case, whose error LiteLLM raises itself. */
const NOT_REFUSED = /^(?:error: LiteLLM .*"bad_request".*, ours nothing$|sent: LiteLLM nothing|answer: LiteLLM nothing)/;

export const WANTED: readonly Wanted[] = [
  {
    protocol: OPENAI,
    request: /^(?:effort|thinking|system .*o3|system .*gpt-5|penalties|stop list)/,
    difference: NOT_REFUSED,
    why: "At an address that is not of OpenAI the server judges its parameters. OpenAI's own are compared by provider_requests.py.",
  },
  {
    protocol: ANY,
    request: /error 403/,
    difference: /^error\.kind: LiteLLM "(?:server|bad_request)", ours "authentication"$/,
    why: 'A key without the permission is refused as one that is wrong: another deployment may have it. LiteLLM has no such class for this provider.',
  },
  {
    protocol: ANY,
    request: /error 413/,
    difference: /^error\.kind: LiteLLM "server", ours "bad_request"$/,
    why: 'The request is too large: repeating it does not help. LiteLLM has no class for it.',
  },
  {
    protocol: ANY,
    request: /error 504/,
    difference: /^error\.kind: LiteLLM "timeout", ours "server"$/,
    why: "The provider's own time-out is an error of its server; ours are those of this client's limits.",
  },
  {
    protocol: /^openai$/,
    request: /error content policy/,
    difference: /^error\.kind: LiteLLM "bad_request", ours "content_policy"$/,
    why: 'The code content_policy_violation counts; LiteLLM looks for words in the message.',
  },
  {
    protocol: BRIDGED,
    request: /^(?:thinking|effort)/,
    difference: NOT_REFUSED,
    why: 'A model of an OpenAI-compatible provider judges reasoning_effort itself, unless the provider table says that it has none.',
  },
  {
    protocol: BRIDGED,
    request: /^(?:user|one call at a time)/,
    difference: /^sent\.body\.(?:user: LiteLLM nothing, ours "user-1"|parallel_tool_calls: LiteLLM nothing, ours false)$/,
    why: 'Chat has the field: it is passed on. LiteLLM drops it.',
  },
  {
    protocol: BRIDGED,
    difference: /^sent\.body\.messages\[\d+\]\.content: LiteLLM \[\{"type":"text".*, ours "/,
    why: 'Parts of text alone become one text: many providers take only texts of tools and of the model.',
  },
  {
    protocol: /^responses$/,
    difference: /^sent\.body\.messages\[\d+\]\.tool_calls\[\d+\]\.index: LiteLLM 0, ours nothing$/,
    why: 'index is a field of chunks; LiteLLM sends 0 with each call.',
  },
  {
    protocol: BRIDGED,
    request: /empty, streamed/,
    difference: /^answer\.(?:content|output): LiteLLM .*"text":"".*, ours \[\]$/,
    why: 'An answer without content has no block, streamed as whole. LiteLLM opens an empty one in streams.',
  },
  {
    protocol: /anthropic$|^bedrock-/,
    request: /^system later/,
    difference: /Operator note/,
    why: 'A later system message stays in place as text of the user, as it was written. LiteLLM puts a sentence of its own before it.',
  },
  {
    protocol: CLAUDE,
    difference: /^sent\.body\.tools\[\d+\]\.type: LiteLLM "custom", ours nothing$/,
    why: 'custom is the default type of a tool.',
  },
  {
    protocol: CLAUDE,
    request: /^pdf/,
    difference: /\.title: LiteLLM nothing, ours "a\.pdf"$/,
    why: 'The name of a file is the title of its document. LiteLLM drops it.',
  },
  {
    protocol: /anthropic$|^bedrock-/,
    difference: /^answer\.usage\.reasoning: LiteLLM \d, ours nothing$/,
    why: 'Tokens of thinking are those that the provider states. LiteLLM counts the text by a tokenizer of another model.',
  },
  {
    protocol: CLAUDE,
    request: /^(?:effort|hello)/,
    difference: /^sent\.body\.max_tokens: LiteLLM \d+, ours 64000$/,
    why: 'Without a limit of the client the answer may be as long as the model can. LiteLLM takes budget + 4096 with thinking, and 128000 for models it has no row of.',
  },
  {
    protocol: CLAUDE,
    request: /^json schema/,
    difference:
      /^sent\.(?:body\.output_(?:format: LiteLLM \{.*, ours nothing|config: LiteLLM nothing)|headers\.anthropic-beta: LiteLLM "structured-outputs)/,
    why: 'output_config.format is the field that is no longer a beta. LiteLLM sends its older name.',
  },
  {
    protocol: /^(?:anthropic|bedrock-nova)$/,
    request: /^json schema → json tool/,
    difference: /^answer\.choices\[0\]\.content: LiteLLM "\{\\"name\\": .*, ours "\{\\"name\\":\\"Ada/,
    why: "The same JSON, without Python's spaces.",
  },
  {
    protocol: ANY,
    request: /error (?:413|500|502|529)/,
    difference: /^error\.status: /,
    why: "The status of the answer is the provider's own.",
  },
  {
    protocol: /^azure$/,
    request: /^cache marks/,
    difference: /\.cache_control: LiteLLM \{"type":"ephemeral"\}, ours nothing$/,
    why: 'Cache marks mean something to Claude alone. LiteLLM sends them to OpenAI and Azure.',
  },
  {
    protocol: /^messages$/,
    request: /^thinking before calls/,
    difference: /\.thinking_blocks: LiteLLM \[.*, ours nothing$/,
    why: 'Thinking that Claude signed goes to Claude alone; others get its text as reasoning_content.',
  },
  {
    protocol: /^messages-anthropic$/,
    difference: /^sent\.body\.stream: LiteLLM false, ours nothing$/,
    why: "The client's bytes pass as they are.",
  },
  {
    protocol: /^responses-anthropic$/,
    request: /^effort low/,
    difference: /^sent\.body\.thinking: LiteLLM \{.*1024.*, ours nothing$/,
    why: 'A budget of 1024 does not fit below max_tokens 100: Anthropic would refuse what LiteLLM sends.',
  },
  {
    protocol: ANY,
    request: /broken, streamed/,
    difference: /^error\.(?:status|kind): /,
    why: 'An error in a stream has the status and the class of its own type: overloaded_error, UNAVAILABLE. For LiteLLM it is mostly a 500.',
  },
  {
    protocol: GOOGLE,
    request: /^call without arguments/,
    difference: /functionCall\.args\.type: LiteLLM "object", ours nothing$/,
    why: 'No arguments are an empty object. LiteLLM sends one with a field `type`.',
  },
  {
    protocol: GOOGLE,
    difference: /^answer\.choices\[0\]\.thinking: LiteLLM \[\{"type":"thinking","thinking":"[^"]*"\}\], ours nothing$/,
    why: 'Gemini signs calls, not thoughts: a block without a signature cannot be sent back. LiteLLM makes one of whole answers, none of streams.',
  },
  {
    protocol: GOOGLE,
    request: /^penalties .*gemini-3/,
    difference: /^(?:sent|answer|error): /,
    why: 'A parameter that a model does not have is refused, unless drop_params is set. LiteLLM drops these without a word.',
  },
  {
    protocol: GOOGLE,
    request: /refusal$/,
    difference: /^answer\.choices\[0\]\.content: LiteLLM nothing, ours "I cannot"$/,
    why: 'The text before the filter stepped in belongs to the answer, as in a stream.',
  },
  {
    protocol: BEDROCK,
    difference: /^sent\.body\.(?:inferenceConfig: LiteLLM \{\}|.*\.json\.required: LiteLLM \[\]), ours nothing$/,
    why: 'Empty fields are left out.',
  },
  {
    protocol: BEDROCK,
    request: /^pdf/,
    difference: /\.document\.name: LiteLLM "Document.*", ours "a"$/,
    why: 'The name of the file is the name of the document, without what Bedrock refuses in it. LiteLLM makes one of a hash.',
  },
  {
    protocol: BEDROCK,
    request: /^choice none/,
    difference: NOT_REFUSED,
    why: 'Without calls in the conversation, tools that may not be called are left out. LiteLLM refuses the parameter.',
  },
  {
    protocol: /^bedrock-nova$/,
    request: /^effort none/,
    difference: NOT_REFUSED,
    why: 'A model that does not think needs no parameter for that.',
  },
  {
    protocol: /^bedrock-nova$/,
    request: /^one call at a time/,
    difference: /^(?:sent|answer|error): /,
    why: 'A parameter that a model does not have is refused, unless drop_params is set. LiteLLM drops this one without a word.',
  },
  {
    protocol: /^bedrock-nova$/,
    request: /^cache marks/,
    difference: /^sent\.body\.toolConfig\.tools: .*cachePoint/,
    why: 'Nova has no cache for tools, by the documentation of Bedrock.',
  },
  {
    protocol: /^bedrock-nova$/,
    request: /^json schema → json(?: tool)?, streamed/,
    difference: /^(?:sent\.path|error|answer): /,
    why: 'The stream is one of the provider. LiteLLM asks for a whole answer, and makes a stream of it.',
  },
];
