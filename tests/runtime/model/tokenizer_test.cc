// The tokenizer and the pre-tokenizers on small vocabularies made here; the real one is in tokenizer_golden_test.cc.
#include "runtime/model/tokenizer.h"

#include <gtest/gtest.h>

#include "runtime/model/pretokenizer.h"
#include "tests/runtime/model/gguf_writer.h"
#include "tests/runtime/model/parse_bytes.h"

namespace hetero::test {
namespace {

using Ids = std::vector<TokenId>;

struct Extra {
  std::string text;
  std::int32_t type = 1;
};

// The 256 bytes (ids 0-255), then `extra` in order.
GgufWriter vocabulary(const std::string& pre, const std::vector<Extra>& extra, const std::vector<std::string>& merges) {
  std::vector<std::string> tokens;
  std::vector<std::int32_t> types(256, 1);
  for (int byte = 0; byte < 256; ++byte) tokens.push_back(byte_as_text(byte));
  for (const Extra& token : extra) {
    tokens.push_back(token.text);
    types.push_back(token.type);
  }
  GgufWriter writer;
  writer.add_text("tokenizer.ggml.model", "gpt2");
  writer.add_text("tokenizer.ggml.pre", pre);
  writer.add_texts("tokenizer.ggml.tokens", tokens);
  writer.add_i32s("tokenizer.ggml.token_type", types);
  writer.add_texts("tokenizer.ggml.merges", merges);
  return writer;
}

std::unique_ptr<Tokenizer> tokenizer_of(const GgufWriter& writer) {
  return Tokenizer::from_gguf(*ParsedBytes(writer.finish()));
}

Ids bytes_as_ids(std::string_view text) {
  Ids ids;
  for (char c : text) ids.push_back(static_cast<unsigned char>(c));
  return ids;
}

TEST(Tokenizer, MergesLowestRankFirstThenLeftmost) {
  const auto t = tokenizer_of(vocabulary("gpt-2", {{"bc"}, {"ab"}, {"abc"}, {"aa"}}, {"b c", "a b", "a bc", "a a"}));
  EXPECT_EQ(t->encode("abc", SpecialTokens::kAsText), (Ids{258}));
  EXPECT_EQ(t->encode("ab", SpecialTokens::kAsText), (Ids{257}));
  EXPECT_EQ(t->encode("aaa", SpecialTokens::kAsText), (Ids{259, 'a'}));
  EXPECT_EQ(t->encode("aabc", SpecialTokens::kAsText), (Ids{'a', 258}));
  EXPECT_EQ(t->encode("", SpecialTokens::kAsText), Ids{});
}

TEST(Tokenizer, AnIntermediateThatIsNoTokenIsSpelledInBytes) {
  const auto t = tokenizer_of(vocabulary("gpt-2", {{"abc"}}, {"a b", "ab c"}));
  EXPECT_EQ(t->encode("abc", SpecialTokens::kAsText), (Ids{256}));
  EXPECT_EQ(t->encode("ab", SpecialTokens::kAsText), (Ids{'a', 'b'}));
}

TEST(Tokenizer, EveryByteComesBack) {
  const auto t = tokenizer_of(vocabulary("smollm", {}, {}));
  std::string text;
  for (int i = 0; i < 256; ++i) text += static_cast<char>(i);
  text += "\xe4\xbd\xa0 \xff\xfe\xe4\xbd\xed\xa0\x80\xf4\x90\x80\x80\xc0\xaf";
  const Ids ids = t->encode(text, SpecialTokens::kAsText);
  EXPECT_EQ(ids, bytes_as_ids(text));
  std::string back;
  for (TokenId id : ids) back += t->decode(id);
  EXPECT_EQ(back, text);
}

TEST(Tokenizer, SpecialTokensAreFoundLongestFirst) {
  const auto t = tokenizer_of(vocabulary("gpt-2", {{"<|a|>", 3}, {"<|a|><|b|>", 3}, {"<|b|>", 3}, {"  user", 4}}, {}));
  EXPECT_EQ(t->encode("<|a|>x<|b|>", SpecialTokens::kParse), (Ids{256, 'x', 258}));
  EXPECT_EQ(t->encode("<|a|><|b|>", SpecialTokens::kParse), (Ids{257}));
  EXPECT_EQ(t->encode("<|a|", SpecialTokens::kParse), bytes_as_ids("<|a|"));
  EXPECT_EQ(t->encode("<|a|>", SpecialTokens::kAsText), bytes_as_ids("<|a|>"));
  // User-defined tokens are words, not controls.
  EXPECT_EQ(t->encode("a  user", SpecialTokens::kAsText), (Ids{'a', 259}));
  EXPECT_EQ(t->decode(259), "  user");
  EXPECT_EQ(t->decode(256), "");
  EXPECT_EQ(t->decode(-1), "");
  EXPECT_EQ(t->decode(1000), "");
}

TEST(Tokenizer, WholePiecesComeBeforeMergesInLlama3Only) {
  const std::vector<Extra> extra = {{"abc"}, {"ab"}};
  const std::vector<std::string> merges = {"a b"};
  EXPECT_EQ(tokenizer_of(vocabulary("llama-bpe", extra, merges))->encode("abc", SpecialTokens::kAsText), (Ids{256}));
  EXPECT_EQ(tokenizer_of(vocabulary("qwen2", extra, merges))->encode("abc", SpecialTokens::kAsText), (Ids{257, 'c'}));
}

TEST(Tokenizer, BeginAndEndTokens) {
  GgufWriter writer =
      vocabulary("llama-bpe", {{"<|begin|>", 3}, {"<|end|>", 3}, {"<|eot_id|>", 3}, {"<|im_end|>"}}, {});
  writer.add_u32("tokenizer.ggml.bos_token_id", 256);
  writer.add_u32("tokenizer.ggml.eos_token_id", 257);
  const auto t = tokenizer_of(writer);
  EXPECT_EQ(t->bos(), 256);
  EXPECT_TRUE(t->adds_bos());  // llama-bpe's default
  EXPECT_TRUE(t->ends_generation(257));
  EXPECT_TRUE(t->ends_generation(258));
  EXPECT_FALSE(t->ends_generation(259));  // the name alone does not make a word a control token
  EXPECT_FALSE(t->ends_generation('a'));
  EXPECT_EQ(t->vocab_size(), 260);
  writer.add_bool("tokenizer.ggml.add_bos_token", 0);
  EXPECT_FALSE(tokenizer_of(writer)->adds_bos());
  const auto without = tokenizer_of(vocabulary("llama-bpe", {}, {}));
  EXPECT_EQ(without->bos(), -1);
  EXPECT_FALSE(without->adds_bos());
}

TEST(Tokenizer, RefusesWhatItDoesNotKnow) {
  EXPECT_SAYS(message_of([] { tokenizer_of(vocabulary("deepseek-llm", {}, {})); }), "deepseek-llm");
  EXPECT_SAYS(message_of([] { tokenizer_of(vocabulary("default", {}, {})); }), "default");
  EXPECT_SAYS(message_of([] { tokenizer_of(vocabulary("gpt-2", {}, {"ab"})); }), "merge number 0");
  EXPECT_SAYS(message_of([] { tokenizer_of(vocabulary("gpt-2", {}, {"a b", "a \x01"})); }), "merge number 1");
  GgufWriter sentencepiece;
  sentencepiece.add_text("tokenizer.ggml.model", "llama");
  EXPECT_SAYS(message_of([&] { tokenizer_of(sentencepiece); }), "\"llama\"");
  GgufWriter eos = vocabulary("gpt-2", {}, {});
  eos.add_u32("tokenizer.ggml.eos_token_id", 256);
  EXPECT_SAYS(message_of([&] { tokenizer_of(eos); }), "outside the vocabulary");
}

TEST(Tokenizer, OneLongPieceIsMergedInFull) {
  const auto t = tokenizer_of(vocabulary("gpt-2", {{"aa"}, {"aaaa"}}, {"a a", "aa aa"}));
  EXPECT_EQ(t->encode(std::string(1 << 16, 'a'), SpecialTokens::kAsText), Ids(1 << 14, 257));
}

std::vector<std::string> pieces(const std::string& pre, std::string_view text) {
  std::vector<std::string> out;
  for (std::string_view piece : PreTokenizer(pre).split(text)) out.emplace_back(piece);
  return out;
}
using Pieces = std::vector<std::string>;

TEST(PreTokenizer, CutsAsTheVocabulariesWereTrained) {
  EXPECT_EQ(pieces("gpt-2", "I'll go  home, 123!\n\n x"),
            (Pieces{"I", "'ll", " go", " ", " home", ",", " 123", "!", "\n\n", " x"}));
  EXPECT_EQ(pieces("smollm", "a 12  3"), (Pieces{"a", " ", "1", "2", "  ", "3"}));
  EXPECT_EQ(pieces("llama-bpe", "I'LL (go) 12345;\n\n  x"),
            (Pieces{"I", "'LL", " (", "go", ")", " ", "123", "45", ";\n\n", " ", " x"}));
  EXPECT_EQ(pieces("qwen2", "a 12\n"), (Pieces{"a", " ", "1", "2", "\n"}));
  EXPECT_EQ(pieces("gpt-2", "na\xc3\xafve \xe4\xbd\xa0"), (Pieces{"na\xc3\xafve", " \xe4\xbd\xa0"}));
  EXPECT_EQ(pieces("gpt-2",
                   "a\xc2\xa0"
                   "b"),
            (Pieces{"a", "\xc2\xa0", "b"}));                               // a no-break space is a space
  EXPECT_EQ(pieces("gpt-2", "\xe1\xa0\x8e!"), (Pieces{"\xe1\xa0\x8e!"}));  // U+180E is not
  EXPECT_EQ(pieces("gpt-2",
                   "a\xff\xfe"
                   "b"),
            (Pieces{"a", "\xff", "\xfe", "b"}));
}

TEST(PreTokenizer, ValidUtf8) {
  EXPECT_EQ(valid_utf8_prefix("abc"), 3u);
  EXPECT_EQ(valid_utf8_prefix("\xf0\x9f\x98\x80"), 4u);
  EXPECT_EQ(valid_utf8_prefix("\xf0\x9f\x98"), 0u);
  EXPECT_EQ(valid_utf8_prefix("a\x80"), 1u);
  EXPECT_EQ(valid_utf8_prefix("\xc1\x81"), 0u);          // overlong
  EXPECT_EQ(valid_utf8_prefix("\xe0\x80\x80"), 0u);      // overlong
  EXPECT_EQ(valid_utf8_prefix("\xed\xa0\x80"), 0u);      // surrogate
  EXPECT_EQ(valid_utf8_prefix("\xf4\x90\x80\x80"), 0u);  // above U+10FFFF
}

}  // namespace
}  // namespace hetero::test
