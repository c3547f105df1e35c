/**
 * Writes test/vectors/token-counter.json for the TypeScript and the Rust tests: texts with
 * tiktoken's ids. A text with a lone surrogate, which Rust's JSON rejects, is given by its UTF-16
 * `units`.
 *
 *   node scripts/generate-token-vectors.mjs [--check]
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const { Tiktoken } = require('tiktoken/lite');

/**
 * Encoding, rank file, and whether it gets all texts or, with shared ranks, the first group of each
 * kind.
 */
const ENCODINGS = [
  { name: 'cl100k_base', file: 'cl100k_base', full: true },
  { name: 'o200k_base', file: 'o200k_base', full: true },
  { name: 'o200k_harmony', file: 'o200k_base', full: false },
  { name: 'p50k_base', file: 'p50k_base', full: true },
  { name: 'p50k_edit', file: 'p50k_edit', full: false },
  { name: 'r50k_base', file: 'r50k_base', full: true },
  { name: 'gpt2', file: 'gpt2', full: false },
];

const letters = 'the quick brown fox jumps over a lazy dog '.repeat(4);

const BASIC = [
  '',
  'a',
  ' ',
  '\n',
  'Hello, world!',
  'The quick brown fox jumps over the lazy dog.',
  'tiktoken is great!',
  "I'm sure you're right: they've gone, he'd know, we'll see, it's Tom's, don't.",
  "I'M SURE YOU'RE RIGHT: THEY'VE GONE, HE'D KNOW, WE'LL SEE, IT'S TOM'S, DON'T.",
  "'s 't 're 've 'm 'll 'd 'S 'T 'RE 'VE 'M 'LL 'D 'Re 'rE 'Ll 'lL 'x ''s 's's",
  "x'ſ X'ſ 'ſ 'ſs don'ſ know 'K 'k 'ı",
  '0 12 123 1234 12345 1234567890 3.14159 1,000,000 0xdeadbeef 1e-9 v1.2.3',
  'a  b   c    d\te\t\tf\n\ng\r\nh \n i\n  j  ',
  '<|endoftext|> <|im_start|>user<|im_end|> <|fim_prefix|><|endofprompt|>',
  '字𝔘🅰é\u0301',
  'Grüße, Ωμέγα, Привет, שלום, مرحبا, नमस्ते, 你好, こんにちは, 안녕하세요, 👋',
];

const SPACES = [
  '\t',
  '\r\n',
  '\n\n\n',
  '\r\n\r\n',
  '   ',
  '  x',
  'x  ',
  ' x ',
  '\tx',
  'x\t',
  'x \n',
  'x\n y',
  'x \n \n y',
  ' \n\t \r\n  z',
  'a\u0085b \u0085 c\u0085\u0085d',
  'a\u00a0b \u00a0 c\u00a0\u00a0d',
  '\ufeffstart and \ufeff inside\ufeff',
  '\u2028line\u2029paragraph\u3000wide\u2003em\u180emongolian',
  '.\n.\r\n!\n\n?\n /\n//\n\n///',
  'path/\n/to\n//x\r\n/y',
  '1  2   3\n4\n\n5  ',
  '     leading five and trailing five     ',
  '\n        indented\n\tby tab\n',
  ' \u00a0\n\u2003 \n\u3000x',
  '9 \n9  \n 9',
  '-  - \n-\n -',
  '\v\f\x1c\x1d\x1e\x1f\x20',
];

const WORDS = [
  'camelCase PascalCase HTTPServer XMLHttpRequest iPhone eBay McDonald aBcDeF ABCdefGHIjkl',
  'snake_case_name SCREAMING_SNAKE kebab-case-name dot.case.name',
  "HTTPServer's XMLHTTPREQUEST'S aB'sC'd'E",
  'https://example.com/a/b/c?query=1&other=two%20words#fragment',
  'mailto:someone+tag@example.co.uk ftp://10.0.0.1:21/ C:\\Users\\name\\file.txt /usr/local/bin',
  'function add(a, b) {\n  return a + b; // sum\n}\n\nconst f = async () => { await add(1, 2)?.toString() ?? null; };\n',
  'def fib(n: int) -> int:\n    """Return the n-th number."""\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\n',
  '#include <stdio.h>\nint main(void) {\n\tprintf("%d\\n", 42);\n\treturn 0;\n}\n',
  "SELECT id, name FROM users WHERE age >= 18 AND name LIKE '%o''b%' ORDER BY id DESC LIMIT 10;",
  '{"name":"Ada","tags":["x","y"],"n":-1.5e3,"nested":{"ok":true,"none":null},"text":"line\\nbreak \\u00e9"}',
  '[\n  {\n    "id": 1,\n    "values": [1, 2, 3]\n  }\n]\n',
  '<div class="a b" id=\'c\'><!-- note --><br/>&nbsp;&lt;text&gt;</div>\n',
  '# Title\n\n- item *one*\n- item **two**\n\n```ts\nlet x = 1;\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n',
  '!function(e,t){"use strict";for(var n=0,r=e.length;n<r;n++)t[e[n]]=void 0!==e[n]&&!0}([],{});',
  'Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore.',
  '$100.00 €50 £20 ¥1000 ₹500 50% #1 @user & * ^ ~ ` | \\ < > = + - _ ... !!! ??? --- === *** ~~~',
  'ǅ ǈ ǋ ǲ ᾈ ǅungla Ǆ ǆ',
  'ʰʷʲ Aʰ aʰA ʰA AʰB ªº',
  'ABC字DEF 字ABC abc字def ABC字def字GHI',
  '\u0301A \u0301a A\u0301B a\u0301\u0302b \u0301\u0301 \u0301',
  '.\u0301a -字 /Abc _ABC "ABCdef',
];

