import { openNativeBinding } from './engine/native-binding.js';
export { ACCELERATION_TARGETS, type AccelerationOptions, type AccelerationTarget } from './acceleration/acceleration.options.js';
export { AccelerationService } from './acceleration/acceleration.service.js';
export type { CopyStatus, PatchStatus, TargetStatus } from './acceleration/patch-status.js';
export type { Capability, CapabilityHealth, EngineName, MetricSample } from './common/capability.js';
export {
  BodyAbandonedError,
  DatabaseError,
  FastLiteLLMError,
  InvalidArgumentError,
  InvalidConfigurationError,
  MissingFileError,
  MissingPackageError,
  PoolClosedError,
  PoolTimeoutError,
  ProxyRefusedError,
  NativeEngineUnavailableError,
  RequestCancelledError,
} from './common/errors.js';
export {
  ApiKeyError,
  type ApiKeyRefusal,
  BudgetExceededError,
  type BudgetRefusal,
  CallDeniedError,
  CallHookFailedError,
  CallQueueError,
  ContextWindowExceededError,
  DeploymentMisconfiguredError,
  ModelNotAllowedError,
  NoDeploymentError,
  RateLimitExceededError,
  RouterRateLimitError,
  type NoDeploymentReason,
  type RateLimitRefusal,
  type ReachedLimit,
  UnsupportedRequestError,
  type UnsupportedRequest,
} from './common/http-errors.js';
export { ProviderError, type OpenAIErrorBody, type ProviderFailureKind } from './common/provider-error.js';
export type { CallRecorder, CallSeries } from './common/recorder.js';
export type { LogSink } from './common/log-sink.js';
export { VERSION } from './common/version.js';
export type { EngineMode } from './engine/engine-mode.js';
export type { ShadowObservation } from './engine/engine-recorder.js';
export type { DashboardOptions } from './dashboard/dashboard.options.js';
export { FastLiteLLMDashboardModule, type DashboardMount } from './fast-litellm-dashboard.module.js';
export { FastLiteLLMGatewayModule } from './fast-litellm-gateway.module.js';
export { FastLiteLLMKeysModule, type KeysMount } from './fast-litellm-keys.module.js';
export { ApiKey } from './keys/api-key.decorator.js';
export { publicIdOf as publicIdOfApiKey } from './keys/api-key.js';
export { ApiKeyGuard } from './keys/api-key.guard.js';
export type { ApiKeyRecord, ApiKeySettings } from './keys/api-key-record.js';
export type { ApiKeyHash } from './keys/api-key.js';
export type { ApiKeyPage, ApiKeyQuery, ApiKeyStatus, ApiKeyStore } from './keys/api-key-store.js';
export type { ApiKeysOptions, ConfiguredApiKey } from './keys/api-keys.options.js';
export { ApiKeyService, type ApiKeyChange, type ApiKeyChanges, type NewApiKey, type UsedApiKey } from './keys/api-keys.service.js';
export { fileApiKeyStore } from './keys/file-store.js';
export { redisApiKeyStore, type RedisApiKeyStoreOptions } from './keys/redis/redis-store.js';
export { keyIn } from './keys/api-key.js';
export { GuardrailUnreachableError } from './common/errors.js';
export type {
  Finding,
  GuardedText,
  Guardrail,
  GuardrailAbilities,
  GuardrailInput,
  GuardrailMode,
  GuardrailVerdict,
  TextEdit,
  TextRole,
} from './guardrails/guardrail.js';
export type { GuardrailClass, GuardrailEntry, GuardrailParams, TaggedModes } from './guardrails/guardrails.options.js';
export type { GuardrailFinding, GuardrailRecord } from './common/call-record.js';
export type { AuditActor, AuditEntry, AuditLog, AuditPage, AuditQuery, RecordedAuditEntry } from './common/audit-log.js';
export type { AdminOptions } from './admin/admin.options.js';
export { FastLiteLLMAdminModule, type AdminMount } from './fast-litellm-admin.module.js';
export type { ConfigurationStore, ConfigurationStoreSource, StoredEntity, StoredRow } from './configuration/stored/configuration-store.js';
export { fileConfigurationStore } from './configuration/stored/file-store.js';
export { StoredConfigurationError, type StoredConfigurationFault } from './configuration/stored/stored-errors.js';
export type { StoredBy, StoredCredential, StoredModel } from './configuration/stored/stored-records.js';
export {
  StoredModels,
  type ModelTest,
  type NewStoredCredential,
  type NewStoredModel,
  type StoredCredentialChanges,
  type StoredModelChanges,
  type WrittenCredential,
  type WrittenModel,
} from './configuration/stored/stored-models.js';
export { FastLiteLLMSpendModule, type SpendMount } from './fast-litellm-spend.module.js';
export {
  FastLiteLLMSpendService,
  type CallPage,
  type CallsQuestion,
  type SpendByDay,
  type SpendByQuestion,
  type SpendChange,
  type SpendComparison,
  type SpendQuestion,
  type SpendReport,
  type TopSpender,
  type TopSpenders,
} from './spend/spend.service.js';
export type { SpendForecast } from './spend/forecast.js';
export type { SpendPeriod } from './spend/spend-range.js';
export type {
  CallFilter,
  DailySpend,
  SpendAttempt,
  SpendCall,
  SpendCallDetails,
  SpendCallStatus,
  SpendDimension,
  SpendFilter,
  SpendRow,
  SpendSums,
} from './spend/spend-queries.js';
export type { SpendLogOptions } from './spend/spend-log.options.js';
export type { SpendOwner, SpendStore, SpendStoreSource } from './spend/spend-store.js';
export { DirectoryService, type DirectoryChanges, type DirectorySettings } from './directory/directory.service.js';
export type { DirectoryPage, DirectoryQuery, DirectoryStore } from './directory/directory-store.js';
export type {
  BudgetRecord,
  CustomerRecord,
  DirectoryEntity,
  DirectoryRecords,
  LimitedEntity,
  LimitedRecord,
  OrganizationRecord,
  TeamMemberRecord,
  TeamRecord,
  UserRecord,
} from './directory/directory-records.js';
export { postgresStore, type PostgresStore, type PostgresStoreOptions } from './postgres/postgres-store.js';
export type { SqlClient } from './postgres/sql-client.js';
export type { Principal, PrincipalScope, PriorityClass } from './http/principal.js';
export { postgresRateLimitStore } from './postgres/budgets/rate-limit-store.js';
export type { PostgresRateLimitStoreOptions } from './postgres/budgets/options.js';
export {
  GATEWAY_ENDPOINTS,
  type AppProtection,
  type ForwardedEndpoint,
  type GatewayEndpoint,
  type GatewayMount,
  type GatewayOptions,
  type GatewayRateLimits,
  type RateLimitsByEndpoint,
} from './gateway/gateway.options.js';
export type { GatewayFetch } from './gateway/in-process/gateway-fetch.js';
export { OpenAIErrorFilter } from './gateway/gateway-error.filter.js';
export { isCrossSite, isForeignHost } from './gateway/access/checks.js';
export {
  addFastifyHooks,
  corsSettingsOf,
  fastifyServerOptions,
  type CorsSettings,
  type FastifyServerSettings,
} from './gateway/server/fastify-server.js';
export { checkListenHost, listenFailure, type ListenAddress, type ListenHostContext } from './gateway/server/listen-address.js';
export type { EndpointStats, ConnectionPoolStats } from './connection-pool/stats.js';
export type { ConnectionPoolOptions } from './connection-pool/connection-pool.options.js';
export { ConnectionPoolService } from './connection-pool/connection-pool.service.js';
export type { AcquireOptions, LeasedConnection, PoolRequestOptions } from './connection-pool/connection/lease-options.js';
export type { ProxyOptions } from './connection-pool/connection/proxies.js';
export { FastLiteLLM, type FastLiteLLMHealth } from './fast-litellm.js';
export { FastLiteLLMModule } from './fast-litellm.module.js';
export type { FastLiteLLMOptionsFactory } from './fast-litellm.module-definition.js';
export type { FastLiteLLMOptions } from './fast-litellm.options.js';
export type { FeatureStatus } from './feature-flags/feature-flag.js';
export {
  FEATURES,
  type FeatureFlagsOptions,
  type FeatureName,
  type FeatureSettings,
  type FeatureState,
} from './feature-flags/feature-flags.options.js';
export { FeatureFlagsService, type FeatureFlagsContext } from './feature-flags/feature-flags.service.js';
export type { FlagsSettings } from './feature-flags/feature-flags.file.js';
export { FastLiteLLMHealthIndicator, type HealthSource } from './health/health.indicator.js';
export type { GracefulShutdown, WatchedServer } from './health/graceful-shutdown.js';
export type { ShutdownOptions } from './health/shutdown.options.js';
export type { AttemptStart, CallObserver, CallOutcome, CallStart, ObservedAttempt, ObservedCall } from './common/call-observer.js';
export type {
  AttemptRecord,
  CallRecord,
  CallRecordListener,
  CallRecordChoice,
  LoggingFields,
  RecordedUsage,
} from './common/call-record.js';
export type { AlertingOptions } from './callbacks/alerting/alerting.options.js';
export type { CallbackOptions } from './callbacks/callbacks.options.js';
export type { CostBreakdown, ErrorInformation, LoggingPayload } from './callbacks/logging-payload.js';
export { openTelemetryObserver } from './telemetry/opentelemetry.js';
export type { HealthReport } from './health/health-report.js';
export type { MetricRegistry, MetricsOptions } from './prometheus/metrics.options.js';
export { registerPrometheusMetrics, type MetricSource } from './prometheus/collector.js';
export type { ActualUsage, CheckOptions, LimitChoice, ScopeChoice, ScopeList } from './rate-limit/arguments.js';
export type { ExceededLimit, RateLimit as NamedRateLimit, RateLimits } from './rate-limit/limits.js';
export type { BudgetDenialReason, BudgetSpending, BudgetStanding } from './rate-limit/budget/account.js';
export type { BudgetPeriod } from './common/nano-usd.js';
export type { BudgetLimit, BudgetOptions, BudgetWindow, UsdWindowKind } from './rate-limit/budget/budget-limits.js';
export type { BudgetAlert, BudgetQueueOptions, BudgetSettings } from './rate-limit/budget/budget-settings.js';
export type { Span } from './rate-limit/budget/calendar.js';
export { redisRateLimitStore } from './rate-limit/redis/redis-store.js';
export type { OnStoreError } from './rate-limit/outage/store-outage.js';
export type { RedisRateLimitStoreOptions } from './rate-limit/redis/options.js';
export type { RateLimitOptions, SkipIf } from './rate-limit/rate-limit.options.js';
export {
  RateLimiterService,
  type BudgetChoice,
  type BudgetHoldsReport,
  type BudgetListOptions,
  type BudgetPage,
  type BudgetReport,
  type CrashChoice,
  type CrashListOptions,
  type CrashPage,
  type CrashReport,
  type RateLimitStats,
} from './rate-limit/rate-limit.service.js';
export type {
  BudgetChange,
  BudgetDenial,
  BudgetKeys,
  CrashName,
  CrashSettlement,
  CrashSettlements,
  Extension,
  ExtensionOutage,
  HeldMoney,
  MoreTokens,
  RateLimitDecision,
  RateLimitScope,
  RateLimitStanding,
  RateLimitStore,
  RateLimitStoreStats,
  Settled,
  TakenRateLimit,
  TokenDenial,
} from './rate-limit/store.js';
export type { RateLimitResult, Reservation } from './rate-limit/reservation.js';
export type { PerformanceComparison } from './monitor/comparison.js';
export type { PerformanceAlert } from './monitor/performance-alerts.js';
export type { PerformanceAlertOptions, PerformanceMonitorOptions } from './monitor/performance-monitor.options.js';
export { PerformanceMonitorService, type PerformanceRecord } from './monitor/performance-monitor.service.js';
export type { PerformanceHistory } from './monitor/series/performance-series.js';
export type { CallFigures, ComponentStats, OperationStats } from './monitor/series/performance-series.js';
export type { PerformanceRecommendation } from './monitor/recommendations.js';
export type { HistoryColumns } from './monitor/series/performance-series.js';
export type { InProcessLimit } from './http/in-process-limits.js';
export { PerformanceInterceptor } from './http/performance.interceptor.js';
export type { AnswerCost } from './calls/answer/answer-cost.js';
export type { CallFacts } from './calls/answer/call-facts.js';
export { LlmAnswer, type AnswerTarget, type SendOptions } from './calls/answer/llm-answer.js';
export type { CostLabels, SpendingHistory } from './calls/client-spend.js';
export type { MessageTokens, ResponseTokens } from './apis/counted-request.js';
export type { AttemptFailure } from './calls/call.js';
export {
  BodyBoundsError,
  boundJsonHook,
  boundJsonMiddleware,
  jsonBodyParser,
  type BoundJsonHook,
  type BoundJsonMiddleware,
  type JsonBodyParser,
} from './http/body/json-bounds.js';
export type { JsonSource } from './http/body/json-reader.js';
export type { JsonBounds } from './http/body/json-shape.js';
export type { BodyBounds } from './http/body/body-bounds.js';
export {
  CallHook,
  type AnswerText,
  type AnswerVerdict,
  type AttemptEnd,
  type CallEnd,
  type CallHookOptions,
  type Denial,
  type HookedAnswer,
  type HookedCall,
  type HookFailurePolicy,
  type ModelCallHook,
  type RequestVerdict,
  type TextKind,
  type TextVerdict,
} from './calls/hooks/call-hook.js';
export { CallJournal, type CallJournalOptions } from './calls/hooks/call-journal.js';
export type { LlmClientOptions } from './calls/llm-client.options.js';
export type { InProcessCallSettings, ModelGroups } from './calls/in-process-calls.js';
export type { CallOptions } from './calls/call-options.js';
export type { ModelRequest } from './providers/model-request.js';
export type { ExecuteOptions, Send, SendContext } from './calls/send/custom-send.js';
export type { ExactTokens, LocalCountReason } from './calls/counting/exact-counts.js';
export type { ExactCountOptions } from './calls/counting/exact-counts.options.js';
export { LlmClient, type LlmClientStatus, type TokenCountContext } from './calls/llm-client.service.js';
export type { QueueClassStatus, QueueStatus } from './queue/queue-metrics.js';
export type { QueueClass } from './queue/queue-class.js';
export type { QueuedCaller, QueueOptions } from './queue/queue.options.js';
export type { AccountRequest, ForwardedForm, ForwardedRequest, ImageList, ModerationList, RerankedList } from './apis/wire/forwarded.js';
export { MultipartBody } from './providers/forwarded/multipart.js';
export { LlmBytes } from './calls/stream/llm-bytes.js';
export { LlmStream } from './calls/stream/llm-stream.js';
export { EventTranslator } from './providers/events/event-translator.js';
export { splitParameters, type ParameterRules, type SplitParameters } from './providers/parameters.js';
export type {
  AnswerFault,
  AnswerReader,
  AnswerTranslator,
  CountCall,
  CountedOperation,
  Operation,
  Protocol,
  SentRequest,
  StatedError,
  StreamOpening,
  WireCall,
} from './providers/protocol.js';
export type { ProviderHandler, ProviderRequest, ProviderTransport, RequestBytes } from './providers/provider-transport.js';
export { provideProtocol } from './providers/provide-protocol.js';
export type { ProvidedProvider } from './providers/provided.js';
export { ChatChunks, type ChatUsage, type FinishReason } from './providers/openai/chat-chunks.js';
export { OPENAI_READER } from './providers/openai/reader.js';
export type {
  ChatChunkChoice,
  ChatCompletion,
  ChatCompletionChoice,
  ChatCompletionChunk,
  ChatCompletionMessage,
  ChatCompletionToolCall,
  ChatDelta,
  CompletionUsage,
  ThinkingContent,
} from './apis/wire/chat.js';
export type { EmbeddingList, TextCompletion } from './apis/wire/completions.js';
export type { Message, MessageBlock, MessageEvent, MessageUsage } from './apis/wire/messages.js';
export type {
  ChatRequest,
  ChatRequestMessage,
  ChatRequestPart,
  CompletionRequest,
  EmbeddingRequest,
  MessagesRequest,
  ResponsesRequest,
} from './apis/wire/requests.js';
export type { ResponsesAnswer, ResponsesEvent, ResponsesItem } from './apis/wire/responses.js';
export type { AnswerUsage, StatedCost, Usage } from './http/answer-usage.js';
export type { LimitedRequest, RequestResponse } from './http/guard/guarded-request.js';
export { addressKey } from './http/guard/client-key.js';
export { RateLimitGuard } from './http/guard/rate-limit.guard.js';
export { rateLimitPrecheck, type RateLimitPrecheck } from './http/guard/precheck.js';
export { principalOf, reportUsage, setPrincipal } from './http/request-context.js';
export { SkipPerformance } from './common/skip-decorators.js';
export { RateLimit, SkipRateLimit, type FromRequest, type RateLimitRule } from './http/decorators.js';
export { RetryAfterFilter } from './http/retry-after.filter.js';
export {
  ConfigurationService,
  type ConfigurationSetting,
  type LeftOutModel,
  type StoredSettings,
} from './configuration/configuration.service.js';
export type {
  ChangeEffect,
  ConfigurationCause,
  ConfigurationChange,
  ConfigurationVersion,
  RejectedConfiguration,
} from './configuration/configuration-version.js';
export type { CalledByApp, Uncallable } from './router/deployments/callability.js';
export type { CustomRoutingStrategy, RoutingCandidate } from './router/selection/strategies/custom.js';
export type { Deployment, ModelListEntry } from './router/deployments/deployment.js';
export type { LearnedLimit, QuotaState } from './router/quota/quota-domain.js';
export type { AnswerHeaders, Counted } from './router/quota/reported-limits.js';
export type { DeploymentState, ExclusionReason, Route, RoutingExplanation } from './router/selection/explanation.js';
export type { FallbackEntry, FallbackKind, Fallbacks, FallbackTarget } from './router/fallback-order.js';
export type { CallFailure } from './router/health/failures.js';
export type { HealthCheckOptions, HealthProbe } from './router/config/health-check-options.js';
export type { LiteLLMRouterSettings } from './router/config/litellm-router-settings.js';
export { readLiteLLMProxySettings, type LiteLLMProxySettings } from './router/config/proxy-settings.js';
export type { RedisClient as RouterRedisClient } from './common/redis/client.js';
export type { RouterOptions } from './router/router.options.js';
export { redisRouterState, type RedisRouterStateOptions } from './router/redis/redis-shared-state.js';
export { RouterService } from './router/router.service.js';
export type { ResolvedRouterSettings, RouterSettings, RoutingGroup } from './router/settings.js';
export { ROUTING_STRATEGIES } from './router/selection/strategies/registry.js';
export type { RoutingStrategy } from './router/selection/strategies/strategy.js';
export type { CallSuccess, CallUsage } from './router/state/call-success.js';
export type { RoutedSelection, RoutingContext } from './router/routing-context.js';
export type { RouterSharedState, StateOfRouter, UnreportedSpending } from './router/redis/shared-state.js';
export {
  isEnabled,
  getFeatureStatus,
  resetErrors,
  applyAcceleration,
  removeAcceleration,
  getPatchStatus,
  healthCheck,
  healthCheckAsync,
  countTokens,
  countTokensBatch,
  countTokensBatchAsync,
  countMessages,
  countRequest,
  encode,
  decode,
  isWithinTokenLimit,
  truncate,
  trimMessages,
  estimateCost,
  getModelLimits,
  checkRateLimit,
  getRateLimitStats,
  getAvailableDeployment,
  refreshModelList,
  recordPerformance,
  getPerformanceStats,
  compareImplementations,
  compareImplementationsAsync,
  getRecommendations,
  exportPerformanceData,
  getConnection,
  returnConnection,
  removeConnection,
  healthCheckConnection,
  cleanupExpiredConnections,
  getConnectionPoolStats,
  SimpleRateLimiter,
  SimpleConnectionPool,
  FastThrottlerStorage,
  SimpleTokenCounter,
  AdvancedRouter,
} from './standalone.js';
export type { ChatMessage } from './token-counter/prompt/messages.js';
export type { PricingOptions } from './token-counter/pricing/pricing-book.js';
export type { ModelLimits, ModelPrice, ModelPricing } from './token-counter/pricing/pricing.js';
export type { CostPart, CostParts, LengthRates, OffPeakRates, OffPeakWindow, PricedUsage, UsageDetails } from './common/token-cost.js';
export type { RequestTokens } from './token-counter/prompt/requests.js';
export type { AllowedSpecial } from './token-counter/bpe/special-tokens.js';
export type { CountMessagesOptions, CountOptions, TrimMessagesOptions } from './token-counter/arguments.js';
export { ENCODING_NAMES, type EncodingName } from './token-counter/engine/engine.js';
export type { EstimatesOptions, TokenCounterOptions } from './token-counter/token-counter.options.js';
export { FAMILY_NAMES, type FamilyName } from './token-counter/families.js';
export { TokenizerError, type SplitName } from './token-counter/tokenizers/tokenizer-model.js';
export type { TokenizerSource } from './token-counter/tokenizers/tokenizer-sources.js';
export { TokenCounterService } from './token-counter/token-counter.service.js';
export type { Tool, ToolChoice } from './token-counter/prompt/tools.js';

/**
 * Whether the native addon can be opened. `false` with `FAST_LITELLM_ENGINE=typescript`, which
 * never loads it.
 */
export declare const RUST_ACCELERATION_AVAILABLE: boolean;
// A getter, so that requiring this package does not open the addon for those who set `engine:
// 'typescript'`.
Object.defineProperty(exports, 'RUST_ACCELERATION_AVAILABLE', { enumerable: true, get: () => openNativeBinding().binding !== null });
