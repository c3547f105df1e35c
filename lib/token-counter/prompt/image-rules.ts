import type { ImageDimensions } from './image-dimensions.js';

/** How closely a model looks at an image. */
export type ImageDetail = 'low' | 'medium' | 'high' | 'auto' | 'original';

/** How a provider counts images. */
export interface ImageRule {
  /** Tokens of an image of this size. */
  tokens(size: ImageDimensions, detail: ImageDetail): number;
  /** The most that an image of any size costs. */
  most(detail: ImageDetail): number;
}

const ANY_SIZE: ImageDimensions = { width: 1, height: 1 };

/** Whether all images cost the same at this detail. */
export function isFixed(rule: ImageRule, detail: ImageDetail): boolean {
  return rule.most(detail) === rule.tokens(ANY_SIZE, detail);
}

/**
 * OpenAI's tiles: `low` costs only the base. Otherwise the image is scaled down to fit 2048 x 2048,
 * then its short side to 768, and costs the base plus a price for each 512-px tile. No detail and
 * `auto` count as `high`, so that a budget is not exceeded.
 */
class TileRule implements ImageRule {
  constructor(
    private readonly base: number,
    private readonly perTile: number,
    private readonly shortSide = 768,
  ) {}

  tokens({ width, height }: ImageDimensions, detail: ImageDetail): number {
    if (detail === 'low') return this.base;
    const scale = Math.min(1, 2048 / Math.max(width, height), this.shortSide / Math.min(width, height));
    // Rounded to whole pixels first: 1536.0000000000002 px are three tiles, not four.
    const tiles = (side: number): number => Math.max(1, Math.ceil(Math.round(side * scale) / 512));
    return this.base + this.perTile * tiles(width) * tiles(height);
  }

  most(detail: ImageDetail): number {
    return this.tokens({ width: 2048, height: this.shortSide }, detail);
  }
}

/**
 * OpenAI's image models, which edit an image: tiles as above with a short side of 512 px, and for
 * high fidelity an amount that depends on the shape. A nearly square image counts as the more
 * expensive shape.
 */
class EditRule implements ImageRule {
  private readonly tiles = new TileRule(65, 129, 512);

  /** @param isHigh the fidelity if none is asked for */
  constructor(private readonly isHigh: boolean) {}

  tokens(size: ImageDimensions, detail: ImageDetail): number {
    const isHigh = detail === 'auto' ? this.isHigh : detail !== 'low';
    const fidelity = size.width === size.height ? 4096 : 6144;
    return this.tiles.tokens(size, 'high') + (isHigh ? fidelity : 0);
  }

  most(detail: ImageDetail): number {
    return this.tokens({ width: 2048, height: 512 }, detail);
  }
}

/** To how many pixels of the long side and how many patches an image is scaled down. */
interface PatchBounds {
  readonly side: number;
  readonly patches: number;
}

const PATCH = 32;
const STANDARD: PatchBounds = { side: 2048, patches: 1536 };
const LARGE: PatchBounds = { side: 2048, patches: 2500 };
const ORIGINAL: PatchBounds = { side: 6000, patches: 10_000 };
const SMALL: PatchBounds = { side: 512, patches: 256 };

/** OpenAI's patches of 32 px, after scaling down to the bounds of the detail, times a factor. */
class PatchRule implements ImageRule {
  constructor(
    private readonly factor: number,
    private readonly bounds: Readonly<Record<ImageDetail, PatchBounds>>,
  ) {}

  tokens({ width, height }: ImageDimensions, detail: ImageDetail): number {
    const { side, patches: most } = this.bounds[detail];
    const fit = Math.min(1, side / Math.max(width, height));
    const patches = patchesOf(width * fit, height * fit);
    return this.billed(patches <= most ? patches : patchesWithin(most, width * fit, height * fit));
  }

  most(detail: ImageDetail): number {
    return this.billed(this.bounds[detail].patches);
  }

  private billed(patches: number): number {
    // 920 patches at 1.2 are 1104 tokens; the product's fraction is dropped.
    return Math.ceil(Number((patches * this.factor).toFixed(6)));
  }
}

function patchesOf(width: number, height: number): number {
  const along = (side: number): number => Math.max(1, Math.ceil(Number((side / PATCH).toFixed(6))));
  return along(width) * along(height);
}

/** Scaled down to the area of so many patches, then until one side is whole patches. */
function patchesWithin(most: number, width: number, height: number): number {
  const scale = Math.sqrt((PATCH * PATCH * most) / (width * height));
  const [across, down] = [(width * scale) / PATCH, (height * scale) / PATCH];
  const whole = Math.min(Math.max(1, Math.floor(across)) / across, Math.max(1, Math.floor(down)) / down);
  return Math.min(most, patchesOf(width * scale * whole, height * scale * whole));
}

const CLAUDE_PATCH = 28;

/**
 * Anthropic's patches of 28 px, for the largest size within the bounds; Anthropic has no detail
 * levels.
 */
class ClaudeRule implements ImageRule {
  constructor(private readonly bounds: PatchBounds) {}

