// The real vocabulary's token ids against llama.cpp's, kept in tokenizer_golden.json
// (scripts/make_tokenizer_golden.py).
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "runtime/model/gguf.h"
#include "runtime/model/tokenizer.h"

namespace hetero {
namespace {

TEST(TokenizerGolden, SameIdsAsLlamaCpp) {
  const char* path = std::getenv("HETERO_TEST_MODEL");
  if (path == nullptr) GTEST_SKIP() << "set HETERO_TEST_MODEL to the path of SmolLM2-135M-Instruct.Q4_1.gguf";
  std::ifstream in(HETERO_GOLDEN_FILE);
  ASSERT_TRUE(in) << HETERO_GOLDEN_FILE;
  const auto golden = nlohmann::json::parse(in);
  const auto tokenizer = Tokenizer::from_gguf(*GgufFile::open(path));
  ASSERT_GE(golden.at("cases").size(), 300u);
  for (const auto& row : golden.at("cases")) {
    const auto text = row.at("text").get<std::string>();
    EXPECT_EQ(tokenizer->encode(text, SpecialTokens::kParse), row.at("ids").get<std::vector<TokenId>>())
        << row.at("text");
  }
}

}  // namespace
}  // namespace hetero
