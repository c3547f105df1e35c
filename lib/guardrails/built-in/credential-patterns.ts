import { tailOf, type TextPattern } from './text-pattern.js';

/** Most characters of a credential that a stream holds back before its end. */
const LONGEST = 4096;
const WORD = 'A-Za-z0-9_-';

function credential(kind: string, expression: RegExp, characters: string, needs: string, more?: Partial<TextPattern>): TextPattern {
  return { kind, expression, characters, needs, longest: LONGEST, ...more };
}

/** The last word, and before it a name with `=` or `:`. */
function openAssignment(text: string): number {
  let start = text.length;
  while (start > 0 && /[A-Za-z0-9_.+/=-]/.test(text[start - 1])) start--;
  const name = tailOf(/(?:api[_-]?key|access[_-]?key|secret|token|passw(?:or)?d)["']?[ \t]{0,4}[:=]?[ \t]{0,4}["']?$/i);
  return text.length - start + name(text.slice(0, start));
}

/** Formats of credentials that `litellm_content_filter` names. */
export const CREDENTIAL_PATTERNS: readonly TextPattern[] = [
  credential('aws_access_key', /(?<![A-Z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Z0-9])/g, 'A-Z0-9', 'A'),
  credential('aws_secret_key', /(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=])/g, 'A-Za-z0-9+/=', '0-9', { accepts: isMixed }),
  credential('github_token', /(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})/g, 'A-Za-z0-9_', '_'),
  credential('slack_token', /xox[a-z]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,}/g, 'A-Za-z0-9-', 'x'),
  credential('anthropic_api_key', /sk-ant-[A-Za-z0-9_-]{20,}/g, WORD, '-'),
  credential('openai_api_key', /sk-(?!ant-)[A-Za-z0-9_-]{20,}/g, WORD, '-', { accepts: hasDigit }),
  credential('gemini_api_key', /(?<![A-Za-z0-9_.-])(?:AIza[A-Za-z0-9_-]{35,}|AQ\.[A-Za-z0-9_-]{20,})/g, 'A-Za-z0-9_.-', 'A'),
  credential(
    'generic_api_key',
    /(?:api[_-]?key|access[_-]?key|secret|token|passw(?:or)?d)["']?[ \t]{0,4}[:=][ \t]{0,4}["']?([A-Za-z0-9_.+/=-]{16,})/gi,
    'A-Za-z0-9_.+/= \t:"\'-',
    ':=',
    { open: openAssignment },
  ),
];

/** More formats, which `hide-secrets` knows. */
export const SERVICE_PATTERNS: readonly TextPattern[] = [
  credential('private_key', /-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----[A-Za-z0-9+/=\s:,.-]*/g, 'A-Za-z0-9+/=:,. \t\r\n-', '-', {
    open: tailOf(/-{1,5}$|-----B[A-Z ]*-{0,5}$|-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----[A-Za-z0-9+/=\s:,.-]*$/),
    longest: 16_384,
  }),
  credential('jwt', /(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*/g, 'A-Za-z0-9_.-', '.'),
  credential('google_oauth_token', /ya29\.[A-Za-z0-9_-]{20,}/g, 'A-Za-z0-9_.-', '.'),
  credential('stripe_key', /[rs]k_(?:live|test)_[A-Za-z0-9]{16,}/g, 'A-Za-z0-9_', '_'),
  credential('twilio_key', /(?<![A-Za-z0-9])(?:SK|AC)[0-9a-f]{32}(?![A-Za-z0-9])/g, 'A-Za-z0-9', 'SA'),
  credential('sendgrid_key', /SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}/g, 'A-Za-z0-9_.-', '.'),
  credential('mailgun_key', /(?<![A-Za-z0-9])key-[0-9a-f]{32}(?![A-Za-z0-9])/g, 'A-Za-z0-9-', '-'),
  credential('npm_token', /npm_[A-Za-z0-9]{36,}/g, 'A-Za-z0-9_', '_'),
  credential('pypi_token', /(?<![A-Za-z0-9_-])pypi-[A-Za-z0-9_-]{50,}/g, WORD, '-'),
  credential('gitlab_token', /gl(?:pat|dt|rt|cbt|ptt|oas|soat|ft)-[A-Za-z0-9_.-]{20,}/g, 'A-Za-z0-9_.-', '-'),
  credential('hugging_face_token', /hf_[A-Za-z0-9]{30,}/g, 'A-Za-z0-9_', '_'),
  credential('groq_key', /gsk_[A-Za-z0-9]{40,}/g, 'A-Za-z0-9_', '_'),
  credential('xai_key', /xai-[A-Za-z0-9]{40,}/g, 'A-Za-z0-9-', '-'),
  credential('perplexity_key', /pplx-[A-Za-z0-9]{40,}/g, 'A-Za-z0-9-', '-'),
  credential('replicate_token', /r8_[A-Za-z0-9]{30,}/g, 'A-Za-z0-9_', '_'),
  credential('databricks_token', /(?<![A-Za-z0-9])dapi[0-9a-f]{32}(?:-\d)?/g, 'A-Za-z0-9-', 'd'),
  credential('digitalocean_token', /do[opr]_v1_[0-9a-f]{64}/g, 'A-Za-z0-9_', '_'),
  credential('shopify_token', /shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}/g, 'A-Za-z0-9_', '_'),
  credential('vault_token', /hv[sbr]\.[A-Za-z0-9_-]{24,}/g, 'A-Za-z0-9_.-', '.'),
  credential('linear_key', /lin_api_[A-Za-z0-9]{32,}/g, 'A-Za-z0-9_', '_'),
  credential('notion_token', /(?:ntn_|secret_)[A-Za-z0-9]{40,}/g, 'A-Za-z0-9_', '_'),
  credential('telegram_token', /(?<!\d)\d{8,10}:[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])/g, 'A-Za-z0-9_:-', ':'),
  credential('discord_token', /(?<![A-Za-z0-9_-])[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,}/g, 'A-Za-z0-9_.-', '.'),
  credential('azure_storage_key', /(?<![A-Za-z0-9+/=])AccountKey=([A-Za-z0-9+/=]{40,})/g, 'A-Za-z0-9+/=', '='),
  credential('age_secret_key', /AGE-SECRET-KEY-1[A-Z0-9]{58}/g, 'A-Z0-9-', '-'),
  credential('url_password', /[a-z][a-z0-9+.-]{1,20}:\/\/[^\s:@/]{0,128}:([^\s:@/]{1,256})(?=@)/gi, '!-~', ':'),
];

/** Whether a text looks random: it has a digit, small and capital letters. */
export function isMixed(found: string): boolean {
  return hasDigit(found) && /[a-z]/.test(found) && /[A-Z]/.test(found);
}

function hasDigit(found: string): boolean {
  return /\d/.test(found);
}
