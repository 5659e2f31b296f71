// Byte-level BPE over the vocabulary and merges of a GGUF file, with its pre-tokenizer pattern (PCRE2).
// Read-only after construction; may be used from several threads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hetero {

class GgufFile;

using TokenId = std::int32_t;

// Whether texts such as "<|im_start|>" in the input stand for the special token of that name.
enum class SpecialTokens : std::uint8_t { kAsText, kParse };

class Tokenizer {
 public:
  // Throws input_error when the vocabulary is of a kind that is not supported, naming it.
  static std::unique_ptr<Tokenizer> from_gguf(const GgufFile& file);
  ~Tokenizer();

  // Any bytes are accepted; invalid UTF-8 is encoded byte by byte. Does not add a begin-of-text token.
  std::vector<TokenId> encode(std::string_view text, SpecialTokens special) const;
  // The bytes of one token; may be part of a UTF-8 character. Special tokens give an empty string.
  std::string decode(TokenId id) const;

  std::int64_t vocab_size() const;
  bool adds_bos() const;                   // the file asks for a begin-of-text token before every prompt
  TokenId bos() const;                     // -1: none
  bool ends_generation(TokenId id) const;  // end of text, end of turn

 private:
  struct State;
  explicit Tokenizer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace hetero
