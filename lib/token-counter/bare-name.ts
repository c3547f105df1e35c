/**
 * A model's name in lower case without its provider: the last part of a path, without region and
 * provider as in Bedrock, a fine-tune's owner, or a version after a colon.
 */
export function bareName(model: string): string {
  const fineTune = /(?:^|\/)ft:/.exec(model);
  const unprefixed = fineTune === null ? model.slice(model.lastIndexOf('/') + 1) : model.slice(fineTune.index + fineTune[0].length);
  return unprefixed.split(':', 1)[0].replace(/^(?:(?:[a-z-]+\.)+|databricks-|openai-)(?=gpt-|o[1-9](?![a-z0-9])|claude|gemini-)/, '');
}

/** The tag after the first colon; Ollama's default `latest` without one. */
export function tagOf(model: string): string {
  const tag = model.split(':').slice(1).join(':');
  return tag === '' && /^ollama(?:_chat)?\//.test(model) ? 'latest' : tag;
}
