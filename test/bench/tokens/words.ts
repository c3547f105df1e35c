/** The words of the texts, the most frequent first where it matters. Written for this bench. */

const stems =
  'the of and to a in is that for it as with on be this by are or from at an not we can which will you have if more when one but all use make time value need work call name each set way may some then find data other out file change first do only between order test part line point take keep left number case start end run give type state show write read list line service reason user cost answer request token model limit window message system error cache memory thread batch string table engine count word letter sentence language chapter history science market price report result measure machine network server client connection question example problem solution feature version release method function object property process storage record budget weather evening morning garden mountain river bridge teacher student doctor patient family village window kitchen bread coffee summer winter travel ticket station engine harbour island forest animal music paper colour picture story author reader library journey company customer product delivery account balance payment contract lawyer judge council government election region border energy battery sensor signal frequency temperature pressure material surface structure theory experiment evidence argument decision strategy effort balance attention memory habit pattern detail summary';

const rarer =
  'acknowledge ambiguous archipelago asymmetric bureaucracy catalogue chrysanthemum compatibility conscientious cryptography decentralised deterministic electromagnetic entrepreneur equilibrium fluorescence geopolitical heterogeneous hypothesis idempotent infrastructure interoperability jurisdiction kaleidoscope lexicographic manoeuvre metamorphosis microprocessor negligible observability orthogonal parallelogram perpendicular photosynthesis pneumatic quarantine reconciliation rendezvous serialisation silhouette subterranean thermodynamic tokenization ubiquitous unanimous vulnerability whereabouts xylophone yesteryear zoological';

const common = stems.split(' ');
/** English, with the endings that the language has. */
export const english: readonly string[] = [
  ...common,
  ...common.slice(30).flatMap((word) => [`${word}s`, word.endsWith('e') ? `${word}d` : `${word}ed`, `${word.replace(/e$/, '')}ing`]),
  ...rarer.split(' '),
];

export const chinese: readonly string[] =
  '的 是 在 了 我们 和 有 这个 可以 不 一个 他们 时间 使用 系统 问题 需要 工作 如果 因为 所以 但是 数据 请求 模型 结果 计算 方法 语言 用户 服务 信息 开始 进行 通过 中国 世界 发展 社会 经济 城市 学生 老师 学习 历史 文化 技术 研究 公司 市场 价格 产品 环境 能源 天气 早上 晚上 朋友 家庭 孩子 医院 医生 健康 食物 咖啡 火车 飞机 旅行 机场 河流 森林 音乐 电影 故事 作者 图书馆 北京 上海 性能 内存 线程 缓存 错误 连接 网络 服务器 客户端 配置 版本 测试 部署 限制 令牌 字符 文本 自然 科学 实验 证据 决定 政府 法律 合同 银行 账户 支付 安全'.split(
    ' ',
  );

export const japanese: readonly string[] =
  'の は に を が で と も から まで です ます した して いる ある この その 私 あなた 時間 使用 システム 問題 必要 仕事 データ リクエスト モデル 結果 計算 方法 言語 ユーザー サービス 情報 開始 世界 社会 経済 都市 学生 先生 勉強 歴史 文化 技術 研究 会社 市場 価格 製品 環境 エネルギー 天気 朝 夜 友達 家族 子供 病院 医者 健康 食べ物 コーヒー 電車 飛行機 旅行 空港 川 森 音楽 映画 物語 作者 図書館 東京 京都 メモリ スレッド キャッシュ エラー 接続 ネットワーク サーバー 設定 バージョン テスト 制限 トークン 文字 文章 しかし だから もし とても 少し たくさん 食べました 行きます 見つけた 考えている'.split(
    ' ',
  );

/** One list per further language: with other scripts, other accents and other word lengths. */
export const others: readonly (readonly string[])[] = [
  'и в не на что с по это как но мы они время система вопрос работа запрос ответ модель данные пользователь язык история город погода утро вечер музыка книга железнодорожный правительство исследование производительность',
  'في من على هذا التي إلى أن كان مع النظام السؤال العمل الوقت اللغة المدينة التاريخ البيانات المستخدم الطلب النموذج الموسيقى الكتاب الصباح المساء الحكومة البحث',
  'और के में है यह कि से को पर समय काम सवाल जवाब भाषा शहर इतिहास डेटा उपयोगकर्ता अनुरोध मॉडल संगीत किताब सुबह शाम सरकार अनुसंधान विश्वविद्यालय',
  '그리고 이 그 에서 있다 하는 시간 시스템 문제 요청 응답 모델 데이터 사용자 언어 역사 도시 날씨 아침 저녁 음악 책 정부 연구 했습니다 합니다 때문에 그러나 대학교',
  'και το να είναι που σε με για χρόνος σύστημα ερώτηση απάντηση μοντέλο δεδομένα χρήστης γλώσσα ιστορία πόλη καιρός πρωί βράδυ μουσική βιβλίο κυβέρνηση έρευνα',
  'et le la de les des à été où déjà très après système réponse requête modèle données utilisateur langue histoire ville météo soirée musique bibliothèque gouvernement recherche événement',
  'und der die das nicht für über größer schön möglich Überblick Anfrage Antwort Modell Benutzer Sprache Geschichte Stadt Wetter Morgen Abend Musik Bücherei Regierung Forschung Geschwindigkeitsbegrenzung Straßenverkehrsordnung',
  'y el la que está también más año señor respuesta solicitud modelo usuario lengua historia ciudad clima mañana noche música biblioteca gobierno investigación corazón',
  've bir bu için çok değil şehir güneş müzik kullanıcı istek yanıt dil tarih sabah akşam kitap hükümet araştırma öğretmen çalışıyor görüyoruz',
  'และ ที่ ใน เป็น มี การ เวลา ระบบ คำถาม คำตอบ ข้อมูล ผู้ใช้ ภาษา เมือง อากาศ เพลง หนังสือ รัฐบาล วิจัย',
  'של את על הוא לא זה עם זמן מערכת שאלה תשובה מודל נתונים משתמש שפה היסטוריה עיר בוקר ערב מוזיקה ספר ממשלה מחקר',
  'và của là một không được thời gian hệ thống câu hỏi trả lời mô hình dữ liệu người dùng ngôn ngữ lịch sử thành phố buổi sáng âm nhạc',
].map((list) => list.split(' '));

/** Single characters, modifiers, flags, joined families: one to seven code points each. */
export const emoji: readonly string[] = [
  ...'😀😂😍🙏👍🔥🎉💯🚀✨❤💡📈🐛🤖🧠⚡🌍🍕🏆🎯📦🔒🕒🦀🐢🌈🍀🥳😅😭🤔👀💥🙌',
  '❤️',
  '👍🏽',
  '🙏🏿',
  '👩‍💻',
  '👨‍👩‍👧‍👦',
  '🏳️‍🌈',
  '🇯🇵',
  '🇫🇷',
  '🇧🇷',
  '1️⃣',
  '☕️',
];
