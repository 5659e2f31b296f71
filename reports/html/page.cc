#include "reports/html/page.h"

#include <span>

#include "base/embedded_file.h"
#include "reports/markup.h"

namespace hetero {

std::span<const EmbeddedFile> report_page_files();  // page.css, embedded by the build

namespace {

bool is_number(const std::string& head) { return head.starts_with('#'); }

std::string cell(const std::string& tag, const std::string& text, bool number) {
  return "<" + tag + (number ? " class=\"number\"" : "") + (tag == "th" ? " scope=\"col\"" : "") + ">" +
         escape_markup(text) + "</" + tag + ">";
}

}  // namespace

std::string html_of(const HtmlTable& table) {
  std::string html = "<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr>";
  for (const std::string& head : table.head) html += cell("th", head.substr(is_number(head) ? 1 : 0), is_number(head));
  html += "</tr></thead>\n<tbody>\n";
  for (const std::vector<std::string>& row : table.rows) {
    html += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i) {
      html += cell("td", row[i], i < table.head.size() && is_number(table.head[i]));
    }
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

std::string paragraph(const std::string& text, const std::string& css_class) {
  return "<p" + (css_class.empty() ? "" : " class=\"" + css_class + "\"") + ">" + escape_markup(text) + "</p>\n";
}

std::string definitions(const std::vector<std::pair<std::string, std::string>>& terms) {
  std::string html = "<dl>\n";
  for (const auto& [term, value] : terms) {
    if (!value.empty()) html += "<dt>" + escape_markup(term) + "</dt><dd>" + escape_markup(value) + "</dd>\n";
  }
  return html + "</dl>\n";
}

std::string figure(const std::string& caption, const std::string& svg, const HtmlTable& data) {
  if (svg.empty()) return paragraph(caption + " Nothing was measured that could be drawn here.");
  return "<figure>\n<figcaption>" + escape_markup(caption) + "</figcaption>\n<div class=\"scroll\" tabindex=\"0\">\n" +
         svg + "</div>\n<details><summary>The figures as a table</summary>\n" + html_of(data) +
         "</details>\n</figure>\n";
}

std::string html_page(const std::string& title, const std::vector<HtmlSection>& sections) {
  std::string css;
  for (const EmbeddedFile& file : report_page_files()) css += file.text;
  std::string html =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
      "<title>" +
      escape_markup(title) + "</title>\n<style>\n" + css + "</style>\n</head>\n<body>\n<header><h1>" +
      escape_markup(title) + "</h1></header>\n<nav aria-label=\"Sections\"><ul>\n";
  for (const HtmlSection& section : sections) {
    html += "<li><a href=\"#" + section.id + "\">" + escape_markup(section.title) + "</a></li>\n";
  }
  html += "</ul></nav>\n<main>\n";
  for (const HtmlSection& section : sections) {
    html += "<section id=\"" + section.id + "\">\n<h2>" + escape_markup(section.title) + "</h2>\n" + section.body +
            "</section>\n";
  }
  return html + "</main>\n</body>\n</html>\n";
}

}  // namespace hetero
