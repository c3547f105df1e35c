import type { DocumentInterface } from '@langchain/core/documents';
import { VectorStore } from '@langchain/core/vectorstores';

interface Entry {
  readonly vector: readonly number[];
  readonly document: DocumentInterface;
}

/** Vectors in memory, compared one by one: enough for some thousand chunks. Any store of LangChain can take its place. */
export class MemoryVectorStore extends VectorStore {
  private readonly entries: Entry[] = [];

  _vectorstoreType(): string {
    return 'memory';
  }

  async addVectors(vectors: number[][], documents: DocumentInterface[]): Promise<void> {
    vectors.forEach((vector, at) => this.entries.push({ vector, document: documents[at] }));
  }

  async addDocuments(documents: DocumentInterface[]): Promise<void> {
    await this.addVectors(await this.embeddings.embedDocuments(documents.map(({ pageContent }) => pageContent)), documents);
  }

  async similaritySearchVectorWithScore(query: number[], k: number): Promise<[DocumentInterface, number][]> {
    const scored = this.entries.map(({ vector, document }): [DocumentInterface, number] => [document, cosine(query, vector)]);
    return scored.sort(([, first], [, second]) => second - first).slice(0, k);
  }
}

function cosine(first: readonly number[], second: readonly number[]): number {
  const dot = (one: readonly number[], other: readonly number[]): number => one.reduce((sum, value, at) => sum + value * other[at], 0);
  return dot(first, second) / Math.sqrt(dot(first, first) * dot(second, second) || 1);
}
