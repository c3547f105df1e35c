/** How Vertex AI serves a model. */
export type VertexModel =
  /** Google's own protocol, with the model's path after the location. */
  | { readonly api: 'gemini'; readonly path: string; readonly name: string }
  /** Anthropic's protocol. */
  | { readonly api: 'claude'; readonly path: string }
  /** OpenAI's protocol at a publisher's model; `name` stands in the body. */
  | { readonly api: 'publisher'; readonly path: string; readonly name: string; readonly dialect: string; readonly version: string }
  /** OpenAI's protocol at an endpoint for all models, or at one of the operator. */
  | { readonly api: 'openai'; readonly path: string; readonly name: string; readonly version: string }
  /** Another protocol. */
  | { readonly api: 'unsupported'; readonly remedy: string };

const ENDPOINT = /^\d+$/;
const UNSUPPORTED = /^(?:gemma|bge|agent_engine)\//;
const OWN_OPENAI = 'openai/';
const USUAL = 'v1';
const BETA = 'v1beta1';

/** As LiteLLM chooses, by the name. */
export function vertexModel(model: string): VertexModel {
  const name = model.replace(/^(?:gemini|google)\/(?=gemini|\d)/, '');
  if (ENDPOINT.test(name)) return { api: 'gemini', path: `/endpoints/${name}`, name };
  if (name.startsWith('claude')) return { api: 'claude', path: `/publishers/anthropic/models/${encoded(name)}` };
  if (/^(?:mistral|codestral)[\w.-]*(?:@|$)/.test(name)) {
    // The version is only in the path.
    const path = `/publishers/mistralai/models/${encoded(name)}`;
    return { api: 'publisher', path, name: name.split('@')[0], dialect: 'mistral', version: USUAL };
  }
  if (name.startsWith('jamba')) {
    return { api: 'publisher', path: `/publishers/ai21/models/${encoded(name)}`, name, dialect: 'vertex_ai', version: BETA };
  }
  if (UNSUPPORTED.test(name)) {
    return { api: 'unsupported', remedy: 'deploy it with an OpenAI-compatible server, and use vertex_ai/openai/<endpoint id>' };
  }
  const own = name.startsWith(OWN_OPENAI) && !name.startsWith('openai/gpt-oss-') ? name.slice(OWN_OPENAI.length) : undefined;
  if (own !== undefined && !own.includes('/')) return { api: 'openai', path: `/endpoints/${encoded(own)}`, name: '', version: BETA };
  if (name.includes('/') || name.includes('llama')) return { api: 'openai', path: '/endpoints/openapi', name: own ?? name, version: USUAL };
  return { api: 'gemini', path: `/publishers/google/models/${encoded(name)}`, name };
}

function encoded(name: string): string {
  return encodeURIComponent(name).replaceAll('%40', '@');
}