const LANGUAGES = [
  'Every morning the baker opens the shop before sunrise, and by noon the shelves are nearly empty.',
  'Die Straße zum Bahnhof ist wegen Bauarbeiten gesperrt; Fußgänger müssen über die Brücke gehen.',
  "L'été dernier, nous avons loué une petite maison près de la mer où les enfants ont appris à nager.",
  'Mañana por la mañana iremos al mercado: ¿quieres que te traiga piñas, limones o algo más?',
  'Amanhã não haverá aulas, porque a professora está doente e o diretor viajou para São Paulo.',
  'La nonna prepara la pasta ogni domenica, perché così tutta la famiglia può mangiare insieme.',
  'Gisteren regende het de hele dag, dus bleven we thuis en lazen we oude brieven van opa.',
  'Zażółć gęślą jaźń, a potem napij się herbaty z miodem, bo wieczór będzie chłodny.',
  'Příliš mnoho lidí čekalo na nádraží, když vlak z Brna konečně přijel se zpožděním.',
  'Bugün hava çok güzel; ırmağın kıyısında yürüyüp İstanbul’a giden gemileri izledik.',
  'Вчера вечером мы долго гуляли по набережной и смотрели, как над рекой поднимается туман.',
  'Учора ввечері сусіди співали біля річки, а їхній собака спокійно спав під яблунею.',
  'Το καλοκαίρι ξυπνάμε νωρίς, πίνουμε καφέ στη βεράντα και κοιτάζουμε τη θάλασσα.',
  'הרכבת לתל אביב יוצאת בשעה שבע בבוקר, ולכן כדאי להגיע לתחנה מוקדם.',
  'ذهبنا إلى السوق صباحًا واشترينا الخبز والزيتون، ثم عدنا إلى البيت قبل أن يشتد الحر.',
  'دیروز باران بارید و کودکان زیر درخت‌ها پنهان شدند تا خیس نشوند.',
  'बारिश के बाद गाँव की गलियों में बच्चे काग़ज़ की नाव चला रहे थे।',
  'বৃষ্টির পরে মাঠে জল জমেছে, তাই আজ খেলা হবে না।',
  'காலையில் பறவைகள் பாடும்போது தோட்டத்தில் நடப்பது எனக்குப் பிடிக்கும்.',
  'เมื่อวานฝนตกหนักมาก เราจึงอยู่บ้านอ่านหนังสือและดื่มชาร้อน',
  'Sáng nay trời mưa to nên chúng tôi ở nhà, uống trà và kể chuyện ngày xưa.',
  '昨天晚上下了一场大雪，今天早上孩子们都跑到院子里堆雪人。',
  '昨夜下了大雪，鄰居的小狗在門前跑來跑去，留下一串腳印。',
  '駅前の小さな喫茶店で、毎朝コーヒーを飲みながら新聞を読むのが祖父の習慣でした。',
  '어제는 비가 많이 와서 집에서 책을 읽고 따뜻한 차를 마셨어요.',
  'Viime kesänä löysimme metsästä niin paljon mustikoita, että äiti leipoi piirakkaa joka päivä.',
  'Tegnap este az öreg halász elmesélte, hogyan győzte le egyszer a viharos tengert.',
  'წუხელ მთაში თოვლი მოვიდა და გზა ჩაიკეტა.',
  'Երեկ երեկոյան մենք նստեցինք կրակի շուրջ և երգեցինք։',
  'ትናንት ማታ ዝናብ ስለዘነበ በቤት ውስጥ ቆየን።',
];

