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
    request: /^(?:json schema|output format)/,
    difference:
      /^sent\.(?:body\.output_(?:format: LiteLLM \{.*, ours nothing|config: LiteLLM nothing)|headers\.anthropic-beta: LiteLLM "structured-outputs)/,
    why: 'output_config.format is the field that is no longer a beta. LiteLLM sends its older name.',
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
  {
    protocol: /^(?:openai|azure|messages)$/,
    request: /^image in a result/,
    difference: /\.text: LiteLLM "\[The following.*, ours "From the result of call_1:"$/,
    why: 'An image of a tool goes to a message of the user, with the id of its call. LiteLLM writes another sentence.',
  },
  {
    protocol: CLAUDE,
    request: /^calls in the past alone/,
    difference: /^sent\.body\.tool(?:s\[0\]\.description|_choice: LiteLLM nothing)/,
    why: 'The tool that stands for those of earlier turns may not be called. LiteLLM lets the model call it.',
  },
  {
    protocol: BEDROCK,
    request: /^calls in the past alone/,
    difference: /^sent\.body\.(?:messages\[[12]\]\.content|toolConfig: LiteLLM nothing)/,
    why: 'Calls stay calls, with a tool that stands for those of earlier turns. LiteLLM writes them as text.',
  },
  {
    protocol: /anthropic$|^bedrock-claude$/,
    request: /^schema/,
    difference: /\.(?:input_schema|inputSchema\.json)\./,
    why: 'Claude takes JSON Schema as it is, with references. LiteLLM drops $schema, and writes references out.',
  },
  {
    protocol: /^bedrock-nova$/,
    request: /^schema/,
    difference: /\.properties\.note\.default: LiteLLM nothing, ours null$/,
    why: 'A default of null is part of the schema.',
  },
  {
    protocol: GOOGLE,
    request: /^schema/,
    difference: /\.properties\.size\.anyOf: LiteLLM nothing, ours \[/,
    why: 'oneOf becomes anyOf. LiteLLM drops it.',
  },
  {
    protocol: /anthropic$|^bedrock-/,
    request: /^signature in an id/,
    difference: /\.(?:id|tool_use_id|toolUseId): LiteLLM "call_1", ours "call_1__thought__c2lnbmF0dXJl"$/,
    why: 'An id of letters that the provider takes passes as it is, the same in call and result.',
  },
  {
    protocol: /anthropic$|^bedrock-/,
    request: /^(?:assistant first|empty texts)/,
    difference: /^sent\.body\.messages: /,
    why: 'A conversation begins with a user, and a message without content is left out. LiteLLM sends what is refused, or words of its own.',
  },
  {
    protocol: GOOGLE,
    request: /^empty texts/,
    difference: /^sent\.body\.(?:contents|systemInstruction): /,
    why: 'A message without content is left out.',
  },
  {
    protocol: /anthropic$|^bedrock-/,
    request: /^system alone/,
    difference: NOT_REFUSED,
    why: 'A conversation begins with a user: a system message alone gets one that says nothing. LiteLLM refuses it.',
  },
  {
    protocol: ANY,
    request: /^refusal in the past/,
    difference: /^sent\.body\.(?:messages|contents): /,
    why: 'What the model refused is part of the conversation. LiteLLM drops it.',
  },
  {
    protocol: CLAUDE,
    request: /^audio/,
    difference: /^(?:sent|answer|error): /,
    why: 'Sound that the provider does not take is refused. LiteLLM drops it without a word.',
  },
  {
    protocol: BEDROCK,
    request: /^audio/,
    difference: /^sent\.body\.messages\[0\]\.content: .*"audio"/,
    why: 'Converse has audio. LiteLLM drops it without a word.',
  },
  {
    protocol: CLAUDE,
    request: /^text file/,
    difference: /\.(?:source\.(?:type|data)|title): /,
    why: 'A text is sent as text, with the name of its file. LiteLLM sends base64, which Anthropic takes of PDF alone.',
  },
  {
    protocol: BEDROCK,
    request: /^text file/,
    difference: /\.document\.name: LiteLLM "Document.*, ours "a"$/,
    why: 'As the name of a PDF.',
  },
  {
    protocol: /anthropic$|^bedrock-claude$/,
    request: /^temperature above 1/,
    difference: /^sent\.body\.(?:inferenceConfig\.)?temperature: LiteLLM 1\.7, ours 1$/,
    why: '1 is the highest temperature of Anthropic, 2 that of OpenAI: more is 1.',
  },
  {
    protocol: ANY,
    request: /^blank stop/,
    difference: /(?:stop_sequences|stopSequences): LiteLLM \[""," ","END"\], ours /,
    why: 'Stop sequences that the provider refuses are left out: empty ones, and blank ones by Anthropic.',
  },
  {
    protocol: CLAUDE,
    request: /^thinking and a forced tool/,
    difference: /^sent\.body\.thinking: LiteLLM \{.*, ours nothing$/,
    why: 'Anthropic refuses a forced tool while the model thinks: the tool counts.',
  },
  {
    protocol: /^bedrock-claude$/,
    request: /^thinking and a forced tool/,
    difference: /^sent\.body\.(?:additionalModelRe(?:quest|sponse)\w+: LiteLLM .*, ours nothing$|toolConfig\.toolChoice\.)/,
    why: 'Bedrock refuses a forced tool while the model thinks: the tool counts. LiteLLM gives up the force.',
  },
  {
    protocol: GOOGLE,
    request: /^logprobs/,
    difference: NOT_REFUSED,
    why: 'Gemini has log probabilities; the API refuses them for models that have none.',
  },
  {
    protocol: GOOGLE,
    request: /malformed call/,
    difference: /^(?:answer|error): /,
    why: 'A malformed call without content is an error, so that the call is tried again. For LiteLLM it is an empty answer.',
  },
  {
    protocol: BEDROCK,
    request: /^tool names/,
    difference: /\.toolSpec\.name: LiteLLM "w+", ours "w+_[0-9a-f]{8}"$/,
    why: 'A name that is longer than 64 characters is cut, and found again in the answer. LiteLLM sends what is refused.',
  },
  {
    protocol: /^bedrock-nova$/,
    request: /^prefill/,
    difference: /\.text: LiteLLM "The answer is ", ours "The answer is"$/,
    why: 'Blanks at the end of the last message are cut for every model, as Claude wants it.',
  },
  {
    protocol: /^messages$/,
    request: /^server tool/,
    difference: /^(?:sent|answer|error): /,
    why: 'A tool of a server that the provider does not have is refused. LiteLLM sends web_search_options to every provider.',
  },
];
