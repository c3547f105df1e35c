import { askedSearches } from './worst-cost.js';

describe('askedSearches', () => {
  it.each<[object, number]>([
    [{}, 0],
    [{ tools: [] }, 0],
    [{ tools: null, web_search_options: null }, 0],
    [{ tools: [{ type: 'web_search_20250305', name: 'web_search', max_uses: 3 }] }, 3],
    [{ tools: [{ type: 'web_search' }] }, 10],
    [{ tools: [{ type: 'web_search_preview' }], max_tool_calls: 2 }, 2],
    [{ tools: [{ type: 'web_search', max_uses: 0 }] }, 10],
    [{ tools: [{ type: 'web_search', max_uses: 1e9 }] }, 1_000],
    [{ tools: [{ googleSearch: {} }, { url_context: {} }] }, 10],
    [{ tools: [{ google_search: {} }] }, 10],
    [{ tools: [{ googleSearchRetrieval: {} }, { enterprise_web_search: {} }, { webSearch: {} }] }, 30],
    [{ tools: [{ type: 'function', function: { name: 'web_search' } }] }, 0],
    [{ tools: [{ type: 'function', name: 'web_search', parameters: {} }] }, 0],
    [{ tools: [{ name: 'WebSearch', input_schema: {} }] }, 0],
    [{ tools: [{ type: 'web_search', web_search: { enable: true } }] }, 10],
    [{ tools: [null, 'web_search', [1]] }, 0],
    [{ web_search_options: {} }, 10],
  ])('reads %j as %d', (fields, searches) => {
    expect(askedSearches(fields as Record<string, unknown>)).toBe(searches);
  });
});