  tokens({ width, height }: ImageDimensions): number {
    const long = Math.max(width, height);
    const ratio = Math.min(width, height) / long;
    const at = (side: number): number => Math.ceil(side / CLAUDE_PATCH) * Math.ceil(Math.max(1, Math.round(side * ratio)) / CLAUDE_PATCH);
    // The largest long side whose patches are few enough: between `fits` and `tooLong`.
    let fits = 1;
    let tooLong = Math.min(long, this.bounds.side) + 1;
    while (tooLong - fits > 1) {
      const side = (fits + tooLong) >> 1;
      if (at(side) <= this.bounds.patches) fits = side;
      else tooLong = side;
    }
    return at(fits);
  }

  most(): number {
    return this.bounds.patches;
  }
}

const GEMINI_TILE = 258;

/** Gemini 1.5 to 2.5: one tile for small images, else tiles of 256 to 768 px of at most 3072 px. */
export const GEMINI_TILES: ImageRule = {
  tokens({ width, height }) {
    if (Math.max(width, height) <= 384) return GEMINI_TILE;
    const fit = Math.min(1, 3072 / Math.max(width, height));
    const unit = Math.min(768, Math.max(256, Math.floor((Math.min(width, height) * fit) / 1.5)));
    const tiles = (side: number): number => Math.max(1, Math.ceil(Math.round(side * fit) / unit));
    return GEMINI_TILE * tiles(width) * tiles(height);
  },
  most: () => GEMINI_TILE * 24,
};

/** Gemini 3: a budget for each resolution, regardless of the size. */
const GEMINI_BUDGETS: Readonly<Record<ImageDetail, number>> = { low: 280, medium: 560, auto: 1120, high: 1120, original: 2240 };
export const GEMINI_FIXED: ImageRule = { tokens: (_, detail) => GEMINI_BUDGETS[detail], most: (detail) => GEMINI_BUDGETS[detail] };

const sameBounds = (bounds: PatchBounds): Readonly<Record<ImageDetail, PatchBounds>> => ({
  low: bounds,
  medium: bounds,
  high: bounds,
  auto: bounds,
  original: bounds,
});

// The first match wins. Sources: OpenAI's guide to images and its price calculator, Anthropic's
// guide to vision, Gemini's guides to tokens and media resolution, LiteLLM's token counter.
const RULES: readonly (readonly [RegExp, ImageRule])[] = [
  [/^gemini-(?:1\.5|2)/, GEMINI_TILES],
  [/^gemini-/, GEMINI_FIXED],
  [/^gpt-4o-mini(?![a-z0-9])/, new TileRule(2833, 5667)],
  [/^(?:gpt-4\.1-mini|gpt-5(?:\.1)?(?:-codex)?-mini)(?![a-z0-9])/, new PatchRule(1.62, sameBounds(STANDARD))],
  [/^(?:gpt-4\.1|gpt-5(?:\.1)?)-nano(?![a-z0-9])/, new PatchRule(2.46, sameBounds(STANDARD))],
  [/^(?:o4-mini|codex-mini)(?![a-z0-9])/, new PatchRule(1.72, sameBounds(STANDARD))],
  [/^o[1-9](?![a-z0-9])/, new TileRule(75, 150)],
  [/^gpt-5(?:\.1)?(?![a-z0-9.])/, new TileRule(70, 140)],
  [/^gpt-5\.(?:[23]|4-mini|4-nano)(?![a-z0-9])/, new PatchRule(1.2, sameBounds(STANDARD))],
  [/^gpt-5\.4(?![a-z0-9])/, new PatchRule(1.2, { low: LARGE, medium: LARGE, high: LARGE, auto: LARGE, original: ORIGINAL })],
  [/^gpt-(?:5\.\d|[6-9])/, new PatchRule(1.2, { low: SMALL, medium: LARGE, high: LARGE, auto: ORIGINAL, original: ORIGINAL })],
  [/^(?:gpt-4|chatgpt-4o)/, new TileRule(85, 170)],
  [/^computer-use-preview/, new TileRule(65, 129)],
  [/^gpt-image-1(?:-mini)?(?![a-z0-9.-])/, new EditRule(false)],
  [/^(?:gpt|chatgpt)-image-/, new EditRule(true)],
];
/** That of gpt-4o, for models whose rule is not known: an estimate. */
export const ASSUMED_RULE: ImageRule = new TileRule(85, 170);

/** Longer numbers are dates. */
const CLAUDE_VERSION = /claude-(?:[a-z]+-)?(\d+)(?:[-.](\d+))?/;
const LONGEST_NUMBER = 2;
const CLAUDE_STANDARD = new ClaudeRule({ side: 1568, patches: 1568 });
const CLAUDE_HIGH = new ClaudeRule({ side: 2576, patches: 4784 });

/** The rule of a model, by its bare name in lower case. Unknown models: that of gpt-4o. */
export function imageRuleOf(name: string): ImageRule {
  if (name.includes('claude')) return claudeRuleOf(name);
  return RULES.find(([pattern]) => pattern.test(name))?.[1] ?? ASSUMED_RULE;
}

/** From 4.7 on Claude sees more pixels; so may one without a version. */
function claudeRuleOf(name: string): ImageRule {
  const [, major = '', minor = ''] = CLAUDE_VERSION.exec(name) ?? [];
  if (major === '' || major.length > LONGEST_NUMBER) return CLAUDE_HIGH;
  const isFrom47 = major === '4' && minor.length <= LONGEST_NUMBER && Number(minor) >= 7;
  return Number(major) > 4 || isFrom47 ? CLAUDE_HIGH : CLAUDE_STANDARD;
}
