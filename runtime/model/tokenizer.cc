// Byte-level BPE; see tokenizer.h. Vocabulary and merges are turned from the printable alphabet of the file into bytes
// once, at loading. A piece is merged over a linked list with a priority queue: n log n in its length.
#include "runtime/model/tokenizer.h"

#include <algorithm>
#include <array>
#include <optional>
#include <queue>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "runtime/model/gguf.h"
#include "runtime/model/gguf_reader.h"
#include "runtime/model/pretokenizer.h"

namespace hetero {
namespace {

constexpr const char* kDamaged = "the file is damaged or of a kind that is not supported";

// The values of tokenizer.ggml.token_type.
enum TokenType : std::int64_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

// Names of control tokens that end an answer, for files whose metadata names only one of them.
constexpr std::string_view kEndTexts[] = {"<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"};

// Byte-level vocabularies are written in printable characters: those of Latin-1 stand for themselves, the other bytes
// for U+0100 and following in order. Code point -> byte.
std::array<std::int16_t, 324> make_alphabet() {
  std::array<std::int16_t, 324> byte_of{};
  byte_of.fill(-1);
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    byte_of[static_cast<std::size_t>(printable ? byte : next++)] = static_cast<std::int16_t>(byte);
  }
  return byte_of;
}

// The bytes that a text in that alphabet stands for; none when it has other characters.
std::optional<std::string> bytes_of(std::string_view text, const std::array<std::int16_t, 324>& alphabet) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    std::size_t code = c;
    if (c >= 0x80) {  // all of the alphabet above ASCII has two bytes
      if ((c & 0xe0) != 0xc0 || i + 1 == text.size()) return std::nullopt;
      code = (c & 0x1fu) << 6 | (static_cast<unsigned char>(text[++i]) & 0x3fu);
    }
    if (code >= alphabet.size() || alphabet[code] < 0) return std::nullopt;
    bytes += static_cast<char>(alphabet[code]);
  }
  return bytes;
}

// What merging works on: a token, or an intermediate text that is none (numbered from the vocabulary's size up).
using Symbol = std::int32_t;
constexpr Symbol kNoSymbol = -1;

struct Merge {
  std::int32_t rank = 0;  // lower merges first
  Symbol result = kNoSymbol;
};

std::uint64_t pair_key(Symbol left, Symbol right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
}

}  // namespace

struct Tokenizer::State {
  explicit State(const std::string& pre_name) : pre(pre_name) {}

  PreTokenizer pre;
  std::vector<std::string> texts;                   // by token, as written in the file
  std::vector<std::int64_t> types;                  // by token
  std::vector<std::string> symbol_bytes;            // by symbol; empty for tokens outside the byte alphabet
  std::unordered_map<std::string, Symbol> symbols;  // by bytes
  std::unordered_map<std::uint64_t, Merge> merges;
  std::array<Symbol, 256> byte_symbols{};
  std::array<std::vector<TokenId>, 256> specials;  // by first byte, longest first
  std::set<TokenId> ends;
  TokenId bos = -1;
  bool adds_bos = false;

  Symbol intern(const std::string& bytes) {
    const auto [it, added] = symbols.emplace(bytes, static_cast<Symbol>(symbol_bytes.size()));
    if (added) symbol_bytes.push_back(bytes);
    return it->second;
  }
  void load_vocabulary(const GgufFile& file);
  void load_merges(const GgufFile& file);
  void load_specials(const GgufFile& file);

  TokenId special_at(std::string_view text, SpecialTokens special) const;
  void encode_text(std::string_view text, std::vector<TokenId>& ids) const;
  void encode_piece(std::string_view piece, std::vector<TokenId>& ids) const;
  void emit(Symbol symbol, std::vector<TokenId>& ids) const;
};

void Tokenizer::State::load_vocabulary(const GgufFile& file) {
  const auto* tokens = file.texts("tokenizer.ggml.tokens");
  if (tokens == nullptr || tokens->empty()) throw input_error("the file has no vocabulary", kDamaged);
  texts = *tokens;
  types.assign(texts.size(), kNormal);
  if (const GgufValue* value = file.find("tokenizer.ggml.token_type")) {
    const auto* given = std::get_if<std::vector<std::int64_t>>(value);
    if (given == nullptr || given->size() != texts.size())
      throw input_error("the token types do not fit the vocabulary of " + std::to_string(texts.size()) + " tokens",
                        kDamaged);
    types = *given;
  }
  const auto alphabet = make_alphabet();
  symbol_bytes.resize(texts.size());
  for (std::size_t id = 0; id < texts.size(); ++id) {
    if (types[id] == kUserDefined) continue;  // found as a whole, never by merging
    auto bytes = bytes_of(texts[id], alphabet);
    if (!bytes) continue;
    symbols.emplace(*bytes, static_cast<Symbol>(id));
    symbol_bytes[id] = std::move(*bytes);
  }
  for (int byte = 0; byte < 256; ++byte) {
    byte_symbols[static_cast<std::size_t>(byte)] = intern(std::string(1, static_cast<char>(byte)));
  }
}

