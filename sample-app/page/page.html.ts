import type { FastLiteLLMHealth, FeatureStatus } from 'nestjs-fast-litellm';

/** Facts about this process that the page shows. */
export interface PageFacts {
  readonly version: string;
  readonly node: string;
  readonly platform: string;
  readonly health: FastLiteLLMHealth;
  readonly features: Readonly<Record<string, FeatureStatus>>;
}

/** One of each kind: every encoding in use, and one whose tokenizer is not public. */
const MODELS = [
  'gpt-4o',
  'gpt-4.1-mini',
  'gpt-5',
  'o3',
  'gpt-oss-120b',
  'gpt-4',
  'gpt-3.5-turbo',
  'text-embedding-3-small',
  'claude-opus-4-8',
];

const SAMPLE_TEXT = 'Tokens are not words: "unbelievably" is several, and so is 🦀.\nTokens sind keine Wörter, 也不是汉字。';

const ENGINE_WORDS = { native: 'Rust, through the native addon', typescript: 'TypeScript' } as const;

/** Renders the page. Every value is escaped. */
export function renderPage({ version, node, platform, health, features }: PageFacts): string {
  const counting = health.components.token_counting;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>nestjs-fast-litellm: count tokens</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/app.css">
<script src="/app.js" defer></script>
</head>
<body>
<header>
<h1>nestjs-fast-litellm</h1>
<p>The sample gateway, version ${escapeHtml(version)}</p>
</header>
<main>
<section aria-labelledby="count-title">
<h2 id="count-title">Count as you type</h2>
<div class="field">
<label for="model">Model</label>
<select id="model">${MODELS.map((model) => `<option>${escapeHtml(model)}</option>`).join('')}</select>
</div>
<div class="field">
<label for="text">Text</label>
<textarea id="text" rows="6" spellcheck="false" autocapitalize="off" autocomplete="off">${escapeHtml(SAMPLE_TEXT)}</textarea>
</div>
<div class="result" role="status">
<p class="total"><strong id="tokens">…</strong> <span id="unit">tokens</span></p>
<p id="note" class="note"></p>
</div>
<dl class="facts">
<div><dt>Characters</dt><dd id="characters">–</dd></div>
<div><dt>As a prompt</dt><dd id="cost">–</dd></div>
<div><dt>Of the context</dt><dd id="share">–</dd></div>
<div><dt>Encoding</dt><dd id="encoding">–</dd></div>
<div><dt>Engine</dt><dd id="engine">–</dd></div>
<div><dt>Counting took</dt><dd id="time">–</dd></div>
</dl>
<h3 id="pieces-title">Where the tokens end</h3>
<div id="pieces" class="pieces" role="region" aria-labelledby="pieces-title" tabindex="0"></div>
<p id="pieces-note" class="note"></p>
<noscript><p class="note">Counting as you type needs JavaScript; <code>POST /v1/tokens/count</code> does not.</p></noscript>
</section>
<section aria-labelledby="runs-title">
<h2 id="runs-title">What runs</h2>
<p class="engine"><span id="running-engine" class="badge ${escapeHtml(counting.engine)}">${escapeHtml(counting.engine)}</span> ${escapeHtml(ENGINE_WORDS[counting.engine])}</p>
<dl class="facts">
<div class="wide"><dt>Why</dt><dd id="why">${escapeHtml(counting.reason ?? health.reason ?? 'as configured')}</dd></div>
<div><dt>Health</dt><dd>${escapeHtml(health.status)}</dd></div>
<div><dt>Addon</dt><dd>${health.rustAvailable ? 'open' : 'not open'}</dd></div>
<div><dt>Node</dt><dd>${escapeHtml(node)}</dd></div>
<div><dt>Platform</dt><dd>${escapeHtml(platform)}</dd></div>
</dl>
<h3 id="flags-title">Feature flags</h3>
<ul class="flags" aria-labelledby="flags-title">
${Object.entries(features)
  .map(
    ([name, { state, enabled }]) =>
      `<li><code>${escapeHtml(name)}</code> <span class="state ${enabled ? 'on' : 'off'}">${escapeHtml(state)}</span></li>`,
  )
  .join('\n')}
</ul>
<h3>By HTTP</h3>
<ul class="links">
<li><code>POST /v1/chat/completions</code></li>
<li><code>POST /v1/embeddings</code></li>
<li><a href="/v1/models"><code>GET /v1/models</code></a></li>
<li><code>POST /v1/tokens/count</code></li>
<li><a href="/dashboard"><code>GET /dashboard</code></a></li>
<li><a href="/health"><code>GET /health</code></a></li>
<li><a href="/metrics"><code>GET /metrics</code></a></li>
</ul>
</section>
</main>
</body>
</html>
`;
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** For text and for quoted attributes. */
export function escapeHtml(value: string): string {
  return value.replace(/[&<>"']/g, (character) => ENTITIES[character]);
}
