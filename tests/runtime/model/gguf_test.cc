// The GGUF parser on good files and on every kind of bad one.
#include "runtime/model/gguf.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/rng.h"
#include "runtime/model/arch/architectures.h"
#include "runtime/model/tokenizer.h"
#include "tests/runtime/model/gguf_writer.h"
#include "tests/runtime/model/parse_bytes.h"

namespace hetero::test {
namespace {

std::string parse_error(const std::string& bytes) {
  return message_of([&] { ParsedBytes parsed(bytes); });
}

TEST(Gguf, ReadsEveryKindOfValue) {
  GgufWriter writer;
  writer.add_u32("u32", 7);
  writer.add_i32("i32", -7);
  writer.add_u64("u64", ~std::uint64_t{0});
  writer.add_f32("f32", 0.5f);
  writer.add_f64("f64", 0.1);
  writer.add_bool("yes", 1);
  writer.add_text("text", "värde");
  writer.add_texts("texts", {"a", "", "c"});
  writer.add_texts("none", {});
  writer.add_i32s("i32s", {1, -2});
  writer.add_f32s("f32s", {1.5f});
  writer.add_raw("u8", 0, "\xff");
  writer.add_raw("i16", 3, std::string_view("\xfe\xff", 2));
  const ParsedBytes file(writer.finish());
  EXPECT_EQ(file->integer("u32"), 7);
  EXPECT_EQ(file->integer("i32"), -7);
  EXPECT_EQ(file->integer("u8"), 255);
  EXPECT_EQ(file->integer("i16"), -2);
  EXPECT_EQ(file->number("i32"), -7.0);
  EXPECT_EQ(file->number("f32"), 0.5);
  EXPECT_EQ(file->number("f64"), 0.1);
  EXPECT_EQ(file->boolean("yes"), true);
  EXPECT_EQ(*file->text("text"), "värde");
  EXPECT_EQ(*file->texts("texts"), (std::vector<std::string>{"a", "", "c"}));
  EXPECT_TRUE(file->texts("none")->empty());
  EXPECT_EQ(std::get<std::vector<std::int64_t>>(*file->find("i32s")), (std::vector<std::int64_t>{1, -2}));
  EXPECT_EQ(std::get<std::vector<double>>(*file->find("f32s")), (std::vector<double>{1.5}));
  EXPECT_EQ(file->find("absent"), nullptr);
  EXPECT_EQ(file->integer("absent"), std::nullopt);
  EXPECT_EQ(file->text("absent"), nullptr);
  EXPECT_SAYS(message_of([&] { (void)file->integer("u64"); }), "u64");
  EXPECT_SAYS(message_of([&] { (void)file->integer("text"); }), "whole number");
  EXPECT_SAYS(message_of([&] { (void)file->number("text"); }), "number");
  EXPECT_SAYS(message_of([&] { (void)file->boolean("u32"); }), "true or false");
  EXPECT_SAYS(message_of([&] { (void)file->text("u32"); }), "text");
  EXPECT_SAYS(message_of([&] { (void)file->texts("i32s"); }), "list of texts");
}

TEST(Gguf, TensorsLieWhereTheAlignmentSays) {
  for (std::uint64_t alignment : {8u, 32u, 4096u}) {
    SCOPED_TRACE(alignment);
    GgufWriter writer;
    writer.alignment = alignment;
    writer.add_vector("a", {1, 2, 3});
    writer.add_matrix("b", DType::kQ8_0, 2, 32, std::vector<float>(64, 1.0f));
    writer.add_vector("c", {4});
    const ParsedBytes file(writer.finish());
    ASSERT_EQ(file->tensors().size(), 3u);
    const auto value = [&](const char* name, int i) {
      float v = 0;
      std::memcpy(&v, file->tensor(name)->data + 4 * i, 4);
      return v;
    };
    EXPECT_EQ(file->tensor("a")->n, 1);
    EXPECT_EQ(file->tensor("a")->k, 3);
    EXPECT_EQ(value("a", 2), 3.0f);
    EXPECT_EQ(value("c", 0), 4.0f);
    const WeightView& b = *file->tensor("b");
    EXPECT_EQ(b.type, DType::kQ8_0);
    EXPECT_EQ(b.n, 2);
    float row[32];
    dequantise_row(b.type, b.data + row_bytes(b.type, b.k), row, b.k);
    EXPECT_NEAR(row[31], 1.0f, 0.01f);
    EXPECT_EQ(file->tensor("absent"), nullptr);
  }
}

TEST(Gguf, SaysWhatAnotherFileIs) {
  EXPECT_SAYS(parse_error(""), "empty");
  EXPECT_SAYS(parse_error("GG"), "truncated");
  EXPECT_SAYS(parse_error("version https://git-lfs.github.com/spec/v1\n"), "LFS");
  EXPECT_SAYS(parse_error("PK\x03\x04 and more bytes"), "zip");
  EXPECT_SAYS(parse_error("<!DOCTYPE html><html>"), "web page");
  EXPECT_SAYS(parse_error("lmggxxxxxxxxxxxxxxx"), "older than GGUF");
  EXPECT_SAYS(parse_error(std::string("\x10\0\0\0\0\0\0\0{\"a\":1}", 15)), "safetensors");
  EXPECT_SAYS(parse_error("some other file"), "not a GGUF file");
}

TEST(Gguf, RefusesOtherVersions) {
  for (std::uint32_t version : {1u, 2u}) {
    GgufWriter writer;
    writer.version = version;
    EXPECT_SAYS(parse_error(writer.finish()), "fetch a newer one");
  }
  GgufWriter writer;
  writer.version = 4;
  EXPECT_SAYS(parse_error(writer.finish()), "newer than this program");
  writer.version = 0x03000000;
  EXPECT_SAYS(parse_error(writer.finish()), "big-endian");
}

TEST(Gguf, RefusesBadTensors) {
  constexpr std::uint64_t kHuge = std::uint64_t{1} << 62;
  const auto with = [](const std::string& name, std::uint32_t type, const std::vector<std::uint64_t>& dims,
                       std::uint64_t offset) {
    GgufWriter writer;
    writer.add_vector("good", {1, 2, 3, 4, 5, 6, 7, 8});
    writer.add_tensor_at(name, type, dims, offset);
    return parse_error(writer.finish());
  };
  EXPECT_SAYS(with("t", 10, {256, 1}, 0), "Q2_K");
  EXPECT_SAYS(with("t", 4, {32, 1}, 0), "number 4");
  EXPECT_SAYS(with("t", 0xffffffff, {32, 1}, 0), "number 4294967295");
  EXPECT_SAYS(with("t", 0, {}, 0), "0 dimensions");
  EXPECT_SAYS(with("t", 0, {1, 1, 1, 1, 1}, 0), "5 dimensions");
  EXPECT_SAYS(with("t", 0, {0}, 0), "impossible dimension");
  EXPECT_SAYS(with("t", 0, {~std::uint64_t{0}}, 0), "impossible dimension");
  EXPECT_SAYS(with("t", 0, {1, kHuge, kHuge}, 0), "impossible dimension");
  EXPECT_SAYS(with("t", 0, {kHuge, 1}, 0), "overflows");
  EXPECT_SAYS(with("t", 0, {kHuge / 4, 64}, 0), "overflows");
  EXPECT_SAYS(with("t", 2, {33, 1}, 0), "multiple of 32");
  EXPECT_SAYS(with("t", 14, {128, 1}, 0), "multiple of 256");
  EXPECT_SAYS(with("t", 0, {9}, 0), "beyond the end");
  EXPECT_SAYS(with("t", 0, {1}, kHuge), "beyond the end");
  EXPECT_SAYS(with("t", 0, {1}, ~std::uint64_t{0} - 31), "beyond the end");
  EXPECT_SAYS(with("t", 0, {1}, 4), "alignment");
  EXPECT_SAYS(with("t", 0, {1}, 0), "overlaps");
  EXPECT_SAYS(with("", 0, {1}, 0), "name of 0 bytes");
  EXPECT_SAYS(with(std::string(2000, 'x'), 0, {1}, 0), "name of 2000 bytes");
  // A name must not reach the terminal as it is.
  EXPECT_SAYS(with("\x1b[31m\n", 0, {1}, 4), "\"?[31m?\"");
}

TEST(Gguf, RefusesDuplicates) {
  GgufWriter keys;
  keys.add_u32("a", 1);
  keys.add_u32("a", 2);
  EXPECT_SAYS(parse_error(keys.finish()), "\"a\" occurs twice");
  GgufWriter tensors;
  tensors.add_vector("t", {1});
  tensors.add_vector("t", {2});
  EXPECT_SAYS(parse_error(tensors.finish()), "\"t\" occurs twice");
}

TEST(Gguf, RefusesBadMetadata) {
  const auto with = [](std::uint32_t type, std::string_view bytes) {
    GgufWriter writer;
    writer.add_raw("key", type, bytes);
    return parse_error(writer.finish());
  };
  const auto array = [](std::uint32_t type, std::uint64_t count) {
    ByteSink sink;
    sink.scalar(type);
    sink.scalar(count);
    return sink.bytes();
  };
  EXPECT_SAYS(with(99, "12345678"), "unknown type 99");
  EXPECT_SAYS(with(9, array(99, 1)), "array of unknown type 99");
  EXPECT_SAYS(with(9, array(9, 1)), "array of unknown type 9");
  for (std::uint32_t type = 0; type <= 12; ++type) {
    if (type == 9) continue;
    EXPECT_SAYS(with(9, array(type, std::uint64_t{1} << 61)), "more than the file has room for");
    EXPECT_SAYS(with(9, array(type, ~std::uint64_t{0})), "more than the file has room for");
  }
  EXPECT_SAYS(with(8, std::string(8, '\xff')), "truncated");
  for (std::uint32_t alignment : {0u, 1u, 3u, 48u, 1u << 31}) {
    GgufWriter writer;
    writer.add_u32("general.alignment", alignment);
    EXPECT_SAYS(parse_error(writer.finish()), "general.alignment");
  }
}

TEST(Gguf, RefusesAbsurdCounts) {
  for (std::size_t at : {8u, 16u}) {  // tensors, keys
    GgufWriter writer;
    writer.add_u32("a", 1);
    std::string bytes = writer.finish();
    std::memset(bytes.data() + at, 0xff, 8);
    EXPECT_SAYS(parse_error(bytes), "damaged");
  }
}

// Everything that reads a file's bytes. Anything but an Error escapes and fails the test.
void read_all(const std::string& bytes) {
  try {
    const ParsedBytes file(bytes);
    try {
      (void)build_graph(*file);
    } catch (const Error&) {
    }
    const auto tokenizer = Tokenizer::from_gguf(*file);
    for (TokenId id : tokenizer->encode("a b<|im_start|>", SpecialTokens::kParse)) (void)tokenizer->decode(id);
  } catch (const Error&) {
  }
}

TEST(Gguf, NoPrefixCrashes) {
  TinyLlama tiny{.layers = 1, .width = 8, .ffn_width = 8, .heads = 2, .kv_heads = 1, .head_dim = 4, .vocab = 259};
  tiny.vocabulary = Vocabulary::kBytes;
  const std::string bytes = tiny_llama(tiny).finish();
  ASSERT_NO_THROW(build_graph(*ParsedBytes(bytes)));
  for (std::size_t length = 0; length < bytes.size(); ++length) read_all(bytes.substr(0, length));
  // All but trailing padding is needed.
  for (std::size_t length = 0; length + 32 < bytes.size(); length += 97) {
    SCOPED_TRACE(length);
    EXPECT_THROW(ParsedBytes(bytes.substr(0, length)), Error);
  }
}

TEST(Gguf, NoChangedByteCrashes) {
  TinyLlama tiny{.layers = 1, .width = 8, .ffn_width = 8, .heads = 2, .kv_heads = 1, .head_dim = 4, .vocab = 259};
  tiny.vocabulary = Vocabulary::kBytes;
  const std::string bytes = tiny_llama(tiny).finish();
  Rng rng(42);
  for (int round = 0; round < 4000; ++round) {
    std::string changed = bytes;
    const auto changes = 1 + rng.below(3);
    for (std::uint64_t i = 0; i < changes; ++i) changed[rng.below(changed.size())] = static_cast<char>(rng.next());
    read_all(changed);
  }
}

TEST(Gguf, OpensFilesAndNamesThemInErrors) {
  const std::string path = testing::TempDir() + "hetero_gguf_test.gguf";
  GgufWriter writer;
  writer.add_text("general.name", "x");
  writer.add_vector("t", {1, 2});
  writer.write(path);
  EXPECT_EQ(*GgufFile::open(path)->text("general.name"), "x");
  EXPECT_EQ(GgufFile::open(path)->file_bytes(), std::filesystem::file_size(path));
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 32);
  const std::string said = message_of([&] { (void)GgufFile::open(path); });
  EXPECT_SAYS(said, path);
  EXPECT_SAYS(said, "fetch it again");
  std::filesystem::resize_file(path, 0);
  EXPECT_SAYS(message_of([&] { (void)GgufFile::open(path); }), "empty");
  std::remove(path.c_str());
  EXPECT_SAYS(message_of([&] { (void)GgufFile::open(path); }, ExitCode::kEnvironment), "cannot open");
  EXPECT_SAYS(message_of([&] { (void)GgufFile::open(testing::TempDir()); }, ExitCode::kEnvironment),
              "not a regular file");
}

}  // namespace
}  // namespace hetero::test
