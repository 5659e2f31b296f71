// ChatML and Llama 3 prompts; see chat_template.h. Reads the template's markers and literals, not its language.
#include "runtime/model/chat_template.h"

#include <optional>

namespace hetero {
namespace {

// The characters that a literal of the template stands for.
std::string unescaped(std::string_view literal) {
  std::string out;
  for (std::size_t i = 0; i < literal.size(); ++i) {
    if (literal[i] != '\\' || i + 1 == literal.size()) {
      out += literal[i];
      continue;
    }
    const char c = literal[++i];
    out += c == 'n' ? '\n' : c == 't' ? '\t' : c;
  }
  return out;
}

// Templates write line ends as themselves or as \n.
std::size_t newline_length(std::string_view text) {
  return text.starts_with("\n") ? 1 : text.starts_with("\\n") ? 2 : 0;
}

// Whether `quote` occurs in `text` without a backslash before it.
bool ends_literal(std::string_view text, char quote) {
  for (std::size_t at = text.find(quote); at != text.npos; at = text.find(quote, at + 1)) {
    if (at == 0 || text[at - 1] != '\\') return true;
  }
  return false;
}

// The message in '<|im_start|>system\n...<|im_end|>': the template says it when the conversation has no system message.
std::string chatml_default_system(std::string_view text) {
  constexpr std::string_view kOpen = "<|im_start|>system", kClose = "<|im_end|>";
  for (std::size_t at = text.find(kOpen); at != text.npos; at = text.find(kOpen, at + 1)) {
    const std::string_view rest = text.substr(at + kOpen.size());
    const std::size_t newline = newline_length(rest);
    const std::size_t close = rest.find(kClose);
    if (newline == 0 || close == rest.npos || close < newline) continue;
    const std::string_view message = rest.substr(newline, close - newline);
    // An expression or the end of the literal inside it means that the message is put together from variables.
    const char quote = at > 0 ? text[at - 1] : '\0';
    const bool literal = message.find("{{") == message.npos && message.find("{%") == message.npos &&
                         !((quote == '\'' || quote == '"') && ends_literal(message, quote));
    if (literal) return unescaped(message);
  }
  return "";
}

std::optional<std::string_view> between(std::string_view text, std::string_view before, std::string_view any_of_after) {
  const std::size_t at = text.find(before);
  if (at == text.npos) return std::nullopt;
  const std::string_view rest = text.substr(at + before.size());
  const std::size_t end = rest.find_first_of(any_of_after);
  if (end == rest.npos) return std::nullopt;
  return rest.substr(0, end);
}

// Llama 3.1 and later begin every system message with two dates. "Today" is the day that the template falls back to,
// so that the same prompt stays the same from day to day.
std::string llama3_dates(std::string_view text) {
  const auto knowledge = between(text, "Cutting Knowledge Date: ", "\\\n\"'");
  const auto today = between(text, "date_string = \"", "\"");
  if (!knowledge || !today) return "";
  return "Cutting Knowledge Date: " + std::string(*knowledge) + "\nToday Date: " + std::string(*today) + "\n\n";
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\r\f\v";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == text.npos) return "";
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

bool begins_with_system(const std::vector<ChatMessage>& messages) {
  return !messages.empty() && messages.front().role == "system";
}

std::string render_chatml(const std::vector<ChatMessage>& messages, const std::string& default_system) {
  const auto message = [](const std::string& role, const std::string& content) {
    return "<|im_start|>" + role + "\n" + content + "<|im_end|>\n";
  };
  std::string out;
  if (!default_system.empty() && !begins_with_system(messages)) out += message("system", default_system);
  for (const ChatMessage& m : messages) out += message(m.role, m.content);
  return out + "<|im_start|>assistant\n";
}

// Without begin-of-text: the tokenizer's adds_bos() says whether a prompt has it.
std::string render_llama3(const std::vector<ChatMessage>& messages, const std::string& dates) {
  const auto header = [](const std::string& role) { return "<|start_header_id|>" + role + "<|end_header_id|>\n\n"; };
  std::string out;
  if (!dates.empty() && !begins_with_system(messages)) out += header("system") + dates + "<|eot_id|>";
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const ChatMessage& m = messages[i];
    out += header(m.role);
    if (i == 0 && m.role == "system") out += dates;
    out += std::string(trimmed(m.content)) + "<|eot_id|>";
  }
  return out + header("assistant");
}

}  // namespace

ChatTemplate ChatTemplate::recognise(std::string_view template_text) {
  const auto has = [&](std::string_view marker) { return template_text.find(marker) != template_text.npos; };
  ChatTemplate result;
  if (has("<|im_start|>") && has("<|im_end|>")) {
    result.format_ = Format::kChatMl;
    result.default_system_ = chatml_default_system(template_text);
  } else if (has("<|start_header_id|>") && has("<|eot_id|>")) {
    result.format_ = Format::kLlama3;
    result.default_system_ = llama3_dates(template_text);
  }
  return result;
}

std::string ChatTemplate::render(const std::vector<ChatMessage>& messages) const {
  switch (format_) {
    case Format::kChatMl:
      return render_chatml(messages, default_system_);
    case Format::kLlama3:
      return render_llama3(messages, default_system_);
    case Format::kNone:
      break;
  }
  std::string out;
  for (const ChatMessage& m : messages) out += (out.empty() ? "" : "\n") + m.content;
  return out;
}

}  // namespace hetero
