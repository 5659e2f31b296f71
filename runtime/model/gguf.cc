// Parsing of GGUF v3; see gguf.h. Layout: header, metadata, tensor table, padding, tensor data.
// Nothing is allocated or dereferenced before its length has been checked against the file's size.
#include "runtime/model/gguf.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "base/error.h"
#include "runtime/model/gguf_reader.h"

namespace hetero {
namespace {

static_assert(std::endian::native == std::endian::little,
              "GGUF files are mapped as they are: little-endian hosts only");

constexpr std::uint32_t kVersion = 3;
constexpr std::uint64_t kDefaultAlignment = 32;
constexpr std::uint64_t kMostAlignment = std::uint64_t{1} << 20;
constexpr std::uint32_t kMostDims = 4;
constexpr std::size_t kMostNameBytes = 1024;
constexpr const char* kDamaged = "it is damaged: fetch it again";

// The value types of the format's metadata.
enum ValueType : std::uint32_t { kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kString, kArray, kU64, kI64, kF64 };

struct StoredType {
  std::uint32_t number;
  const char* name;
  std::optional<DType> type;  // none: known by name only
};

// The tensor formats by the numbers of the format's specification; those without a DType are named in the error.
constexpr StoredType kStoredTypes[] = {
    {0, "F32", DType::kF32},
    {1, "F16", DType::kF16},
    {2, "Q4_0", DType::kQ4_0},
    {3, "Q4_1", DType::kQ4_1},
    {6, "Q5_0", DType::kQ5_0},
    {7, "Q5_1", DType::kQ5_1},
    {8, "Q8_0", DType::kQ8_0},
    {9, "Q8_1", {}},
    {10, "Q2_K", {}},
    {11, "Q3_K", {}},
    {12, "Q4_K", DType::kQ4_K},
    {13, "Q5_K", DType::kQ5_K},
    {14, "Q6_K", DType::kQ6_K},
    {15, "Q8_K", {}},
    {16, "IQ2_XXS", {}},
    {17, "IQ2_XS", {}},
    {18, "IQ3_XXS", {}},
    {19, "IQ1_S", {}},
    {20, "IQ4_NL", {}},
    {21, "IQ3_S", {}},
    {22, "IQ2_S", {}},
    {23, "IQ4_XS", {}},
    {24, "I8", {}},
    {25, "I16", {}},
    {26, "I32", {}},
    {27, "I64", {}},
    {28, "F64", {}},
    {29, "IQ1_M", {}},
    {30, "BF16", DType::kBF16},
    {34, "TQ1_0", {}},
    {35, "TQ2_0", {}},
    {39, "MXFP4", {}},
};

DType dtype_of(std::uint32_t number, const std::string& tensor) {
  const char* name = nullptr;
  for (const StoredType& stored : kStoredTypes) {
    if (stored.number != number) continue;
    if (stored.type) return *stored.type;
    name = stored.name;
  }
  throw input_error("tensor " + tensor + " has the format " + (name ? name : "number " + std::to_string(number)) +
                        ", which is not supported",
                    "use a file in F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K or Q6_K");
}

// What a file that is not GGUF probably is, from its first bytes.
std::string guess_of(std::string_view head) {
  if (head.starts_with("version ")) return "it is a Git LFS pointer: fetch the file that it stands for";
  if (head.starts_with("PK")) return "it looks like a zip or PyTorch file: convert it to GGUF first";
  if (head.starts_with("<")) return "it looks like a web page: the download did not give the file itself";
  if (head.starts_with("lmgg") || head.starts_with("tjgg") || head.starts_with("fmgg"))
    return "it is in a format older than GGUF: fetch or convert a newer file";
  if (head.starts_with("FUGG")) return "it is a byte-swapped GGUF file: fetch the little-endian one";
  if (head.size() > 9 && head[8] == '{') return "it looks like a safetensors file: convert it to GGUF first";
  return "give a model in the GGUF format, version 3";
}

void check_header(GgufReader& in, const std::byte* data, std::uint64_t bytes) {
  if (bytes == 0) throw input_error("the file is empty", "fetch it again");
  const std::string_view head(reinterpret_cast<const char*>(data), std::min<std::uint64_t>(bytes, 16));
  if (bytes >= 4 && !head.starts_with("GGUF")) throw input_error("this is not a GGUF file", guess_of(head));
  in.scalar<std::uint32_t>("the header");
  const auto version = in.scalar<std::uint32_t>("the header");
  if (version == kVersion) return;
  if ((version & 0xffffu) == 0 && version != 0)
    throw input_error("this GGUF file is big-endian", "fetch the little-endian file of the model");
  const std::string what = "GGUF version " + std::to_string(version) + " is not supported, only version 3";
  if (version < kVersion) throw input_error(what, "the file is old: fetch a newer one of the same model");
  throw input_error(what, "the file is newer than this program");
}

template <typename Stored, typename Kept>
std::vector<Kept> read_array(GgufReader& in, std::uint64_t count, const std::string& what) {
  in.require_elements(count, sizeof(Stored), what);
  std::vector<Kept> values(count);
  for (Kept& value : values) value = static_cast<Kept>(in.scalar<Stored>(what));
  return values;
}

GgufValue read_array_value(GgufReader& in, const std::string& what) {
  const auto type = in.scalar<std::uint32_t>(what);
  const auto count = in.scalar<std::uint64_t>(what);
  switch (type) {
    case kU8:
      return read_array<std::uint8_t, std::uint64_t>(in, count, what);
    case kI8:
      return read_array<std::int8_t, std::int64_t>(in, count, what);
    case kU16:
      return read_array<std::uint16_t, std::uint64_t>(in, count, what);
    case kI16:
      return read_array<std::int16_t, std::int64_t>(in, count, what);
    case kU32:
      return read_array<std::uint32_t, std::uint64_t>(in, count, what);
    case kI32:
      return read_array<std::int32_t, std::int64_t>(in, count, what);
    case kU64:
      return read_array<std::uint64_t, std::uint64_t>(in, count, what);
    case kI64:
      return read_array<std::int64_t, std::int64_t>(in, count, what);
    case kF32:
      return read_array<float, double>(in, count, what);
    case kF64:
      return read_array<double, double>(in, count, what);
    case kBool:
      return read_array<std::uint8_t, std::uint64_t>(in, count, what);
    case kString: {
      in.require_elements(count, sizeof(std::uint64_t), what);
      std::vector<std::string> values(count);
      for (std::string& value : values) value = in.text(what);
      return values;
    }
    default:
      break;
  }
  throw input_error(what + " is an array of unknown type " + std::to_string(type), kDamaged);
}

GgufValue read_value(GgufReader& in, const std::string& what) {
  const auto type = in.scalar<std::uint32_t>(what);
  switch (type) {
    case kU8:
      return std::uint64_t{in.scalar<std::uint8_t>(what)};
    case kI8:
      return std::int64_t{in.scalar<std::int8_t>(what)};
    case kU16:
      return std::uint64_t{in.scalar<std::uint16_t>(what)};
    case kI16:
      return std::int64_t{in.scalar<std::int16_t>(what)};
    case kU32:
      return std::uint64_t{in.scalar<std::uint32_t>(what)};
    case kI32:
      return std::int64_t{in.scalar<std::int32_t>(what)};
    case kU64:
      return in.scalar<std::uint64_t>(what);
    case kI64:
      return in.scalar<std::int64_t>(what);
    case kF32:
      return double{in.scalar<float>(what)};
    case kF64:
      return in.scalar<double>(what);
    case kBool:
      return in.scalar<std::uint8_t>(what) != 0;
    case kString:
      return std::string(in.text(what));
    case kArray:
      return read_array_value(in, what);
    default:
      break;
  }
  throw input_error(what + " has unknown type " + std::to_string(type), kDamaged);
}

struct TensorEntry {
  std::string name;
  WeightView view;           // data is not set yet
  std::uint64_t offset = 0;  // from the data section's beginning
  std::uint64_t bytes = 0;
};

// Dimensions beyond the first are folded into n: the bytes are the same, and whoever uses the tensor checks its shape.
TensorEntry read_tensor_entry(GgufReader& in, std::uint64_t index) {
  const std::string position = "tensor number " + std::to_string(index) + " of the table";
  TensorEntry entry;
  entry.name = in.text(position);
  const std::string name = shown(entry.name);
  if (entry.name.empty() || entry.name.size() > kMostNameBytes)
    throw input_error(position + " has a name of " + std::to_string(entry.name.size()) + " bytes", kDamaged);

  const auto dims = in.scalar<std::uint32_t>(position);
  if (dims == 0 || dims > kMostDims)
    throw input_error("tensor " + name + " has " + std::to_string(dims) + " dimensions", kDamaged);
  std::int64_t shape[2] = {1, 1};
  for (std::uint32_t d = 0; d < dims; ++d) {
    const auto size = in.scalar<std::uint64_t>(position);
    std::int64_t& side = shape[d == 0 ? 0 : 1];
    if (size == 0 || __builtin_mul_overflow(side, size, &side))
      throw input_error("tensor " + name + " has an impossible dimension " + std::to_string(size), kDamaged);
  }
  entry.view.k = shape[0];
  entry.view.n = shape[1];
  entry.view.type = dtype_of(in.scalar<std::uint32_t>(position), name);
  entry.offset = in.scalar<std::uint64_t>(position);

  const DTypeInfo& format = info(entry.view.type);
  if (entry.view.k % format.block_elements != 0)
    throw input_error("tensor " + name + " has rows of " + std::to_string(entry.view.k) +
                          " elements, not a multiple of " + std::to_string(format.block_elements) + " as " +
                          std::string(format.name) + " needs",
                      kDamaged);
  std::int64_t bytes = 0;
  if (__builtin_mul_overflow(entry.view.k / format.block_elements, format.block_bytes, &bytes) ||
      __builtin_mul_overflow(bytes, entry.view.n, &bytes))
    throw input_error("tensor " + name + " has a size that overflows", kDamaged);
  entry.bytes = static_cast<std::uint64_t>(bytes);
  return entry;
}

// Two tensors on the same bytes would be taken for one weight (see WeightView).
void check_extents(std::vector<TensorEntry>& entries, std::uint64_t alignment, std::uint64_t data_bytes) {
  std::sort(entries.begin(), entries.end(),
            [](const TensorEntry& a, const TensorEntry& b) { return a.offset < b.offset; });
  std::uint64_t end = 0;
  for (const TensorEntry& entry : entries) {
    const std::string name = shown(entry.name);
    if (entry.offset % alignment != 0)
      throw input_error("tensor " + name + " begins at " + std::to_string(entry.offset) +
                            ", not a multiple of the alignment " + std::to_string(alignment),
                        kDamaged);
    if (entry.offset > data_bytes || entry.bytes > data_bytes - entry.offset)
      throw input_error("tensor " + name + " reaches beyond the end of the file",
                        "it is truncated or damaged: fetch it again");
    if (entry.offset < end) throw input_error("tensor " + name + " overlaps another", kDamaged);
    end = entry.offset + entry.bytes;
  }
}

std::uint64_t alignment_of(const GgufFile& file) {
  const auto value = file.integer("general.alignment");
  if (!value) return kDefaultAlignment;
  const auto alignment = static_cast<std::uint64_t>(*value);
  if (*value < 8 || alignment > kMostAlignment || !std::has_single_bit(alignment))
    throw input_error("general.alignment is " + std::to_string(*value) + ", not a power of two from 8 up", kDamaged);
  return alignment;
}

[[noreturn]] void wrong_type(std::string_view key, const char* wanted) {
  throw input_error("the file's " + shown(key) + " is not " + wanted,
                    "it is damaged or of a kind that is not supported");
}

}  // namespace

std::unique_ptr<GgufFile> GgufFile::parse(const std::byte* data, std::size_t bytes) {
  std::unique_ptr<GgufFile> file(new GgufFile);
  file->data_ = data;
  file->bytes_ = bytes;

  GgufReader in(data, bytes);
  check_header(in, data, bytes);
  const auto tensor_count = in.scalar<std::uint64_t>("the header");
  const auto metadata_count = in.scalar<std::uint64_t>("the header");

  for (std::uint64_t i = 0; i < metadata_count; ++i) {
    std::string key(in.text("key number " + std::to_string(i) + " of the metadata"));
    const std::string name = shown(key);
    GgufValue value = read_value(in, "the value of " + name);
    if (!file->metadata_.emplace(std::move(key), std::move(value)).second)
      throw input_error("the key " + name + " occurs twice", kDamaged);
  }

  std::vector<TensorEntry> entries;
  for (std::uint64_t i = 0; i < tensor_count; ++i) entries.push_back(read_tensor_entry(in, i));

  const std::uint64_t alignment = alignment_of(*file);
  const std::uint64_t data_begin = (in.offset() + alignment - 1) / alignment * alignment;
  check_extents(entries, alignment, data_begin < bytes ? bytes - data_begin : 0);
  for (TensorEntry& entry : entries) {
    entry.view.data = data + data_begin + entry.offset;
    const std::string name = shown(entry.name);
    if (!file->tensors_.emplace(std::move(entry.name), entry.view).second)
      throw input_error("the tensor " + name + " occurs twice", kDamaged);
  }
  return file;
}

std::unique_ptr<GgufFile> GgufFile::open(const std::string& path) {
  auto mapping = MappedFile::open(path);
  try {
    auto file = parse(mapping->data(), mapping->size());
    file->mapping_ = std::move(mapping);
    return file;
  } catch (const Error& error) {
    throw Error(error.code(), path + ": " + error.what());
  }
}

const GgufValue* GgufFile::find(std::string_view key) const {
  const auto it = metadata_.find(key);
  return it == metadata_.end() ? nullptr : &it->second;
}

std::optional<std::int64_t> GgufFile::integer(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* i = std::get_if<std::int64_t>(value)) return *i;
  const auto* u = std::get_if<std::uint64_t>(value);
  if (u == nullptr || *u > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    wrong_type(key, "a whole number that fits");
  return static_cast<std::int64_t>(*u);
}

std::optional<double> GgufFile::number(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* i = std::get_if<std::int64_t>(value)) return static_cast<double>(*i);
  if (const auto* u = std::get_if<std::uint64_t>(value)) return static_cast<double>(*u);
  const auto* d = std::get_if<double>(value);
  if (d == nullptr || !std::isfinite(*d)) wrong_type(key, "a finite number");
  return *d;
}

std::optional<bool> GgufFile::boolean(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const auto* b = std::get_if<bool>(value);
  if (b == nullptr) wrong_type(key, "true or false");
  return *b;
}

const std::string* GgufFile::text(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return nullptr;
  const auto* text = std::get_if<std::string>(value);
  if (text == nullptr) wrong_type(key, "a text");
  return text;
}

const std::vector<std::string>* GgufFile::texts(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return nullptr;
  const auto* texts = std::get_if<std::vector<std::string>>(value);
  if (texts == nullptr) wrong_type(key, "a list of texts");
  return texts;
}

const WeightView* GgufFile::tensor(std::string_view name) const {
  const auto it = tensors_.find(name);
  return it == tensors_.end() ? nullptr : &it->second;
}

}  // namespace hetero
