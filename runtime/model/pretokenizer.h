// How a text is cut into pieces before byte-pair merging: the regular expressions that each vocabulary was trained
// with, by the name that GGUF files give them. Internal to tokenizer.cc. Read-only after construction; several threads
// may use it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hetero {

class PreTokenizer {
 public:
  // `name` is tokenizer.ggml.pre. Throws input_error when it is not known, naming those that are.
  explicit PreTokenizer(const std::string& name);
  ~PreTokenizer();
  PreTokenizer(PreTokenizer&&) noexcept;
  PreTokenizer& operator=(PreTokenizer&&) noexcept;

  // Pieces in order; together they are the text, which they borrow. Bytes that are not UTF-8 are pieces of one byte.
  std::vector<std::string_view> split(std::string_view text) const;

  // A piece that is a token as a whole is taken without merging.
  bool takes_whole_pieces() const { return takes_whole_pieces_; }
  // Whether prompts begin with a begin-of-text token when the file does not say.
  bool adds_bos_by_default() const { return adds_bos_by_default_; }

 private:
  struct Pattern;
  std::vector<std::unique_ptr<Pattern>> stages_;  // each cuts the pieces of the one before
  bool takes_whole_pieces_ = false;
  bool adds_bos_by_default_ = false;
};

// Bytes at the beginning of `text` that are well-formed UTF-8 (no overlong forms, surrogates or values above U+10FFFF).
std::size_t valid_utf8_prefix(std::string_view text);

}  // namespace hetero
