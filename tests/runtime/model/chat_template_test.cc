// Chat formats: recognition and prompts. The expected texts are what Jinja renders from the same templates.
#include "runtime/model/chat_template.h"

#include <gtest/gtest.h>

namespace hetero {
namespace {

// The template in SmolLM2-135M-Instruct; its line ends are real ones or written as \n, depending on the converter.
const std::string kSmolLm2 =
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou "
    "are a "
    "helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + "
    "message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ "
    "'<|im_start|>assistant\n' }}{% endif %}";
const std::string kPlainChatMl =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + "
    "'\\n'}}{% endfor %}";
const std::string kLlama3 =
    "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + "
    "message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{{ content }}{% endfor %}";
const std::string kLlama31 =
    "{%- if not date_string is defined %}{%- set date_string = \"26 Jul 2024\" %}{%- endif %}"
    "{{- \"<|start_header_id|>system<|end_header_id|>\\n\\n\" }}{{- \"Cutting Knowledge Date: December 2023\\n\" }}"
    "{{- \"Today Date: \" + date_string + \"\\n\\n\" }}{{- system_message }}{{- \"<|eot_id|>\" }}";

using Format = ChatTemplate::Format;

TEST(ChatTemplate, Recognises) {
  EXPECT_EQ(ChatTemplate::recognise(kSmolLm2).format(), Format::kChatMl);
  EXPECT_EQ(ChatTemplate::recognise(kLlama3).format(), Format::kLlama3);
  EXPECT_EQ(ChatTemplate::recognise("").format(), Format::kNone);
  EXPECT_EQ(ChatTemplate::recognise("[INST] {{ message }} [/INST]").format(), Format::kNone);
}

TEST(ChatTemplate, ChatMlAddsTheTemplatesOwnSystemMessage) {
  const std::string with_default =
      "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
      "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n";
  EXPECT_EQ(ChatTemplate::recognise(kSmolLm2).render({{"user", "Hi"}}), with_default);
  std::string escaped = kSmolLm2;
  for (std::size_t at = escaped.find('\n'); at != escaped.npos; at = escaped.find('\n', at))
    escaped.replace(at, 1, "\\n");
  EXPECT_EQ(ChatTemplate::recognise(escaped).render({{"user", "Hi"}}), with_default);
  EXPECT_EQ(ChatTemplate::recognise(kSmolLm2).render({{"system", "Be brief."}, {"user", "Hi"}}),
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
}

TEST(ChatTemplate, ChatMlWithoutADefaultAddsNothing) {
  EXPECT_EQ(ChatTemplate::recognise(kPlainChatMl).render({{"user", "a\nb"}, {"assistant", " c "}, {"user", "d"}}),
            "<|im_start|>user\na\nb<|im_end|>\n<|im_start|>assistant\n c <|im_end|>\n<|im_start|>user\nd<|im_end|>\n"
            "<|im_start|>assistant\n");
  // A system message put together from variables is not a default.
  const std::string variable =
      "{{ '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}" + kPlainChatMl;
  EXPECT_EQ(ChatTemplate::recognise(variable).render({{"user", "x"}}),
            "<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\n");
  const std::string quoted = "{{ '<|im_start|>system\\nYou\\'re kind.<|im_end|>\\n' }}" + kPlainChatMl;
  EXPECT_EQ(ChatTemplate::recognise(quoted).render({{"user", "x"}}),
            "<|im_start|>system\nYou're kind.<|im_end|>\n<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\n");
}

TEST(ChatTemplate, Llama3) {
  EXPECT_EQ(ChatTemplate::recognise(kLlama3).render({{"system", " s "}, {"user", "\nHi \n"}}),
            "<|start_header_id|>system<|end_header_id|>\n\ns<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|"
            "eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n");
  EXPECT_EQ(
      ChatTemplate::recognise(kLlama3).render({{"user", "Hi"}}),
      "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n");
}

TEST(ChatTemplate, Llama31BeginsWithItsDates) {
  const std::string dates =
      "<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\nToday Date: 26 Jul "
      "2024\n\n";
  const std::string rest =
      "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>"
      "\n\n";
  const ChatTemplate chat = ChatTemplate::recognise(kLlama31);
  EXPECT_EQ(chat.render({{"user", "Hi"}}), dates + rest);
  EXPECT_EQ(chat.render({{"system", "Be brief."}, {"user", "Hi"}}), dates + "Be brief." + rest);
}

TEST(ChatTemplate, WithoutATemplateTheContentsAreJoined) {
  EXPECT_EQ(ChatTemplate().render({{"system", "a"}, {"user", "b"}}), "a\nb");
  EXPECT_EQ(ChatTemplate().render({}), "");
}

}  // namespace
}  // namespace hetero
