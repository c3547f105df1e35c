import { isObject, type Fields } from '../../common/objects.js';

/** `web_search_20250305` of Anthropic, `web_search_preview` of OpenAI. */
const SEARCH_TYPE = /^(?:web_?search|google_?search|enterprise_?web_?search)/i;
/** Gemini's tools are named by their field. Looked up: a hostile tool may have a million fields. */
const SEARCH_FIELDS = ['web_search', 'google_search', 'google_search_retrieval', 'enterprise_web_search'].flatMap((name) => [
  name,
  name.replace(/_[a-z]/g, (letters) => letters[1].toUpperCase()),
]);
/** Searches of a request that does not limit them: LiteLLM's figure for its largest size. */
const UNLIMITED_SEARCHES = 10;
/** More are no figure to hold money for. */
const MOST_SEARCHES = 1_000;

/**
 * The most web searches that a provider may run for a request, by its tools: `max_uses` of a tool,
 * within `max_tool_calls`; 10 where nothing limits them. 0: it asks for none.
 */
export function askedSearches({ tools, web_search_options: options, max_tool_calls: most }: Fields): number {
  let searches = (options ?? undefined) === undefined ? 0 : UNLIMITED_SEARCHES;
  if (Array.isArray(tools)) for (const tool of tools as unknown[]) searches += searchesOf(tool);
  return Math.min(searches, limitIn(most) ?? MOST_SEARCHES, MOST_SEARCHES);
}

function searchesOf(tool: unknown): number {
  if (!isObject(tool)) return 0;
  const { type, max_uses: uses } = tool;
  // A tool of the client may have any name: Claude Code has a `WebSearch`.
  const isSearch = (typeof type === 'string' && SEARCH_TYPE.test(type)) || SEARCH_FIELDS.some((name) => Object.hasOwn(tool, name));
  return isSearch ? (limitIn(uses) ?? UNLIMITED_SEARCHES) : 0;
}

function limitIn(value: unknown): number | undefined {
  return typeof value === 'number' && value > 0 ? Math.ceil(value) : undefined;
}
