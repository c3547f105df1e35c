import { TextSplitter } from '@langchain/textsplitters';
import type { TokenCounterService } from 'nestjs-fast-litellm';

const SENTENCES = new Intl.Segmenter(undefined, { granularity: 'sentence' });

/**
 * Splits between sentences into chunks of at most `chunkSize` tokens. The bound is exact, because each
 * chunk is counted as a whole: LangChain's own splitters add up the lengths of parts.
 */
export class TokenSplitter extends TextSplitter {
  constructor(
    private readonly tokenCounter: TokenCounterService,
    private readonly model: string,
    chunkSize: number,
  ) {
    super({ chunkSize, chunkOverlap: 0 });
  }

  async splitText(text: string): Promise<string[]> {
    const chunks: string[] = [];
    let chunk = '';
    for (const { segment } of SENTENCES.segment(text)) {
      if (this.fits(chunk + segment)) {
        chunk += segment;
        continue;
      }
      if (chunk !== '') chunks.push(chunk);
      chunk = segment;
      while (!this.fits(chunk)) {
        // One sentence is too long: its beginning is a chunk.
        const start = this.tokenCounter.truncate(chunk, this.chunkSize, this.model);
        chunks.push(start);
        chunk = chunk.slice(start.length);
      }
    }
    if (chunk !== '') chunks.push(chunk);
    return chunks.filter((text) => text.trim() !== '');
  }

  private fits(text: string): boolean {
    return this.tokenCounter.isWithinTokenLimit(text, this.chunkSize, this.model) !== false;
  }
}