void Tokenizer::State::load_merges(const GgufFile& file) {
  const auto* lines = file.texts("tokenizer.ggml.merges");
  if (lines == nullptr) throw input_error("the file has a vocabulary but no merges", kDamaged);
  const auto alphabet = make_alphabet();
  merges.reserve(lines->size());
  for (std::size_t rank = 0; rank < lines->size(); ++rank) {
    const std::string& line = (*lines)[rank];
    const std::size_t space = line.find(' ', 1);
    std::optional<std::string> left, right;
    if (space != std::string::npos) {
      left = bytes_of(std::string_view(line).substr(0, space), alphabet);
      right = bytes_of(std::string_view(line).substr(space + 1), alphabet);
    }
    if (!left || !right || left->empty() || right->empty())
      throw input_error("merge number " + std::to_string(rank) + " is " + shown(line) + ", not two byte texts",
                        kDamaged);
    const Symbol l = intern(*left), r = intern(*right);
    merges.emplace(pair_key(l, r), Merge{static_cast<std::int32_t>(rank), intern(*left + *right)});
  }
}

void Tokenizer::State::load_specials(const GgufFile& file) {
  for (std::size_t id = 0; id < texts.size(); ++id) {
    const bool special = types[id] == kControl || types[id] == kUserDefined || types[id] == kUnknown;
    if (!special || texts[id].empty()) continue;
    specials[static_cast<unsigned char>(texts[id][0])].push_back(static_cast<TokenId>(id));
    if (types[id] == kControl &&
        std::find(std::begin(kEndTexts), std::end(kEndTexts), texts[id]) != std::end(kEndTexts))
      ends.insert(static_cast<TokenId>(id));
  }
  for (auto& bucket : specials) {
    std::stable_sort(bucket.begin(), bucket.end(), [&](TokenId a, TokenId b) {
      return texts[static_cast<std::size_t>(a)].size() > texts[static_cast<std::size_t>(b)].size();
    });
  }
  const auto id_of = [&](const char* key) -> TokenId {
    const auto id = file.integer(key);
    if (!id) return -1;
    if (*id < 0 || *id >= static_cast<std::int64_t>(texts.size()))
      throw input_error(std::string(key) + " is " + std::to_string(*id) + ", outside the vocabulary", kDamaged);
    return static_cast<TokenId>(*id);
  };
  for (const char* key :
       {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
    if (const TokenId id = id_of(key); id >= 0) ends.insert(id);
  }
  bos = id_of("tokenizer.ggml.bos_token_id");
  adds_bos = bos >= 0 && file.boolean("tokenizer.ggml.add_bos_token").value_or(pre.adds_bos_by_default());
}

std::unique_ptr<Tokenizer> Tokenizer::from_gguf(const GgufFile& file) {
  const std::string* model = file.text("tokenizer.ggml.model");
  if (model == nullptr) throw input_error("the file has no tokenizer", kDamaged);
  if (*model != "gpt2")
    throw input_error("the tokenizer " + shown(*model) + " is not supported",
                      "use a model with a byte-level BPE vocabulary (\"gpt2\")");
  const std::string* pre = file.text("tokenizer.ggml.pre");
  auto state = std::make_unique<State>(pre ? *pre : "default");
  state->load_vocabulary(file);
  state->load_merges(file);
  state->load_specials(file);
  return std::unique_ptr<Tokenizer>(new Tokenizer(std::move(state)));
}

Tokenizer::Tokenizer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Tokenizer::~Tokenizer() = default;

// User-defined tokens are ordinary words that happen to be one token: they are found in plain text too.
TokenId Tokenizer::State::special_at(std::string_view text, SpecialTokens special) const {
  for (TokenId id : specials[static_cast<unsigned char>(text[0])]) {
    const auto i = static_cast<std::size_t>(id);
    if (special == SpecialTokens::kAsText && types[i] != kUserDefined) continue;
    if (text.starts_with(texts[i])) return id;
  }
  return -1;
}

std::vector<TokenId> Tokenizer::encode(std::string_view text, SpecialTokens special) const {
  std::vector<TokenId> ids;
  std::size_t begin = 0;  // of the plain text not encoded yet
  for (std::size_t i = 0; i < text.size();) {
    const TokenId id = state_->special_at(text.substr(i), special);
    if (id < 0) {
      ++i;
      continue;
    }
    state_->encode_text(text.substr(begin, i - begin), ids);
    ids.push_back(id);
    i += state_->texts[static_cast<std::size_t>(id)].size();
    begin = i;
  }
  state_->encode_text(text.substr(begin), ids);
  return ids;
}

void Tokenizer::State::encode_text(std::string_view text, std::vector<TokenId>& ids) const {
  for (std::string_view piece : pre.split(text)) encode_piece(piece, ids);
}

void Tokenizer::State::encode_piece(std::string_view piece, std::vector<TokenId>& ids) const {
  if (pre.takes_whole_pieces()) {
    const auto it = symbols.find(std::string(piece));
    if (it != symbols.end() && it->second < static_cast<Symbol>(texts.size())) {
      ids.push_back(it->second);
      return;
    }
  }
  struct Node {
    Symbol symbol = kNoSymbol;  // none: merged into the one before
    int prev = -1, next = -1;
  };
  struct Candidate {
    Merge merge;
    int left = 0;
    Symbol left_symbol = kNoSymbol, right_symbol = kNoSymbol;
    // The top of the queue: lowest rank, then leftmost.
    bool operator<(const Candidate& o) const {
      return merge.rank != o.merge.rank ? merge.rank > o.merge.rank : left > o.left;
    }
  };
  std::vector<Node> nodes(piece.size());
  for (std::size_t i = 0; i < piece.size(); ++i) {
    const int at = static_cast<int>(i);
    nodes[i] = {byte_symbols[static_cast<unsigned char>(piece[i])], at - 1, i + 1 < piece.size() ? at + 1 : -1};
  }
  const auto node = [&](int i) -> Node& { return nodes[static_cast<std::size_t>(i)]; };

  std::priority_queue<Candidate> queue;
  const auto consider = [&](int left) {
    if (left < 0 || node(left).next < 0) return;
    const Symbol l = node(left).symbol, r = node(node(left).next).symbol;
    const auto it = merges.find(pair_key(l, r));
    if (it != merges.end()) queue.push({it->second, left, l, r});
  };
  for (std::size_t i = 0; i < nodes.size(); ++i) consider(static_cast<int>(i));
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Node& left = node(best.left);
    // Either side may have changed since the pair was queued.
    if (left.symbol != best.left_symbol || left.next < 0 || node(left.next).symbol != best.right_symbol) continue;
    Node& right = node(left.next);
    left.symbol = best.merge.result;
    left.next = right.next;
    right.symbol = kNoSymbol;
    if (left.next >= 0) node(left.next).prev = best.left;
    consider(left.prev);
    consider(best.left);
  }
  for (int i = 0; i >= 0; i = node(i).next) emit(node(i).symbol, ids);
}

