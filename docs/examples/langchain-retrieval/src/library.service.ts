import { Document, type DocumentInterface } from '@langchain/core/documents';
import { StringOutputParser } from '@langchain/core/output_parsers';
import { ChatPromptTemplate } from '@langchain/core/prompts';
import { Injectable } from '@nestjs/common';
import { FastLiteLLM } from 'nestjs-fast-litellm';
import { ChatFastLiteLLM, FastLiteLLMEmbeddings } from 'nestjs-fast-litellm/langchain';
import { MemoryVectorStore } from './memory-vector-store.js';
import { TokenSplitter } from './token-splitter.js';

/** Tokens of one chunk, at most. */
export const CHUNK_TOKENS = 60;
/** Tokens of all chunks in one prompt, at most. */
export const CONTEXT_TOKENS = 150;

const PROMPT = ChatPromptTemplate.fromMessages([
  ['system', 'Answer from these notes, or say that they do not tell.\n\n{context}'],
  ['user', '{question}'],
]);

export interface LibraryAnswer {
  readonly answer: string;
  /** Titles of the documents whose chunks were in the prompt. */
  readonly sources: readonly string[];
}

/** Splits documents by tokens, finds the chunks that fit a question, and answers from them. */
@Injectable()
export class LibraryService {
  private readonly splitter: TokenSplitter;
  private readonly store: MemoryVectorStore;
  private readonly model: ChatFastLiteLLM;

  constructor(private readonly llm: FastLiteLLM) {
    this.splitter = new TokenSplitter(llm.tokenCounter, 'text-embedding-3-small', CHUNK_TOKENS);
    this.store = new MemoryVectorStore(new FastLiteLLMEmbeddings({ llm, model: 'embeddings' }), {});
    this.model = new ChatFastLiteLLM({ llm, model: 'chat', temperature: 0, maxTokens: 300 });
  }

  /** Returns the number of chunks. */
  async add(title: string, text: string): Promise<number> {
    const chunks = await this.splitter.splitDocuments([new Document({ pageContent: text, metadata: { title } })]);
    await this.store.addDocuments(chunks);
    return chunks.length;
  }

  async ask(question: string): Promise<LibraryAnswer> {
    const chunks = this.withinBudget(await this.store.asRetriever(8).invoke(question));
    const context = chunks.map(({ pageContent }) => pageContent).join('\n\n');
    const answer = await PROMPT.pipe(this.model).pipe(new StringOutputParser()).invoke({ context, question });
    return { answer, sources: [...new Set(chunks.map(({ metadata }) => String(metadata.title)))] };
  }

  /** The first chunks, as many as fit into `CONTEXT_TOKENS`. */
  private withinBudget(chunks: readonly DocumentInterface[]): DocumentInterface[] {
    let tokens = 0;
    const end = chunks.findIndex(
      ({ pageContent }) => (tokens += this.llm.tokenCounter.countTokens(pageContent, 'gpt-4o')) > CONTEXT_TOKENS,
    );
    return chunks.slice(0, end < 0 ? undefined : end);
  }
}
