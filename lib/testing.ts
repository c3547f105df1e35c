// `import { startProvider } from 'nestjs-fast-litellm/testing'`: local providers and assertions for
// tests, without a test framework.

export { startProvider, TestProvider, type ProviderProtocol, type StartProviderOptions } from './testing/provider.js';
export type { ReceivedRequest } from './testing/received-request.js';
export type { RecordedAttempt, RecordedCall } from './testing/recorded-call.js';
export { recordCalls, CallRecording, type DeploymentReference, type ObservedClient } from './testing/recording.js';
export type {
  ProviderFault,
  ProviderScript,
  ScriptedAnswer,
  ScriptedFinish,
  ScriptedToolCall,
  ScriptedUsage,
  ScriptStep,
} from './testing/script.js';
