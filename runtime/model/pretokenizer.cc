// The pre-tokenizers' patterns and their matching with PCRE2; see pretokenizer.h.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "runtime/model/pretokenizer.h"

#include <pcre2.h>

#include <array>
#include <cstdint>

#include "base/error.h"
#include "runtime/model/gguf_reader.h"

namespace hetero {
namespace {

// White space as Unicode lists it (property White_Space). PCRE2's \s would add U+180E.
#define HETERO_SPACE R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})"
#define S "[" HETERO_SPACE "]"
#define NOT_S "[^" HETERO_SPACE "]"
#define SYMBOLS "[^" HETERO_SPACE R"(\p{L}\p{N}]+)"
#define SPACES S "+(?!" NOT_S ")|" S "+"

// Each digit alone.
constexpr const char* kDigits = R"(\p{N})";
// Words, numbers and runs of symbols, each with the space before it.
constexpr const char* kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?)" SYMBOLS "|" SPACES;
// Words with one symbol or space before them, numbers by three digits (qwen2: one), symbols with the line ends after
// them.
#define WORDS R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|)"
#define SYMBOLS_AND_LINES "| ?" SYMBOLS R"([\r\n]*|)" S R"(*[\r\n]+|)" SPACES
constexpr const char* kLlama3 = WORDS R"(\p{N}{1,3})" SYMBOLS_AND_LINES;
constexpr const char* kQwen2 = WORDS R"(\p{N})" SYMBOLS_AND_LINES;

#undef HETERO_SPACE
#undef S
#undef NOT_S
#undef SYMBOLS
#undef SPACES
#undef WORDS
#undef SYMBOLS_AND_LINES

struct Rules {
  std::string_view name;
  std::array<const char*, 2> stages;  // null: no further one
  bool takes_whole_pieces;
  bool adds_bos;
};

constexpr std::array kRules = {
    Rules{"smollm", {kDigits, kGpt2}, false, false}, Rules{"starcoder", {kDigits, kGpt2}, false, false},
    Rules{"gpt-2", {kGpt2, nullptr}, false, false},  Rules{"llama-bpe", {kLlama3, nullptr}, true, true},
    Rules{"llama3", {kLlama3, nullptr}, true, true}, Rules{"llama-v3", {kLlama3, nullptr}, true, true},
    Rules{"qwen2", {kQwen2, nullptr}, false, false},
};

bool continues(unsigned char byte) { return (byte & 0xc0) == 0x80; }

// Length of the well-formed character at the beginning of `text` (not empty), or 0.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) -> unsigned char {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  const unsigned char b0 = byte(0), b1 = byte(1);
  if (b0 < 0x80) return 1;
  if (b0 >= 0xc2 && b0 <= 0xdf) return continues(b1) ? 2 : 0;
  if (b0 >= 0xe0 && b0 <= 0xef) {
    if ((b0 == 0xe0 && b1 < 0xa0) || (b0 == 0xed && b1 > 0x9f)) return 0;
    return continues(b1) && continues(byte(2)) ? 3 : 0;
  }
  if (b0 >= 0xf0 && b0 <= 0xf4) {
    if ((b0 == 0xf0 && b1 < 0x90) || (b0 == 0xf4 && b1 > 0x8f)) return 0;
    return continues(b1) && continues(byte(2)) && continues(byte(3)) ? 4 : 0;
  }
  return 0;
}

}  // namespace

struct PreTokenizer::Pattern {
  explicit Pattern(const char* expression) {
    int error = 0;
    PCRE2_SIZE offset = 0;
    code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression), PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &error,
                         &offset, nullptr);
    if (code == nullptr)
      throw environment_error("PCRE2 refuses the pre-tokenizer's pattern (error " + std::to_string(error) + ")",
                              "install a PCRE2 with Unicode support");
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where it is not available the interpreter matches
  }
  ~Pattern() { pcre2_code_free(code); }
  Pattern(const Pattern&) = delete;
  Pattern& operator=(const Pattern&) = delete;

  // Cuts valid UTF-8 into matches and what lies between them.
  void split(std::string_view text, std::vector<std::string_view>& pieces) const {
    struct Free {
      void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
    };
    const std::unique_ptr<pcre2_match_data, Free> match(pcre2_match_data_create(1, nullptr));
    std::size_t begin = 0;
    while (begin < text.size()) {
      const int found = pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), begin,
                                    PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, match.get(), nullptr);
      if (found == PCRE2_ERROR_NOMATCH) break;
      if (found < 0) throw input_error("the text cannot be divided into words", "cut it into shorter parts");
      const PCRE2_SIZE* range = pcre2_get_ovector_pointer(match.get());
      if (range[0] > begin) pieces.push_back(text.substr(begin, range[0] - begin));
      pieces.push_back(text.substr(range[0], range[1] - range[0]));
      begin = range[1];
    }
    if (begin < text.size()) pieces.push_back(text.substr(begin));
  }

  pcre2_code* code = nullptr;
};

PreTokenizer::PreTokenizer(const std::string& name) {
  std::string known;
  for (const Rules& rules : kRules) {
    if (rules.name == name) {
      for (const char* stage : rules.stages) {
        if (stage != nullptr) stages_.push_back(std::make_unique<Pattern>(stage));
      }
      takes_whole_pieces_ = rules.takes_whole_pieces;
      adds_bos_by_default_ = rules.adds_bos;
      return;
    }
    known += (known.empty() ? "" : ", ") + std::string(rules.name);
  }
  throw input_error("the pre-tokenizer " + shown(name) + " is not supported", "use a model with one of: " + known);
}

PreTokenizer::~PreTokenizer() = default;
PreTokenizer::PreTokenizer(PreTokenizer&&) noexcept = default;
PreTokenizer& PreTokenizer::operator=(PreTokenizer&&) noexcept = default;

std::vector<std::string_view> PreTokenizer::split(std::string_view text) const {
  std::vector<std::string_view> pieces;
  while (!text.empty()) {
    const std::size_t valid = valid_utf8_prefix(text);
    if (valid == 0) {
      pieces.push_back(text.substr(0, 1));
      text.remove_prefix(1);
      continue;
    }
    std::vector<std::string_view> parts = {text.substr(0, valid)};
    for (const auto& stage : stages_) {
      std::vector<std::string_view> finer;
      for (std::string_view part : parts) stage->split(part, finer);
      parts = std::move(finer);
    }
    pieces.insert(pieces.end(), parts.begin(), parts.end());
    text.remove_prefix(valid);
  }
  return pieces;
}

std::size_t valid_utf8_prefix(std::string_view text) {
  std::size_t end = 0;
  while (end < text.size()) {
    const std::size_t length = utf8_length(text.substr(end));
    if (length == 0) break;
    end += length;
  }
  return end;
}

}  // namespace hetero
