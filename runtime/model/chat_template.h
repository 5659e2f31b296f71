// The chat formats that models were trained on, recognised from the GGUF's template text: ChatML and Llama 3.
// Not a Jinja interpreter.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hetero {

struct ChatMessage {
  std::string role;  // "system", "user", "assistant"
  std::string content;
};

class ChatTemplate {
 public:
  enum class Format : std::uint8_t { kNone, kChatMl, kLlama3 };

  ChatTemplate() = default;
  // Recognises the format by its markers; kNone when there is no template or it is another.
  static ChatTemplate recognise(std::string_view template_text);

  Format format() const { return format_; }
  // The text to tokenize with SpecialTokens::kParse, ending where the assistant's answer begins. kNone: the contents
  // joined by newlines. The default system message that the template itself carries is kept.
  std::string render(const std::vector<ChatMessage>& messages) const;

 private:
  Format format_ = Format::kNone;
  std::string default_system_;
};

}  // namespace hetero
