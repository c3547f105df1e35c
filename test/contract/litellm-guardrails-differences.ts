/** An intended difference between LiteLLM's guardrails and ours: a row of docs/guardrails.md. */
export interface GuardrailDifference {
  /** Names of cases; `*` stands for any text. */
  readonly cases: readonly string[];
  /** What differs: LiteLLM's value and ours, with `*` for any text. */
  readonly values: Readonly<Record<string, string>>;
  readonly where: string;
  readonly litellm: string;
  readonly here: string;
  readonly reason: string;
}

export const GUARDRAIL_DIFFERENCES: readonly GuardrailDifference[] = [
  {
    cases: ['*-down: service down'],
    values: {
      status: '500 / 503',
      message: '* / The request could not be checked at the moment.',
      type: 'internal_server_error / server_error',
      code: '500 / call_hook_failed',
    },
    where: 'a service that cannot be reached',
    litellm: '500 with the address of the service',
    here: '503 with the code `call_hook_failed`',
    reason: "LiteLLM's defect: the error tells clients about the network, and not that they may repeat the request",
  },
  {
    cases: ['moderation-pre-error: *', 'lakera-pre-error: *'],
    values: {
      status: '500 / 503',
      message: '* / The request could not be checked at the moment.',
      type: 'internal_server_error / server_error',
      code: '500 / call_hook_failed',
    },
    where: '`openai_moderation`, `lakera_v2`: an error with status 200',
    litellm: '500 with a failure of its own code, such as `payload`',
    here: '503 with the code `call_hook_failed`',
    reason: "LiteLLM's defect",
  },
  {
    cases: ['presidio-pre-error: *', 'presidio-pre-error-all: *'],
    values: {
      status: '400 / 503',
      message: 'Presidio analyzer returned invalid response* / The request could not be checked at the moment.',
      type: 'invalid_request_error / server_error',
      code: '400 / call_hook_failed',
    },
    where: '`presidio`: an error with status 200',
    litellm: '400 with the error of the analyzer',
    here: '503 with the code `call_hook_failed`',
    reason: "LiteLLM's defect: the request is not invalid, and clients do not repeat 400",
  },
  {
    cases: ['presidio-pre-error-all: *'],
    values: { sent: 'My name is Jane Doe, thanks. / undefined' },
    where: '`presidio` without `pii_entities_config`: an error with status 200',
    litellm: 'the prompt goes to the provider unmasked',
    here: 'nothing is sent',
    reason: "LiteLLM's defect: personal data leaks",
  },
  {
    cases: ['generic-pre-error: *'],
    values: {
      status: '200 / 503',
      message: 'undefined / The request could not be checked at the moment.',
      type: 'undefined / server_error',
      code: 'undefined / call_hook_failed',
      sent: 'A forbidden topic. / undefined',
      received: 'Hello there. / ',
    },
    where: '`generic_guardrail_api`: an error with status 200',
    litellm: 'an answer without `action` allows the request',
    here: '503; `fail_on_error: false` allows it',
    reason: "LiteLLM's defect: a service that fails does not protect",
  },
  {
    cases: ['presidio-post-down: service down, streamed'],
    values: {
      status: '200 / 503',
      message: 'undefined / The request could not be checked at the moment.',
      type: 'undefined / server_error',
      code: 'undefined / call_hook_failed',
      received: 'My name is Jane Doe, thanks. / ',
    },
    where: '`presidio`: a stream whose masking fails',
    litellm: 'the stream passes unmasked',
    here: '503, or an error event once text has been released',
    reason: "LiteLLM's defect: personal data leaks",
  },
  {
    cases: ['presidio-tokens: *'],
    values: { received: 'Dear <PERSON>! / Dear Jane Doe!' },
    where: '`presidio` with `output_parse_pii`',
    litellm: 'unless `presidio_filter_scope` is `input`, the restored text is masked again',
    here: 'the answer has the original text',
    reason: "LiteLLM's defect: the option has no effect",
  },
  {
    cases: [
      'generic-post: masked, streamed',
      'generic-post: masked, /v1/messages, streamed',
      'generic-post: masked, /v1/responses, streamed',
    ],
    values: { received: 'The secret plan is ready. / The ****** plan is ready.' },
    where: '`generic_guardrail_api`: a stream that is rewritten',
    litellm: 'other texts have no effect; in chat `streaming_transform_mode: incremental_diff` applies them',
    here: 'the stream has the texts of the service',
    reason: "LiteLLM's defect: what the service removes reaches the client",
  },
  {
    cases: ['moderation-post: blocked, streamed', 'generic-post: blocked, streamed', 'generic-post: blocked, /v1/messages, streamed'],
    values: { status: '200 / 400', received: '* / ' },
    where: '`openai_moderation`, `generic_guardrail_api`: a stream that is denied',
    litellm: 'text passes until every fifth chunk is checked',
    here: 'text passes once it was checked, so the answer is 400',
    reason: 'stricter; `stream_run_ahead_chars` lets text pass earlier',
  },
  {
    cases: ['presidio-post: masked, /v1/responses, streamed'],
    values: { received: 'My name is Jane Doe, thanks. / My name is <PERSON>, thanks.' },
    where: '`presidio`: a stream of Responses',
    litellm: 'the stream passes unmasked',
    here: 'it is masked',
    reason: "LiteLLM's defect: personal data leaks",
  },
  {
    cases: ['email-mask-post: masked, /v1/messages, streamed', 'email-mask-post: masked, /v1/responses, streamed'],
    values: { received: 'Write to jane@example.org today. / Write to [EMAIL_REDACTED] today.' },
    where: '`litellm_content_filter`: a stream of Messages or Responses',
    litellm: 'the stream passes unmasked',
    here: 'it is masked',
    reason: "LiteLLM's defect: personal data leaks",
  },
  {
    cases: [
      'generic-post: blocked, /v1/responses, streamed',
      'presidio-post: blocked, /v1/responses, streamed',
      'word-block-post: blocked, /v1/responses, streamed',
    ],
    values: {
      status: '200 / 400',
      message: 'undefined / *',
      type: '* / invalid_request_error',
      code: '* / 400',
      received: '* / ',
    },
    where: 'a stream of Responses that is denied',
    litellm: 'the whole text passes; `generic_guardrail_api` then sends an error event',
    here: '400, or an error event once text has been released',
    reason: "LiteLLM's defect: what is denied reaches the client",
  },
  {
    cases: ['word-block-post: blocked, /v1/messages, streamed'],
    values: { code: '400 / undefined' },
    where: '`litellm_content_filter`: a stream of Messages that is denied at its beginning',
    litellm: "an error in OpenAI's shape",
    here: "an error in Anthropic's shape, as for other requests of Messages",
    reason: "LiteLLM's defect",
  },
  {
    cases: ['ssn-block-post: blocked, streamed', 'word-block-post: blocked, streamed'],
    values: { status: '200 / 400' },
    where: '`litellm_content_filter`: a stream that is denied at its beginning',
    litellm: 'an error event after status 200',
    here: '400, and an error event only once text has been released',
    reason: 'SDKs report a status as the error of the request',
  },
  {
    cases: ['lakera-monitor: flagged personal data'],
    values: { sent: 'Write to [MASKED EMAIL] today. / Write to jane@example.org today.' },
    where: '`lakera_v2` with `on_flagged: monitor`',
    litellm: 'personal data is masked',
    here: 'requests are only recorded; `on_flagged: mask` masks',
    reason: "as in LiteLLM's documentation, monitoring changes nothing",
  },
  {
    cases: ['generic-during: masked'],
    values: {
      status: '200 / 400',
      message: 'undefined / The content must be changed by a guardrail before it is sent.',
      type: 'undefined / invalid_request_error',
      code: 'undefined / 400',
      received: 'Hello there. / ',
    },
    where: '`during_call`: the service returns other texts',
    litellm: 'the texts have no effect',
    here: '400',
    reason: 'stricter: the prompt has been sent with what the service wanted to remove',
  },
  {
    cases: ['word-block*'],
    values: { message: "Content blocked: keyword 'tangerine' detected / Content blocked: a blocked word was detected" },
    where: '`litellm_content_filter` with `blocked_words`',
    litellm: 'the message has the word',
    here: 'the message does not have it',
    reason: 'denials never repeat text, which ends up in logs',
  },
  {
    cases: ['tools-post: blocked*'],
    values: { message: "Guardrail raised an exception, *Tool 'shell' denied by rule 'shell' / Violated guardrail policy" },
    where: '`tool_permission` in `post_call`',
    litellm: 'a message of its own',
    here: 'the message of `pre_call`, and the tool in `provider_specific_fields.detection_message`',
    reason: 'one shape for both modes',
  },
  {
    cases: ['unknown name', 'invalid entry, *'],
    values: {
      status: '200 / 400',
      message: 'undefined / guardrails: there is no guardrail with this name.',
      type: 'undefined / invalid_request_error',
      code: 'undefined / guardrail_not_found',
      sent: 'Write to jane@example.org today. / undefined',
      received: 'Hello there. / ',
      applied: '* / ',
    },
    where: 'a request that names a guardrail that does not exist',
    litellm: 'the request passes, and `x-litellm-applied-guardrails` has the name',
    here: '400 with the code `guardrail_not_found`',
    reason: "LiteLLM's defect: the client believes that it is protected",
  },
];

/** Entries that LiteLLM skips when it starts: a row without a case, which the start's tests have. */
export const INVALID_ENTRY: Pick<GuardrailDifference, 'where' | 'litellm' | 'here' | 'reason'> = {
  where: 'an invalid entry: an unknown type, mode, pattern or parameter, or no address',
  litellm: 'the proxy logs it and starts without the guardrail',
  here: 'the start fails with `INVALID_CONFIGURATION`, and a reload keeps the old configuration',
  reason: "LiteLLM's defect: requests pass unchecked",
};
