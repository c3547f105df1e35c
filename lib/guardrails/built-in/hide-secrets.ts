import { custom, type OptionsOf } from '../../common/option.js';
import { checkArray, checkKnownKeys, checkNumber, checkObject, checkOneOf, joinPath, type Refuse } from '../../common/options.js';
import type { Guardrail, GuardrailInput, GuardrailVerdict } from '../guardrail.js';
import { guardrailKind } from '../guardrail-kind.js';
import { CREDENTIAL_PATTERNS, isMixed, SERVICE_PATTERNS } from './credential-patterns.js';
import { findingsOf } from './merge-findings.js';
import { withoutOverlaps } from './span.js';
import { PatternSet, tailOf, type TextPattern } from './text-pattern.js';

const REPLACEMENT = '[REDACTED]';
/** Bits per character, as in detect-secrets. */
const BASE64_LIMIT = 4.5;
const HEX_LIMIT = 3;
const MOST_BITS = 8;

const KNOWN = new Map([...CREDENTIAL_PATTERNS, ...SERVICE_PATTERNS].map((pattern) => [pattern.kind, pattern]));

/** Patterns of the plugins of detect-secrets, by their names. */
const PLUGINS: Readonly<Record<string, readonly string[] | ((limit: number | undefined) => TextPattern)>> = {
  AWSKeyDetector: ['aws_access_key', 'aws_secret_key'],
  AzureStorageKeyDetector: ['azure_storage_key'],
  BasicAuthDetector: ['url_password'],
  DiscordBotTokenDetector: ['discord_token'],
  GitHubTokenDetector: ['github_token'],
  GitLabTokenDetector: ['gitlab_token'],
  JwtTokenDetector: ['jwt'],
  KeywordDetector: ['generic_api_key'],
  MailgunDetector: ['mailgun_key'],
  NpmDetector: ['npm_token'],
  OpenAIDetector: ['openai_api_key', 'anthropic_api_key'],
  PrivateKeyDetector: ['private_key', 'age_secret_key'],
  PypiTokenDetector: ['pypi_token'],
  SendGridDetector: ['sendgrid_key'],
  SlackDetector: ['slack_token'],
  StripeDetector: ['stripe_key'],
  TelegramBotTokenDetector: ['telegram_token'],
  TwilioKeyDetector: ['twilio_key'],
  Base64HighEntropyString: (limit = BASE64_LIMIT) => ({
    kind: 'base64_high_entropy_string',
    expression: /(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/_-]{20,}={0,2}(?![A-Za-z0-9+/=_-])/g,
    characters: 'A-Za-z0-9+/=_-',
    needs: '0-9',
    longest: 4096,
    accepts: (found) => isMixed(found) && entropyOf(found) >= limit,
  }),
  HexHighEntropyString: (limit = HEX_LIMIT) => ({
    kind: 'hex_high_entropy_string',
    expression: /["'=:][ ]?["']?([0-9a-fA-F]{20,})(?![A-Za-z0-9])/g,
    characters: 'A-Za-z0-9"\'=: ',
    needs: '0-9',
    longest: 1024,
    open: tailOf(/["'=:] ?["']?(?:[0-9a-fA-F]+)?$/),
    accepts: (found) => entropyOf(found) >= limit,
  }),
};

export const PARAMS = {
  /**
   * `{ plugins_used: [{ name, limit }] }` as of detect-secrets: only these kinds of secrets.
   * Default: all known formats, and random texts by their entropy.
   */
  detect_secrets_config: custom<object, readonly TextPattern[]>('object', checkPlugins, allPatterns()),
};

/** `litellm_params` of the type. */
export interface HideSecretsParams extends OptionsOf<typeof PARAMS> {}

/** Replaces credentials of known formats, and texts that look random, by `[REDACTED]`. */
export const HIDE_SECRETS = guardrailKind({
  id: 'hide-secrets',
  modes: ['pre_call', 'post_call', 'logging_only'],
  params: PARAMS,
  create: ({ params, modes }) => new HideSecrets(new PatternSet(params.detect_secrets_config), modes),
});

class HideSecrets implements Guardrail {
  readonly abilities;

  constructor(
    private readonly patterns: PatternSet,
    modes: Guardrail['abilities']['modes'],
  ) {
    this.abilities = { modes, rewrites: true, inPortions: true };
  }

  check({ texts }: GuardrailInput): GuardrailVerdict {
    const found = texts.map(({ text, context }) => withoutOverlaps(this.patterns.find(text, context)));
    if (found.every(({ length }) => length === 0)) return undefined;
    return {
      texts: found.map((secrets) => secrets.map(({ start, end }) => ({ start, end, replacement: REPLACEMENT }))),
      findings: found.flatMap((secrets, at) => findingsOf(texts[at], 'masked', secrets)),
    };
  }

  heldBack(text: string): number {
    return this.patterns.heldBack(text);
  }
}

/** Shannon entropy, in bits per character. */
function entropyOf(text: string): number {
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  return [...counts.values()].reduce((bits, count) => bits - (count / text.length) * Math.log2(count / text.length), 0);
}

function allPatterns(): readonly TextPattern[] {
  return [...KNOWN.values(), ...Object.values(PLUGINS).flatMap((plugin) => (typeof plugin === 'function' ? [plugin(undefined)] : []))];
}

function checkPlugins(path: string, value: unknown, refuse: Refuse): readonly TextPattern[] {
  const config = checkObject(path, value, refuse);
  checkKnownKeys(path, config, ['plugins_used'], refuse);
  if (config.plugins_used === undefined) return allPatterns();
  const plugins = checkArray(
    joinPath(path, 'plugins_used'),
    config.plugins_used,
    (at, entry) => {
      const plugin = checkObject(at, entry, refuse);
      checkKnownKeys(at, plugin, ['name', 'limit'], refuse);
      const known = PLUGINS[checkOneOf(joinPath(at, 'name'), plugin.name, Object.keys(PLUGINS), refuse)];
      if (typeof known !== 'function') return known.map((kind) => KNOWN.get(kind)!);
      const range = { min: 0, max: MOST_BITS };
      return [known(plugin.limit === undefined ? undefined : checkNumber(joinPath(at, 'limit'), plugin.limit, range, refuse))];
    },
    refuse,
  );
  if (plugins.length === 0) throw refuse(joinPath(path, 'plugins_used'), [], 'must not be empty, since nothing would be hidden');
  return plugins.flat();
}