// A symbol that is no token is spelled in bytes; a byte that the vocabulary lacks cannot be said at all.
void Tokenizer::State::emit(Symbol symbol, std::vector<TokenId>& ids) const {
  const auto tokens = static_cast<Symbol>(texts.size());
  if (symbol < tokens) {
    ids.push_back(symbol);
    return;
  }
  for (char byte : symbol_bytes[static_cast<std::size_t>(symbol)]) {
    const Symbol single = byte_symbols[static_cast<unsigned char>(byte)];
    if (single < tokens) ids.push_back(single);
  }
}

std::string Tokenizer::decode(TokenId id) const {
  const auto i = static_cast<std::size_t>(id);
  if (id < 0 || i >= state_->texts.size()) return "";
  switch (state_->types[i]) {
    case kNormal:
      return state_->symbol_bytes[i].empty() ? state_->texts[i] : state_->symbol_bytes[i];
    case kUserDefined:
      return state_->texts[i];
    default:
      return "";
  }
}

std::int64_t Tokenizer::vocab_size() const { return static_cast<std::int64_t>(state_->texts.size()); }
bool Tokenizer::adds_bos() const { return state_->adds_bos; }
TokenId Tokenizer::bos() const { return state_->bos; }
bool Tokenizer::ends_generation(TokenId id) const { return state_->ends.contains(id); }

}  // namespace hetero
