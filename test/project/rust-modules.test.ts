import { rustCircles } from './rust-modules.rules.js';
import { readSources } from './sources.js';

describe('the modules of the Rust crates', () => {
  const sources = readSources(['native'], /\.rs$/);

  it('are read', () => {
    expect(sources.has('native/core/src/lib.rs')).toBe(true);
  });

  it('do not use each other in a circle', () => {
    expect(rustCircles(sources)).toEqual([]);
  });
});

describe('the checker of Rust modules finds', () => {
  const found = (files: Record<string, string>): string[][] =>
    rustCircles(new Map(Object.entries(files).map(([path, text]) => [`native/core/src/${path}`, text])));

  it.each([
    ['of two files', { 'a/b.rs': 'use super::c::C;', 'a/c.rs': 'use crate::a::b::B;' }],
    ['by names in the code', { 'a/b.rs': 'fn b() { super::c::c() }', 'a/c.rs': 'fn c() -> crate::a::b::B {}' }],
    ['in a tree of names', { 'a/b.rs': 'use crate::{a::{self, c::{C, D as E}}, x};', 'a/c.rs': 'use super::{y, b::B};' }],
    [
      'through names that are passed on',
      { 'a/b.rs': 'use crate::a::C;', 'a/c.rs': 'use super::B;', 'a/mod.rs': 'pub use b::B;\npub use self::c::C;\nmod b;\nmod c;' },
    ],
    ['of a folder and a file in it', { 'a/b.rs': 'use super::LIMIT;', 'a/mod.rs': 'mod b;\npub const LIMIT: u32 = 1;\nfn f() { b::g() }' }],
  ])('a circle %s', (_, files) => {
    expect(found(files)).toHaveLength(1);
  });

  it.each([
    ['tests', { 'a/b.rs': 'use super::c::C;', 'a/c.rs': '#[cfg(test)]\nmod tests {\n    use crate::a::b::B;\n}' }],
    ['comments', { 'a/b.rs': 'use super::c::C;', 'a/c.rs': '/// See [`B`](crate::a::b::B).' }],
    ['a folder that passes names on', { 'a/b.rs': 'use super::c::C;', 'a/c.rs': '', 'a/mod.rs': 'mod b;\nmod c;\npub use b::B;' }],
  ])('nothing wrong in %s', (_, files) => {
    expect(found(files)).toEqual([]);
  });
});
