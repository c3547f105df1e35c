-- Searches for the beginning of an alias, ignoring case.

CREATE INDEX keys_alias_prefix ON keys (lower(alias) text_pattern_ops);