const SYMBOLS = [
  '😀😃😄 👍🏽 👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪🇯🇵 ☎️ ✈︎ 1️⃣ #️⃣ 🫠',
  'text👍text 👍 👍👍\n👍',
  'e\u0301 e\u0301\u0323 \u0301 \u0301\u0302\u0303 o\u0308\u0304 Z\u0351\u036b\u0343a\u0363\u0348l\u0349g\u0356o\u0321',
  'ก็ กำ์ ไม้ न्‍ ක්‍ෂ',
  '\u0000',
  'a\u0000b\u0001\u0002\u0007\u0008\u001b[31mred\u001b[0m\u007f',
  'A\u200bB\u200cC\u200dD\u2060E\u00adF',
  '∀x∈ℝ: ⌈x⌉ = −⌊−x⌋, √2 ≈ 1.414, ∑∫∂ ≤ ≥ ≠ → ⇒ ½ ¾ ² ³ ₁ Ⅷ ⑨ ௧௨ ٣٤ 四',
  '𝐁𝐨𝐥𝐝 𝒮𝒸𝓇𝒾𝓅𝓉 𝟙𝟚𝟛 𐐀𐐨 𠀀𠀁 🄰 🅐',
  '┌─┬─┐\n│ │ │\n└─┴─┘ ▀▄█ ░▒▓',
  '\u{e0100}\u{e0001}\u{10ffff}\ufffe\uffff\ufffd\ue000',
  '“quoted” ‘single’ «guillemets» „low“ – — … ‰ † •',
  'ﬁ ﬀ Ⓐ ⅷ ㍻ Å K Ω',
];

const SPECIALS = [
  '<|endoftext|>',
  'a<|endoftext|>b',
  '<|fim_prefix|>x<|fim_middle|>y<|fim_suffix|>z',
  '<|start|>assistant<|channel|>final<|message|>hi<|return|>',
  '<|endofprompt|><|endoftext',
  '<|reserved_200013|> <||> <| |>',
];

const LONE = [
  '\ud800',
  '\udc00',
  'a\ud800b',
  'a\udc00b',
  '\udc00\ud800',
  '\ud83d\ud83d\ude00\ude00',
  ' \udfff \udbff ',
  "x'\ud800s",
  '\ud800\u0301A\udc00',
];

/** A change of class at each place around byte 64, where vectorized code enters the next block. */
const BORDERS = [];
for (let at = 60; at <= 70; at++) {
  const head = letters.slice(0, at - 1) + 'x';
  for (const tail of [' y', '  y', "'s z", '1234', '\n\nb', 'É é', '字']) BORDERS.push(head + tail);
  BORDERS.push(' '.repeat(at) + 'end', 'A'.repeat(at) + 'b', '7'.repeat(at) + '-', 'é'.repeat(at >> 1) + '.');
}

const RUNS = ['a', 'ab', ' ', '\n', '\r\n', "'", '-', '=', '\t', 'A', 'Ab', '0', '字', 'é', '\u0301', '😀', '/', '\n ', ' \n', '_'].map(
  (unit) => unit.repeat(Math.ceil(150 / unit.length)),
);
for (const unit of [' ', '\n', 'z', '-', '*']) RUNS.push(`begin${unit.repeat(200)}end`, `${unit.repeat(129)} ${unit.repeat(128)}\n`);

const ESSENTIAL = [
  ...BASIC,
  ...SPACES.slice(0, 8),
  ...WORDS.slice(0, 4),
  ...LANGUAGES.slice(0, 2),
  ...SYMBOLS.slice(0, 2),
  ...SPECIALS,
  ...LONE.slice(0, 3),
];
const ALL = [...BASIC, ...SPACES, ...WORDS, ...LANGUAGES, ...SYMBOLS, ...SPECIALS, ...LONE, ...BORDERS, ...RUNS];

function vector(text, tokenizer) {
  const ids = Array.from(tokenizer.encode_ordinary(text));
  if (text.isWellFormed()) return { text, ids };
  return { units: Array.from({ length: text.length }, (_, i) => text.charCodeAt(i)), ids };
}

const encodings = ENCODINGS.map(({ name, file, full }) => {
  const { bpe_ranks, pat_str } = require(`tiktoken/encoders/${file}.json`);
  const tokenizer = new Tiktoken(bpe_ranks, {}, pat_str);
  const lines = (full ? ALL : ESSENTIAL).map((text) => `      ${JSON.stringify(vector(text, tokenizer))}`);
  tokenizer.free();
  return `    ${JSON.stringify(name)}: [\n${lines.join(',\n')}\n    ]`;
});
const path = fileURLToPath(new URL('../test/vectors/token-counter.json', import.meta.url));
const content = `{\n  "encodings": {\n${encodings.join(',\n')}\n  }\n}\n`;
if (!process.argv.includes('--check')) writeFileSync(path, content);
else if (readFileSync(path, 'utf8') !== content) {
  console.error('stale: test/vectors/token-counter.json: run node scripts/generate-token-vectors.mjs');
  process.exitCode = 1;
}
